//! A server that is measured: HAPA or llama.cpp's own, both asked through the same route.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tests::process::{SidecarProcess, hapa};
use tokio::process::{Child, Command};

/// A server, ready to be asked.
#[derive(Clone)]
pub struct Server {
    /// Its name in the tables.
    pub name: &'static str,
    address: String,
    key: String,
    client: Client,
    process: u32,
}

/// How an answer came.
#[derive(Debug, Clone, Default)]
pub struct Timing {
    /// Seconds to its first piece.
    pub first: f64,
    /// Seconds to its last.
    pub total: f64,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens of the answer.
    pub tokens: usize,
    /// The answer.
    pub text: String,
}

impl Timing {
    /// Tokens per second once the answer had begun.
    pub fn speed(&self) -> f64 {
        (self.tokens.max(1) - 1) as f64 / (self.total - self.first)
    }
}

impl Server {
    /// HAPA, as its desktop app starts it. What is given back with it keeps it alive.
    pub async fn hapa(data: &std::path::Path, model: &str) -> (Self, SidecarProcess) {
        let mut command = hapa(data, &["serve", "--supervised"]);
        command.env("HAPA_MODEL", model).env("RATE_LIMIT_ENABLED", "false").env("REQUEST_TIMEOUT", "600");
        let mut process = SidecarProcess::start_with(command).await;
        let address = process.wait_ready().await;
        let id = process.child.id().unwrap();
        let server = Self { name: "HAPA", address, key: process.key.clone(), client: client(), process: id };
        server.ready("/v1/models", |answer| answer["data"][0].is_object()).await;
        (server, process)
    }

    /// llama.cpp's own server with four slots of 4,096 tokens and as many threads as HAPA takes.
    pub async fn peer(program: &str, model: &str) -> (Self, Child) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let threads = std::thread::available_parallelism().unwrap().to_string();
        let mut command = Command::new(program);
        command.args(["-m", model, "-np", "4", "-c", "16384", "-t", &threads, "--port", &port.to_string()]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = process.spawn().unwrap();
        let id = process.id().unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let server = Self { name: "llama-server", address, key: String::new(), client: client(), process: id };
        server.ready("/health", |answer| answer["status"] == "ok").await;
        (server, process)
    }

    async fn ready(&self, path: &str, ready: impl Fn(&Value) -> bool) {
        loop {
            let asked = self.client.get(format!("{}{path}", self.address)).bearer_auth(&self.key).send().await;
            if let Ok(answer) = asked
                && let Ok(answer) = answer.json::<Value>().await
                && ready(&answer)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks for `tokens` tokens after `prompt`, greedily; `more` adds fields, or changes them.
    pub async fn ask(&self, prompt: &str, tokens: usize, more: Value) -> Timing {
        let mut body = json!({
            "prompt": prompt, "max_tokens": tokens, "temperature": 0, "seed": 1, "stream": true, "ignore_eos": true,
            "stream_options": {"include_usage": true}, "drafts": false, "lane": "chat",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let start = Instant::now();
        let request = self.client.post(format!("{}/v1/completions", self.address)).bearer_auth(&self.key).json(&body);
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        let (mut timing, mut open) = (Timing::default(), Vec::new());
        while let Some(chunk) = response.chunk().await.unwrap() {
            open.extend_from_slice(&chunk);
            while let Some(end) = open.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = open.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data: ") else { continue };
                let Ok(event) = serde_json::from_slice::<Value>(data) else { continue };
                if let Some(text) = event["choices"][0]["text"].as_str().filter(|text| !text.is_empty()) {
                    timing.text += text;
                    timing.total = start.elapsed().as_secs_f64();
                    if timing.first == 0.0 {
                        timing.first = timing.total;
                    }
                }
                if let Some(tokens) = event["usage"]["completion_tokens"].as_u64() {
                    timing.tokens = tokens as usize;
                    timing.prompt = event["usage"]["prompt_tokens"].as_u64().unwrap_or(0) as usize;
                }
            }
        }
        timing
    }

    /// Megabytes of memory that are its own, and those of files that it has mapped.
    pub fn memory(&self) -> (f64, f64) {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process)).unwrap();
        let of = |name: &str| -> f64 {
            let line = rollup.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
        };
        (of("Pss_Anon:"), of("Pss:"))
    }
}

fn client() -> Client {
    // A connection that waited for its turn may have been closed by the other side.
    sidecar::web::client_here().pool_max_idle_per_host(0).build().unwrap()
}
