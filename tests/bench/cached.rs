//! Benchmark: cached answers per second, compared with a FastAPI server with the same route in the same run.
//!
//! `cargo xtask bench cached` starts both and loads them alternately, three times. This program generates the load over keep-alive
//! connections, so it takes the same share of the CPU from both.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a failed measurement ends the program")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tests::process::{SidecarProcess, data_dir_with};
use tokio::process::{Child, Command};

/// Concurrent connections.
const CONNECTIONS: usize = 16;

/// Duration of each load.
const DURATION: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    let packages = std::env::var_os("HAPA_BENCH_PYTHON").expect("`cargo xtask bench` names the folder with FastAPI");
    let script = json!({"answers": [{"pieces": [
        "```python\ndef remove_duplicates(lst):\n    return list(set(lst))\n```\n", "set()을 사용하여 중복을 제거합니다."]}]});
    let data = data_dir_with(&script);
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let ours = Target { address: hapa.wait_ready().await, key: hapa.key.clone() };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _peer = peer(&packages, port, &ours.key);
    let theirs = Target { address: format!("http://127.0.0.1:{port}"), key: ours.key.clone() };
    theirs.wait_ready().await;
    println!("{:<8} {:>12} {:>10} {:>10}", "server", "requests/s", "p50 ms", "p99 ms");
    for _ in 0..3 {
        ours.load().await.print("hapa");
        theirs.load().await.print("fastapi");
    }
}

fn peer(packages: &std::ffi::OsStr, port: u16, key: &str) -> Child {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bench");
    let mut uvicorn = Command::new("python3");
    uvicorn.args([
        "-m",
        "uvicorn",
        "fastapi_peer:app",
        "--workers",
        "1",
        "--log-level",
        "warning",
        "--no-access-log",
        "--port",
    ]);
    uvicorn.arg(port.to_string()).env("PYTHONPATH", packages).env("PEER_KEY", key).current_dir(folder);
    uvicorn.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// A server under load.
#[derive(Clone)]
struct Target {
    address: String,
    key: String,
}

/// The result of a load.
struct LoadResult {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

impl LoadResult {
    fn print(&self, name: &str) {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!("{name:<8} {:>12.0} {:>10.2} {:>10.2}", self.per_second, ms(self.p50), ms(self.p99));
    }
}

impl Target {
    /// Waits until the server answers.
    async fn wait_ready(&self) {
        let client = tests::client();
        tests::eventually("the peer answers", async || client.get(&self.address).send().await.ok()).await;
    }

    /// Sends the same question over all connections for [`DURATION`].
    async fn load(&self) -> LoadResult {
        let start = Instant::now();
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let target = self.clone();
                tokio::spawn(async move { target.send_until(start + DURATION).await })
            })
            .collect();
        let mut times = Vec::new();
        for worker in workers {
            times.extend(worker.await.unwrap());
        }
        let per_second = times.len() as f64 / start.elapsed().as_secs_f64();
        times.sort_unstable();
        LoadResult { per_second, p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
    }

    async fn send_until(&self, end: Instant) -> Vec<Duration> {
        let client = tests::client();
        let body = json!({"user_question": "리스트에서 중복 제거하는 함수 만들어줘"}).to_string();
        let mut times = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            let request = client.request(Method::POST, format!("{}/api/v1/generate-code", self.address));
            let request = request.header("X-API-Key", &self.key).header("Content-Type", "application/json");
            let response = request.body(body.clone()).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
            assert_eq!(answer["status"], "success");
            times.push(start.elapsed());
        }
        times
    }
}
