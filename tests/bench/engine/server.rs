//! A measured server, HAPA or llama-server: both are called through `/v1/completions`.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tests::process::{SidecarProcess, hapa};
use tokio::process::{Child, Command};

/// A running server with a loaded model.
#[derive(Clone)]
pub(crate) struct Server {
    /// The name in the tables.
    pub name: &'static str,
    address: String,
    key: String,
    client: Client,
    process: u32,
}

/// The timing of one answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timing {
    /// Seconds to the first token.
    pub first: f64,
    /// Seconds to the last token.
    pub total: f64,
    /// Number of prompt tokens.
    pub prompt: usize,
    /// Number of generated tokens.
    pub tokens: usize,
    /// The generated text.
    pub text: String,
}

impl Timing {
    /// Tokens per second after the first token.
    pub(crate) fn speed(&self) -> f64 {
        (self.tokens.max(1) - 1) as f64 / (self.total - self.first)
    }
}

impl Server {
    /// Starts HAPA as the desktop app does. Dropping the returned process stops it.
    pub(crate) async fn hapa(data: &std::path::Path, model: &str) -> (Self, SidecarProcess) {
        let mut command = hapa(data, &["serve", "--supervised"]);
        command.env("HAPA_MODEL", model).env("RATE_LIMIT_ENABLED", "false").env("REQUEST_TIMEOUT", "600");
        let mut process = SidecarProcess::start_with(command).await;
        let address = process.wait_ready().await;
        let id = process.child.id().unwrap();
        let server = Self { name: "HAPA", address, key: process.key.clone(), client: client(), process: id };
        server.wait_ready("/v1/models", |answer| answer["data"][0].is_object()).await;
        (server, process)
    }

    /// Starts llama-server with four slots of 4,096 tokens, and as many threads as HAPA uses.
    pub(crate) async fn peer(program: &str, model: &str) -> (Self, Child) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let threads = std::thread::available_parallelism().unwrap().to_string();
        let mut command = Command::new(program);
        command.args(["-m", model, "-np", "4", "-c", "16384", "-t", &threads, "--port", &port.to_string()]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = process.spawn().unwrap();
        let id = process.id().unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let server = Self { name: "llama-server", address, key: String::new(), client: client(), process: id };
        server.wait_ready("/health", |answer| answer["status"] == "ok").await;
        (server, process)
    }

    async fn wait_ready(&self, path: &str, is_ready: impl Fn(&Value) -> bool) {
        loop {
            let response = self.client.get(format!("{}{path}", self.address)).bearer_auth(&self.key).send().await;
            if let Ok(response) = response
                && let Ok(answer) = response.json::<Value>().await
                && is_ready(&answer)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Requests a greedy completion of `tokens` tokens; `more` adds or replaces fields of the request.
    pub(crate) async fn complete(&self, prompt: &str, tokens: usize, more: Value) -> Timing {
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

    /// Memory in MiB: anonymous memory, and all memory including mapped files (PSS).
    pub(crate) fn memory(&self) -> (f64, f64) {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process)).unwrap();
        let of = |name: &str| -> f64 {
            let line = rollup.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
        };
        (of("Pss_Anon:"), of("Pss:"))
    }
}

fn client() -> Client {
    // The server may have closed an idle connection.
    sidecar::base::http_client::loopback_builder().pool_max_idle_per_host(0).build().unwrap()
}
