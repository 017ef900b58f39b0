//! llama-cpp-python's server, with the same small model, as the remote server.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::Server;
use tests::stream::{Frames, joined};
use tokio::process::{Child, Command};

use super::{model, turn};

const KEY: &str = "sk-of-a-peer";

/// Starts llama-cpp-python's server, and returns its base URL.
async fn peer() -> (Child, String) {
    let packages = std::env::var_os("HAPA_TEST_LLAMA_CPP")
        .expect("`cargo xtask test` names the folder with llama-cpp-python in HAPA_TEST_LLAMA_CPP");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("python3");
    command.args(["-m", "llama_cpp.server", "--model"]).arg(model()).args(["--model_alias", "smollm2"]);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--n_ctx", "2048", "--api_key", KEY]);
    command.env("PYTHONPATH", packages).current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let child = command.spawn().expect("python3 can be started");
    let address = format!("http://127.0.0.1:{port}");
    let models = tests::client().get(format!("{address}/v1/models")).bearer_auth(KEY);
    tests::eventually("the server answers", async || {
        let answer = models.try_clone().unwrap().timeout(Duration::from_secs(1)).send().await;
        answer.ok().filter(|answer| answer.status() == 200).map(drop)
    })
    .await;
    (child, address)
}

async fn send(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let response = server.request(method, path).json(&body).send().await.unwrap();
    let (status, body) = tests::server::json_of(response).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[tokio::test]
async fn a_third_party_server_answers_questions_completes_code_and_is_cancelled() {
    let _turn = turn().await;
    let (_peer, address) = peer().await;
    // No local model.
    let server = Server::start_in(tests::data_dir(), |config| config.script = None).await;
    let settings = json!({"remote_policy": "remote", "remote_endpoint": format!("{address}/v1/completions")});
    send(&server, Method::PATCH, "/api/v1/settings", settings).await;
    let question = json!({"user_question": "Write a Python function that adds two numbers.", "max_tokens": 48,
        "temperature": 0, "use_cache": false});
    let (status, rejected) = server.post("/api/v1/generate-code", &question).await;
    assert_eq!((status, &rejected["error_details"]["failure"]), (502, &json!("key_refused")), "{rejected}");
    let saved = send(&server, Method::PUT, "/api/v1/remote/key", json!({"key": KEY})).await;
    assert_eq!(saved["key"], "file");
    let tried = send(&server, Method::POST, "/api/v1/remote/try", json!({})).await;
    assert_eq!((&tried["state"], &tried["models"]), (&json!("up"), &json!(["smollm2"])));

    let events = Frames::new(server.open_stream(&question).await).rest().await;
    let done = &events.last().unwrap()["metadata"];
    assert_eq!((&done["model_used"], &done["backend"]), (&json!("smollm2"), &json!("remote")), "{done}");
    assert!(!(joined(&events, "code") + &joined(&events, "explanation")).is_empty());
    assert!((1..=48).contains(&done["token_usage"]["completion_tokens"].as_u64().unwrap()), "{done}");
    let plain = send(&server, Method::POST, "/api/v1/generate-code", question.clone()).await;
    assert_eq!(plain["answer"], done["answer"], "greedy answers are the same, streamed or not");

    let completion = json!({"prefix": "def add(a, b):\n    return "});
    let completed = send(&server, Method::POST, "/api/v1/complete-code", completion).await;
    assert_eq!((&completed["backend"], &completed["context_analysis"]["method"]), (&json!("remote"), &json!("chat")));
    let text = json!({"prompt": "def add(a, b):\n    return", "max_tokens": 6, "temperature": 0});
    let text = send(&server, Method::POST, "/v1/completions", text).await;
    assert_eq!(
        (&text["backend"], &text["choices"][0]["finish_reason"]),
        (&json!("remote"), &json!("length")),
        "{text}"
    );
    assert!(text["choices"][0]["text"].as_str().unwrap().contains('a'), "{text}");

    // A disconnecting client frees the server, which runs one request at a time.
    let long = json!({"user_question": "Count from one to one thousand.", "max_tokens": 1500, "use_cache": false});
    let mut frames = Frames::new(server.open_stream(&long).await);
    while frames.next().await.unwrap()["content"] == "" {}
    drop(frames);
    let next = tokio::time::timeout(tests::TIMEOUT, server.post("/api/v1/generate-code", &question)).await;
    assert_eq!(next.expect("the server is free").0, 200);
}
