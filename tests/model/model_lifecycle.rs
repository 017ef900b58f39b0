//! Loading and unloading models at runtime: selection, two models at a time, and the memory budget.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::eventually;
use tests::server::{Server, json_of};

use super::{model, turn};

/// Creates a data folder with the small model under each of these names.
fn data_dir(names: &[&str]) -> tempfile::TempDir {
    let data = tests::data_dir();
    std::fs::create_dir(data.path().join("models")).unwrap();
    for name in names {
        install(data.path(), name);
    }
    data
}

/// Installs the small model into a data folder, as a user would: the file appears complete.
fn install(data: &Path, name: &str) {
    let file = data.join("models").join(name).with_extension("gguf");
    if std::os::unix::fs::symlink(model(), &file).is_err() {
        std::fs::copy(model(), &file).unwrap();
    }
}

async fn server(names: &[&str]) -> Server {
    Server::start_in(data_dir(names), |config| config.script = None).await
}

/// Waits until a model is in this state, and returns its entry in the list.
async fn wait_for_state(server: &Server, id: &str, state: &str) -> Value {
    eventually(&format!("{id} is {state}"), async || {
        let list = server.get("/api/v1/models").await;
        let found = list["models"].as_array().unwrap().iter().find(|model| model["id"] == id)?.clone();
        (found["state"] == state).then_some(found)
    })
    .await
}

async fn command(server: &Server, id: &str, command: &str, body: Value) -> (u16, Value) {
    server.post(&format!("/api/v1/models/{id}/{command}"), &body).await
}

async fn change(server: &Server, patch: Value) -> u16 {
    let request = server.request(Method::PATCH, "/api/v1/settings").json(&patch);
    request.send().await.unwrap().status().as_u16()
}

async fn answered_by(server: &Server, path: &str, body: Value) -> String {
    let (status, answer) = server.post(path, &body).await;
    assert_eq!(status, 200, "{answer}");
    answer["model"].as_str().or(answer["model_used"].as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn another_model_answers_without_a_restart() {
    let _turn = turn().await;
    let server = server(&["one", "two"]).await;
    let one = wait_for_state(&server, "one", "ready").await;
    assert_eq!((&one["roles"], &one["architecture"]), (&json!(["chat", "completion"]), &json!("llama")));
    let device = if one["fit"]["gpu_layers"] == 0 { "CPU" } else { "GPU" };
    assert_eq!(one["fit"]["explanation"], format!("레이어 30개 모두 {device}"));
    wait_for_state(&server, "two", "available").await;
    let question = json!({"prompt": "x = 1\ny =", "max_tokens": 2});
    assert_eq!(answered_by(&server, "/v1/completions", question.clone()).await, "one");
    let (status, list) = command(&server, "two", "load", json!({"role": "chat"})).await;
    assert_eq!((status, list["status"].as_str()), (200, Some("success")));
    wait_for_state(&server, "two", "ready").await;
    wait_for_state(&server, "one", "available").await;
    assert_eq!(answered_by(&server, "/v1/completions", question).await, "two");
    assert_eq!(server.get("/api/v1/settings").await["settings"]["chat_model"], "two");
    // The selection survives a restart.
    let restarted = Server::start_in(server.stop().await, |config| config.script = None).await;
    wait_for_state(&restarted, "two", "ready").await;
    restarted.stop().await;
}

#[tokio::test]
async fn two_models_share_the_roles_and_the_memory_budget() {
    let _turn = turn().await;
    let server = server(&["chats", "completes"]).await;
    assert_eq!(command(&server, "completes", "load", json!({"role": "completion"})).await.0, 200);
    assert_eq!(wait_for_state(&server, "completes", "ready").await["roles"], json!(["completion"]));
    assert_eq!(wait_for_state(&server, "chats", "ready").await["roles"], json!(["chat"]));
    let complete = json!({"prefix": "def add(a, b):\n    return ", "suffix": "", "language": "python"});
    assert_eq!(answered_by(&server, "/api/v1/complete-code", complete.clone()).await, "completes");
    let chat = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4});
    assert_eq!(answered_by(&server, "/v1/chat/completions", chat).await, "chats");
    let memory = server.get("/stats").await["memory"].clone();
    let part = |name: &str| memory[name].as_u64().unwrap();
    assert!(part("used_bytes") <= part("budget_bytes"), "{memory}");
    let parts = ["weights_bytes", "conversations_bytes", "work_bytes", "saved_bytes"].map(part);
    assert_eq!(part("used_bytes"), parts.iter().sum::<u64>());
    // Without the second model, the first one completes too.
    assert_eq!(change(&server, json!({"completion_model": null})).await, 200);
    wait_for_state(&server, "completes", "available").await;
    assert_eq!(answered_by(&server, "/api/v1/complete-code", complete).await, "chats");
    server.stop().await;
}

