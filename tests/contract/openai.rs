//! OpenAI's official clients for Python and Node.js against the built `hapa`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use reqwest::Method;
use serde_json::json;
use tests::{TIMEOUT, eventually};
use tokio::process::Command;
use tokio::time::timeout;

use super::Program;

/// Runs a client script, which makes its own assertions, and checks that its abandoned stream is cancelled.
async fn drive(mut client: Command) {
    let program = Program::start().await;
    let limited = program.post("/api/v1/keys", json!({"name": "a client"})).await["key"].as_str().unwrap().to_owned();
    let limit = Some(json!({"rate_limit_generation": 1}));
    assert_eq!(program.send(Method::PATCH, "/api/v1/settings", limit).await.0, 200);
    client.env("OPENAI_BASE_URL", format!("{}/v1", program.address)).env("OPENAI_API_KEY", &program.process.key);
    client.env("LIMITED_KEY", limited).env("NO_PROXY", "127.0.0.1").stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(TIMEOUT * 3, client.output()).await.expect("the client ends in time").expect("it can be started");
    let output_text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{output_text}");
    assert!(output_text.contains("all assertions passed"), "{output_text}");
    eventually("the engine is idle", async || {
        (program.get("/health/detailed").await["queue"]["active"] == 0).then_some(())
    })
    .await;
    program.stop().await;
}

fn client(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contract").join(file)
}

fn folder(variable: &str) -> PathBuf {
    let folder = std::env::var_os(variable).unwrap_or_else(|| panic!("`cargo xtask test` sets {variable}"));
    folder.into()
}

#[tokio::test]
async fn the_python_client_works_unmodified() {
    let mut python = Command::new("python3");
    python.arg(client("openai_client.py")).env("PYTHONPATH", folder("HAPA_TEST_OPENAI_PYTHON"));
    drive(python).await;
}

#[tokio::test]
async fn the_node_client_works_unmodified() {
    let mut node = Command::new("node");
    node.arg(client("openai_client.mjs")).env("OPENAI_FOLDER", folder("HAPA_TEST_OPENAI_NODE"));
    drive(node).await;
}
