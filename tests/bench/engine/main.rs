//! Benchmark: HAPA's engine compared with llama-server, with the same model, machine and route, alternating within one run.
//!
//! `cargo xtask bench engine` builds llama-server and starts both; while one is measured, the other is idle. Each figure is also printed to
//! stderr as soon as it is measured.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a failed measurement ends the program")]

mod server;
mod texts;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use self::server::Server;
use self::texts::Texts;

/// Rounds per server, unless HAPA_BENCH_ROUNDS is set.
const ROUNDS: usize = 3;

/// Completions per round that are requested while chats run.
const COMPLETIONS: usize = 20;

/// The interval between two of these completions.
const COMPLETION_INTERVAL: Duration = Duration::from_secs(3);

/// Which direction of a figure is better.
#[derive(Clone, Copy)]
enum Better {
    More,
    Less,
}

/// A line of the table: a measurement and the figures of both servers.
struct Line {
    what: &'static str,
    unit: &'static str,
    better: Better,
    aim: f64,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

#[tokio::main]
async fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("`cargo xtask bench` sets {name}"));
    let (model, program) = (variable("HAPA_BENCH_MODEL"), variable("HAPA_BENCH_PEER"));
    let data = tests::data_dir();
    let (hapa, _ours) = Server::hapa(data.path(), &model).await;
    let (peer, _theirs) = Server::peer(&program, &model).await;
    let texts = Texts::new();
    let line = |what, unit, better, aim| Line { what, unit, better, aim, ours: Vec::new(), theirs: Vec::new() };
    let mut lines = [
        line("decode", "tokens/s", Better::More, 1.05),
        line("decode, token by token", "tokens/s", Better::More, 1.0),
        line("decode, token by token, behind 1,500", "tokens/s", Better::More, 1.0),
        line("prefill of 1,500 tokens", "tokens/s", Better::More, 1.0),
        line("first token, cold", "s", Better::Less, 1.0),
        line("first token, a chat that grew", "s", Better::Less, 0.8),
        line("first token, the same prompt", "s", Better::Less, 0.8),
        line("four streams", "tokens/s", Better::More, 1.15),
        line("first token of a completion beside three chats", "s", Better::Less, 0.4),
        line("edits", "tokens/s", Better::More, 2.0),
    ];
    let (mut same, mut identical) = (0, 0);
    let rounds = std::env::var("HAPA_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for round in 0..rounds {
        for server in [&hapa, &peer] {
            let figures = measure(server, &texts, round).await;
            for (line, figures) in lines.iter_mut().zip(figures) {
                eprintln!("{}: {}: {:.3} {}", server.name, line.what, median(&figures), line.unit);
                if server.name == "HAPA" { &mut line.ours } else { &mut line.theirs }.extend(figures);
            }
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    for number in 0..texts.edits() {
        let prompt = texts.edit(number);
        let plain = hapa.complete(&prompt, 700, json!({"ignore_eos": false})).await;
        let drafted = hapa.complete(&prompt, 700, json!({"ignore_eos": false, "drafts": true})).await;
        let theirs = peer.complete(&prompt, 700, json!({"ignore_eos": false})).await;
        same += usize::from(plain.text == drafted.text);
        identical += usize::from(theirs.text == drafted.text);
    }
    println!("| measurement | HAPA | llama-server | ratio | aim |\n|---|--:|--:|--:|--:|");
    for line in &lines {
        let (ours, theirs) = (median(&line.ours), median(&line.theirs));
        let sign = if matches!(line.better, Better::More) { "≥" } else { "≤" };
        println!(
            "| {} ({}) | {ours:.3} | {theirs:.3} | {:.2} | {sign} {} |",
            line.what,
            line.unit,
            ours / theirs,
            line.aim
        );
    }
    let busy = &lines[8];
    println!(
        "| the same, 95th percentile (s) | {:.3} | {:.3} | {:.2} | |",
        p95(&busy.ours),
        p95(&busy.theirs),
        p95(&busy.ours) / p95(&busy.theirs)
    );
    let (ours, theirs) = (hapa.memory(), peer.memory());
    println!("| memory: own, MiB | {:.0} | {:.0} | {:.2} | |", ours.0, theirs.0, ours.0 / theirs.0);
    println!("| memory: with mapped files, MiB | {:.0} | {:.0} | {:.2} | |", ours.1, theirs.1, ours.1 / theirs.1);
    println!(
        "\nedits: {same} of {} the same with and without drafts, {identical} the same as llama-server's",
        texts.edits()
    );
}

/// The figures of one server in one round, one entry per line of the table.
async fn measure(server: &Server, texts: &Texts, round: usize) -> [Vec<f64>; 10] {
    let unique = |what: &str| format!("# {what} {round} {}\n", server.name.len());
    let program = "# A program that manages a library.\n";
    let drafted = server.complete(&(unique("usual") + program), 300, json!({"drafts": true})).await;
    let plain = server.complete(&(unique("plain") + program), 300, json!({})).await;
    let prefill = server.complete(&(unique("prefill") + texts.source(1500)), 64, json!({})).await;

    let chat = unique("chat") + texts.source(600);
    let first = server.complete(&chat, 40, json!({})).await;
    for other in 0..5 {
        server.complete(&(unique(&format!("other {other}")) + texts.source(300)), 8, json!({})).await;
    }
    let grown = server.complete(&format!("{chat}{}\n# And now with type hints:\n", first.text), 8, json!({})).await;
    let again = server.complete(&chat, 8, json!({})).await;

    let start = Instant::now();
    let streams = (0..4).map(|number| {
        let (server, prompt) = (server.clone(), unique(&format!("stream {number}")) + texts.source(40));
        tokio::spawn(async move { server.complete(&prompt, 128, json!({"drafts": true})).await.tokens })
    });
    let streams: Vec<_> = streams.collect();
    let mut tokens = 0;
    for stream in streams {
        tokens += stream.await.unwrap();
    }
    let four = tokens as f64 / start.elapsed().as_secs_f64();

    let busy = busy(server, texts, round).await;
    let mut edits = (0, 0.0);
    for number in 0..texts.edits() {
        // The prompts of each round are unique, so that no prefix is cached from an earlier round.
        let prompt = unique("edit") + &texts.edit(number);
        let edit = server.complete(&prompt, 700, json!({"ignore_eos": false, "drafts": true})).await;
        edits = (edits.0 + edit.tokens.saturating_sub(1), edits.1 + edit.total - edit.first);
    }
    let one = [
        drafted.speed(),
        plain.speed(),
        prefill.speed(),
        prefill.prompt as f64 / prefill.first,
        prefill.first,
        grown.first,
        again.first,
        four,
    ];
    let [drafted, plain, behind, prefill, cold, grown, again, four] = one.map(|figure| vec![figure]);
    [drafted, plain, behind, prefill, cold, grown, again, four, busy, vec![edits.0 as f64 / edits.1]]
}

/// Times to the first token, in seconds, of short completions in a file that grows as if it were typed, while three chats run. Each
/// chat repeatedly requests 120 tokens about 600 to 1,500 tokens of code that are not cached. A completion is requested every three
/// seconds, whether the last one was answered or not: a user who types does not wait, and a slow server would otherwise get fewer
/// requests exactly when it is slow. A completion without a token by then is cancelled, as editors do, and counts as three seconds.
async fn busy(server: &Server, texts: &Texts, round: usize) -> Vec<f64> {
    let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let chats: Vec<_> = [600, 1000, 1500]
        .into_iter()
        .map(|tokens| {
            let (server, code) = (server.clone(), texts.source(tokens).to_owned());
            let (over, count) = (Arc::clone(&over), Arc::clone(&count));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    server.complete(&format!("# busy {round} {number}\n{code}"), 120, json!({"drafts": true})).await;
                }
            })
        })
        .collect();
    let mut file = format!("# complete {round} {}\n{}", server.name.len(), texts.source(150));
    let (mut typing, mut completions) = (tokio::time::interval(COMPLETION_INTERVAL), Vec::new());
    for piece in texts.typed().cycle().take(COMPLETIONS) {
        typing.tick().await;
        file += piece;
        let (server, file) = (server.clone(), file.clone());
        completions.push(tokio::spawn(async move {
            let answer = server.complete(&file, 16, json!({"lane": "completion"}));
            tokio::time::timeout(COMPLETION_INTERVAL, answer)
                .await
                .map_or(COMPLETION_INTERVAL.as_secs_f64(), |answer| answer.first)
        }));
    }
    let mut firsts = Vec::new();
    for completion in completions {
        firsts.push(completion.await.unwrap());
    }
    over.store(true, Ordering::Relaxed);
    for chat in chats {
        chat.await.unwrap();
    }
    firsts
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The 95th percentile.
fn p95(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() * 95 / 100]
}