#[tokio::test]
async fn a_model_that_exceeds_the_budget_fails_until_the_budget_is_raised() {
    let _turn = turn().await;
    let data = data_dir(&["one"]);
    let server = Server::start_in(data, |config| {
        config.script = None;
        config.settings.memory_budget_mb = None;
    })
    .await;
    if wait_for_state(&server, "one", "ready").await["fit"]["gpu_layers"] != 0 {
        println!("skipped: on this machine's GPU the model hardly takes of the budget");
        server.stop().await;
        return;
    }
    assert_eq!(change(&server, json!({"memory_budget_mb": 128})).await, 200);
    let failed = wait_for_state(&server, "one", "failed").await;
    assert!(failed["message"].as_str().unwrap().contains("memory_budget_mb"), "{failed}");
    assert_eq!(failed["fit"]["fits"], false);
    let needed = failed["fit"]["memory_bytes"].as_u64().unwrap() / (1024 * 1024) + 1;
    assert_eq!(change(&server, json!({"memory_budget_mb": needed})).await, 200);
    let smallest = wait_for_state(&server, "one", "ready").await;
    let memory = server.get("/health/detailed").await["memory"].clone();
    assert!(memory["used_bytes"].as_u64() <= memory["budget_bytes"].as_u64(), "{memory}");
    let explanation = smallest["fit"]["explanation"].as_str().unwrap();
    assert!(explanation.contains("8비트") && explanation.contains("2048 토큰까지"), "{explanation}");
    server.stop().await;
}

#[tokio::test]
async fn an_unloaded_model_is_loaded_on_the_next_request() {
    let _turn = turn().await;
    let server = server(&["one"]).await;
    wait_for_state(&server, "one", "ready").await;
    assert_eq!(command(&server, "one", "unload", json!({})).await.0, 200);
    wait_for_state(&server, "one", "asleep").await;
    assert_eq!(server.get("/stats").await["memory"]["used_bytes"], 0);
    let question = json!({"prompt": "x =", "max_tokens": 2});
    let response = server.request(Method::POST, "/v1/completions").json(&question).send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let (status, body) = json_of(response).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("model_loading")), "{body}");
    wait_for_state(&server, "one", "ready").await;
    assert_eq!(answered_by(&server, "/v1/completions", question).await, "one");
    server.stop().await;
}

#[tokio::test]
async fn a_new_model_file_is_detected_and_a_missing_one_is_rejected() {
    let _turn = turn().await;
    let server = server(&[]).await;
    assert_eq!(server.get("/api/v1/models").await["models"], json!([]));
    assert_eq!(command(&server, "nothing", "load", json!({})).await.0, 404);
    assert_eq!(command(&server, "nothing", "unload", json!({})).await.0, 404);
    assert_eq!(change(&server, json!({"chat_model": "nothing"})).await, 404);
    assert_eq!(change(&server, json!({"chat_model": "../nothing"})).await, 422);
    install(server.data(), "late");
    wait_for_state(&server, "late", "ready").await;
    server.stop().await;
}

#[tokio::test]
async fn kv_states_on_disk_are_deleted_with_the_history() {
    let _turn = turn().await;
    let server = server(&["one"]).await;
    wait_for_state(&server, "one", "ready").await;
    let long = json!({"prompt": "value = 1\n".repeat(200), "max_tokens": 2});
    answered_by(&server, "/v1/completions", long).await;
    let states = server.data().join("states");
    let files = || std::fs::read_dir(&states).map_or(0, |files| files.flatten().count());
    eventually("the state is stored when the model is idle", async || (files() > 0).then_some(())).await;
    let all = server.request(Method::DELETE, "/api/v1/user/history").json(&json!({"confirm": true}));
    assert_eq!(all.send().await.unwrap().status(), 200);
    eventually("the state is deleted", async || (files() == 0).then_some(())).await;
    tokio::time::timeout(Duration::from_secs(20), server.stop()).await.expect("the server stops in time");
}
