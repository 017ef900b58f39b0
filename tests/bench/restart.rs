//! Benchmark: time to the first token of a conversation of 8,000 tokens, before and after a restart.
//!
//! `cargo xtask bench restart`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a failed measurement ends the program")]

#[path = "engine/server.rs"]
#[expect(dead_code, reason = "the peer is not measured here")]
mod server;
#[path = "engine/texts.rs"]
#[expect(dead_code, reason = "edits are not measured here")]
mod texts;

use std::time::Duration;

use serde_json::json;
use tests::process::SidecarProcess;

use self::server::{Server, Timing};
use self::texts::Texts;

#[tokio::main]
async fn main() {
    let model = std::env::var("HAPA_BENCH_MODEL").expect("`cargo xtask bench` sets HAPA_BENCH_MODEL");
    let data = tests::data_dir();
    let texts = Texts::new();
    let long: String = (0..3).map(|part| format!("# Part {part}\n{}", texts.source(2700))).collect();
    let (hapa, mut process) = Server::hapa(data.path(), &model).await;
    let cold = hapa.complete(&long, 16, json!({})).await;
    let next = format!("{long}{}\n# What does the class do?\n", cold.text);
    let warm = hapa.complete(&next, 16, json!({})).await;
    stop(&mut process).await;

    let (hapa, mut process) = Server::hapa(data.path(), &model).await;
    let restored = hapa.complete(&next, 16, json!({})).await;
    stop(&mut process).await;

    let states = data.path().join("states");
    for entry in std::fs::read_dir(&states).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (hapa, mut process) = Server::hapa(data.path(), &model).await;
    let recomputed = hapa.complete(&next, 16, json!({})).await;
    stop(&mut process).await;

    println!("{} tokens\n\n| | first token (s) |\n|---|--:|", recomputed.prompt);
    let row = |what: &str, timing: &Timing| println!("| {what} | {:.2} |", timing.first);
    row("read for the first time", &cold);
    row("the next question, without a restart", &warm);
    row("after a restart", &restored);
    row("after a restart without what was kept", &recomputed);
    let same = restored.text == recomputed.text;
    println!("\nthe answer after the restart is {}", if same { "the same" } else { "not the same" });
}

/// Stops HAPA as the desktop app does.
async fn stop(process: &mut SidecarProcess) {
    drop(process.stdin.take());
    tokio::time::timeout(Duration::from_secs(30), process.child.wait()).await.unwrap().unwrap();
}
