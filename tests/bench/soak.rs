//! Soak test: ten minutes of mixed load on a real model, with three chats, five completions per second, and cancelled requests. No
//! request may fail, and memory must not grow.
//!
//! `cargo xtask bench soak`; HAPA_BENCH_SECONDS makes it shorter.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a failed measurement ends the program")]

#[path = "engine/server.rs"]
#[expect(dead_code, reason = "the peer is not measured here")]
mod server;
#[path = "engine/texts.rs"]
#[expect(dead_code, reason = "edits are not measured here")]
mod texts;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::MissedTickBehavior;

use self::server::Server;
use self::texts::Texts;

/// The interval between two completions, as in an editor while the user types.
const TYPING_INTERVAL: Duration = Duration::from_millis(200);

/// The share of the run that is not measured: caches fill, and every batch size is used once.
const WARM_UP: f64 = 0.25;

#[tokio::main]
async fn main() {
    let seconds = std::env::var("HAPA_BENCH_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(600);
    let length = Duration::from_secs(seconds);
    let model = std::env::var("HAPA_BENCH_MODEL").expect("`cargo xtask bench` sets HAPA_BENCH_MODEL");
    let data = tests::data_dir();
    let (hapa, _process) = Server::hapa(data.path(), &model).await;
    let start = Instant::now();
    let (over, cancelled) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let chats: Vec<_> = (0..3).map(|number| tokio::spawn(chat(hapa.clone(), number, Arc::clone(&over)))).collect();
    let cancelling = tokio::spawn(cancel(hapa.clone(), Arc::clone(&over), Arc::clone(&cancelled)));
    let (mut firsts, mut given_up, mut levels) = (Vec::new(), 0, Vec::new());
    let mut tick = tokio::time::interval(TYPING_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let file = Texts::new().source(200).to_owned();
    for number in 0.. {
        tick.tick().await;
        if start.elapsed() >= length {
            break;
        }
        // A new line is typed in five pieces. An editor cancels its request at the next keystroke, and waits after the last one.
        let typed = &"value = compute(a, b)"[..4 + number % 5 * 4];
        let prompt = format!("{file}\n# {}\n{typed}", number / 5 % 40);
        let deadline = if number % 5 == 4 { Duration::MAX } else { TYPING_INTERVAL };
        let answer = hapa.complete(&prompt, 12, json!({"lane": "completion"}));
        match tokio::time::timeout(deadline, answer).await {
            Ok(answer) => firsts.push(answer.first),
            Err(_) => given_up += 1,
        }
        if number % 25 == 0 {
            levels.push((start.elapsed().as_secs_f64() / length.as_secs_f64(), hapa.memory().0));
        }
    }
    over.store(true, Ordering::Relaxed);
    let mut speeds = Vec::new();
    for chat in chats {
        speeds.extend(chat.await.expect("no chat fails"));
    }
    cancelling.await.expect("cancelling requests succeeds");
    let cancelled = cancelled.load(Ordering::Relaxed) + given_up;
    report(&mut firsts, &mut speeds, cancelled, &levels);
}

/// A conversation that grows by a question and an answer at a time, and restarts when it is long.
async fn chat(hapa: Server, number: usize, over: Arc<AtomicBool>) -> Vec<f64> {
    let texts = Texts::new();
    let (mut text, mut speeds, mut turn) = (String::new(), Vec::new(), 0);
    while !over.load(Ordering::Relaxed) {
        if text.len() > 12_000 || text.is_empty() {
            text = format!("# chat {number}, {turn}\n{}", texts.source(300 * (number + 1)));
        }
        text += &format!("\n# Question {turn}: what does the last method do?\n# ");
        let answer = hapa.complete(&text, 100, json!({"drafts": true})).await;
        text += &answer.text;
        speeds.push(answer.speed());
        turn += 1;
    }
    speeds
}

/// Clients that request long answers and disconnect, some before the first token, some during the answer.
async fn cancel(hapa: Server, over: Arc<AtomicBool>, count: Arc<AtomicUsize>) {
    let texts = Texts::new();
    while !over.load(Ordering::Relaxed) {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let prompt = format!("# leaves {number}\n{}", texts.source(100 + number % 7 * 100));
        let deadline = Duration::from_millis(50 + number as u64 % 11 * 250);
        let _ = tokio::time::timeout(deadline, hapa.complete(&prompt, 400, json!({}))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn report(firsts: &mut [f64], speeds: &mut [f64], cancelled: usize, levels: &[(f64, f64)]) {
    firsts.sort_by(f64::total_cmp);
    speeds.sort_by(f64::total_cmp);
    let of = |sorted: &[f64], percent: usize| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)];
    let settled: Vec<f64> = levels.iter().filter(|(share, _)| *share >= WARM_UP).map(|(_, level)| *level).collect();
    let (first, last) = settled.split_at(settled.len() / 2);
    let mean = |levels: &[f64]| levels.iter().sum::<f64>() / levels.len().max(1) as f64;
    println!("| measurement | value |\n|---|--:|");
    println!("| completions that were waited for, none failed | {} |", firsts.len());
    println!("| first token of a completion, p50 (s) | {:.3} |", of(firsts, 50));
    println!("| first token of a completion, p95 (s) | {:.3} |", of(firsts, 95));
    println!("| answers of chats, none failed | {} |", speeds.len());
    println!("| speed of a chat, p50 (tokens/s) | {:.1} |", of(speeds, 50));
    println!("| requests given up | {cancelled} |");
    println!("| own memory once settled, first half and last (MiB) | {:.0} and {:.0} |", mean(first), mean(last));
    let drift = mean(last) - mean(first);
    println!("| drift (MiB) | {drift:+.1} |");
    assert!(drift < 64.0, "memory grows by {drift} MiB");
}
