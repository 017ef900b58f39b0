//! Contract tests: the documentation's examples, OpenAI's clients and schemathesis against the built `hapa`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod examples;
mod generated;
mod openai;
mod wire;

use nix::sys::signal::Signal;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::process::{SidecarProcess, data_dir_with};

/// The script of the mock engine: the answers of the documentation.
fn script() -> Value {
    json!({
        "model": "scripted",
        "fills": true,
        "answers": [
            {"when": "리스트에서 중복 제거", "pieces": [
                "```python\n", "def remove_duplicates(lst):\n", "    return list(set(lst))\n", "```\n",
                "set()을 ", "사용하여 중복을 제거하고 다시 리스트로 변환합니다."]},
            {"when": "Flask", "pieces": [
                "```python\n", "from flask ", "import Flask\n", "\n", "app = Flask(__name__)\n", "```\n", "간단한 ", "앱입니다."]},
            {"when": "def fibonacci(", "probability": 0.95, "pieces": [
                "n", "):", "\n    if n <= 1:\n", "        return n\n", "    return fibonacci(n-1) + fibonacci(n-2)"]},
            {"when": "검토", "pieces": ["- 줄 2: 0으로 나눌 수 있습니다 → 먼저 ", "검사하세요\n"]},
            {"when": "위험", "pieces": ["```python\n", "import os\nos.system(input())\n", "```\n", "조심하세요."]},
            {"when": "count", "pieces": ["one ", "two", " thr", "ee four"], "end": "hang"},
            {"when": "forever", "pieces": ["```python\n", "while True:\n"], "end": "hang"},
            {"pieces": ["```python\nx = 1\n```\n", "끝."]},
        ]
    })
}

/// A running `hapa` with its own data folder.
struct Program {
    process: SidecarProcess,
    address: String,
    client: Client,
    _data: TempDir,
}

impl Program {
    async fn start() -> Self {
        let data = data_dir_with(&script());
        let mut process = SidecarProcess::start(data.path(), &[]).await;
        let address = process.wait_ready().await;
        Self { process, address, client: tests::client(), _data: data }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address)).header("X-API-Key", &self.process.key)
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.request(method.clone(), path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{method} {path}: {status} {text}")))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.send(Method::POST, path, Some(body)).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn stop(mut self) {
        self.process.signal(Signal::SIGTERM);
        assert!(self.process.wait_exit().await.success(), "it exits cleanly");
    }
}
