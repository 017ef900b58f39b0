//! Benchmark of the desktop app: time until the window is usable, memory of all its processes when idle, and size of the front end.
//!
//! `cargo xtask bench window`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed measurement ends the program")]

#[path = "../desktop/session.rs"]
#[expect(dead_code, reason = "only windows are opened here")]
mod session;
#[path = "../desktop/x11.rs"]
#[expect(dead_code, reason = "windows are only waited for here")]
mod x11;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use handshake::InstanceFile;
use serde_json::{Value, json};
use tests::process;

use session::DesktopSession;

/// Number of starts.
const STARTS: usize = 5;

/// Idle time before the memory is measured.
const IDLE: Duration = Duration::from_secs(20);

/// One start of the app.
struct Start {
    window: Duration,
    model: Duration,
    memory: Vec<(String, u64)>,
}

#[tokio::main]
async fn main() {
    let model = std::env::var("HAPA_BENCH_MODEL").expect("`cargo xtask bench` sets HAPA_BENCH_MODEL");
    let mut starts = Vec::new();
    for number in 0..STARTS {
        starts.push(start(&model, number + 1 == STARTS).await);
    }
    println!("| start | window can be used (s) | model answers (s) |\n|--:|--:|--:|");
    for (number, start) in starts.iter().enumerate() {
        println!("| {} | {:.2} | {:.2} |", number + 1, start.window.as_secs_f64(), start.model.as_secs_f64());
    }
    println!("\nThe first start reads everything from the disk if the system has not read it lately.\n");
    println!("| process | memory after {} s of rest (MiB) |\n|---|--:|", IDLE.as_secs());
    let memory = &starts.last().unwrap().memory;
    for (name, bytes) in memory {
        println!("| {name} | {:.1} |", mebibytes(*bytes));
    }
    println!("| together | {:.1} |", mebibytes(memory.iter().map(|(_, bytes)| bytes).sum()));
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/dist");
    println!("\n| front end | KiB | compressed (KiB) |\n|---|--:|--:|");
    let mut total = (0, 0);
    for (name, plain, packed) in files(&dist) {
        total = (total.0 + plain, total.1 + packed);
        println!("| {name} | {:.0} | {:.0} |", plain as f64 / 1024.0, packed as f64 / 1024.0);
    }
    println!("| together | {:.0} | {:.0} |", total.0 as f64 / 1024.0, total.1 as f64 / 1024.0);
}

/// Starts the app with a real model in a desktop session of its own; if `measure_memory`, measures its memory after [`IDLE`].
async fn start(model: &str, measure_memory: bool) -> Start {
    let session = DesktopSession::new(&json!({})).await;
    let mut app = session.command(process::program("desktop"));
    app.env_remove("HAPA_SCRIPT").env("HAPA_MODEL", model);
    let started = Instant::now();
    let app = app.spawn().unwrap();
    // The window is shown once its page has painted the composer.
    session.display().window().await;
    let window = started.elapsed();
    let found = tests::eventually("the sidecar can be found", || async {
        serde_json::from_slice::<InstanceFile>(&fs::read(InstanceFile::path(session.data_dir())).ok()?).ok()
    });
    let port = found.await.port;
    tests::eventually("the model answers", || async {
        let health = tests::client().get(format!("http://127.0.0.1:{port}/health")).send().await.ok()?;
        (health.json::<Value>().await.ok()?["status"] == "healthy").then_some(())
    })
    .await;
    let model = started.elapsed();
    let mut memory = Vec::new();
    if measure_memory {
        tokio::time::sleep(IDLE).await;
        memory = process_tree_memory(app.id().unwrap());
    }
    Start { window, model, memory }
}

/// The memory of a process and its descendants, each with its name. Shared pages are divided among them (PSS).
fn process_tree_memory(root: u32) -> Vec<(String, u64)> {
    let processes: Vec<u32> =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let mut ids = vec![root];
    while let Some(more) =
        processes.iter().find(|id| !ids.contains(id) && parent(**id).is_some_and(|of| ids.contains(&of)))
    {
        ids.push(*more);
    }
    ids.into_iter().filter_map(|id| Some((field(id, "status", "Name:")?, kibibytes(id)? * 1024))).collect()
}

fn parent(id: u32) -> Option<u32> {
    field(id, "status", "PPid:")?.parse().ok()
}

fn kibibytes(id: u32) -> Option<u64> {
    field(id, "smaps_rollup", "Pss:")?.trim_end_matches(" kB").parse().ok()
}

fn field(id: u32, file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{id}/{file}")).ok()?;
    Some(text.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The files below a folder with their sizes, plain and compressed by gzip, largest first.
fn files(folder: &Path) -> Vec<(String, u64, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let packed = Command::new("gzip").args(["--stdout", "--best"]).arg(&path).output().unwrap().stdout.len();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name, entry.metadata().unwrap().len(), packed as u64));
        }
    }
    found.sort_by_key(|(_, bytes, _)| std::cmp::Reverse(*bytes));
    found
}
