//! Benchmark: validating and analyzing 1,000 lines of Python over HTTP.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a failed measurement ends the program")]

use std::time::{Duration, Instant};

use serde_json::json;
use tests::server::Server;

/// Requests per measurement.
const TIMES: usize = 100;

#[tokio::main]
async fn main() {
    let server = Server::start().await;
    let code = module();
    assert_eq!(code.lines().count(), 1_000);
    println!("{} lines, {} characters\n", code.lines().count(), code.chars().count());
    println!("{:<36} {:>8} {:>8}", "question", "p50 ms", "p99 ms");
    for (path, field, kind) in [
        ("/api/v1/validate-code", "validation_type", "syntax"),
        ("/api/v1/validate-code", "validation_type", "security"),
        ("/api/v1/validate-code", "validation_type", "all"),
        ("/api/v1/analyze-code", "analysis_type", "complexity"),
        ("/api/v1/analyze-code", "analysis_type", "all"),
    ] {
        let body = json!({"code": code, "language": "python", field: kind});
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let start = Instant::now();
            let (status, _) = server.post(path, &body).await;
            times.push(start.elapsed());
            assert_eq!(status, 200);
        }
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let what = format!("{} {kind}", path.trim_start_matches("/api/v1/"));
        println!("{what:<36} {:>8.1} {:>8.1}", ms(times[TIMES / 2]), ms(times[TIMES * 99 / 100]));
    }
}

/// A module of realistic functions, each with at least one finding.
fn module() -> String {
    let function = |index: usize| {
        format!(
            "def load_{index}(path: str, limit: int = {index}) -> list[dict]:\n    \"\"\"{index}번째 파일을 읽는다.\"\"\"\n    \
             rows = []\n    with open(path, encoding='utf-8') as file:\n        for line in file:\n            \
             if line.strip() and len(rows) < limit:\n                parts = line.split(',')\n                \
             rows.append({{'name': parts[0], 'value': eval(parts[1])}})\n    return rows\n\n"
        )
    };
    let functions: String = (0..100).map(function).collect();
    functions.lines().take(1_000).map(|line| format!("{line}\n")).collect()
}
