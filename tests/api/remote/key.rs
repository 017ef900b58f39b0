//! The API key of the remote server: where it is stored, and where it is sent.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use sidecar::config::Secret;
use tests::fake_remote::{FakeRemote, Reply};
use tests::server::{Server, json_of};

use super::{QUESTION, ask, change, failure, hapa};

const CANARY: &str = "sk-canary-0123456789";

async fn save(server: &Server, key: &str) -> (u16, Value) {
    let request = server.request(Method::PUT, "/api/v1/remote/key").json(&json!({"key": key}));
    json_of(request.send().await.unwrap()).await
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn the_key_is_sent_to_its_server_only() {
    let remote = FakeRemote::start(|_, request| match request.body["messages"][1]["content"].as_str() {
        Some("repeat") => Reply::answer(&["원격"]),
        // A server that repeats the rejected key in its error.
        _ => Reply::response(401, "application/json", &json!({"error": {"message": CANARY}}).to_string()),
    })
    .await;
    let server = hapa(&tests::script(), "remote", &remote.address).await;
    assert_eq!(server.get("/api/v1/remote").await["key"], Value::Null);
    let (status, saved) = save(&server, CANARY).await;
    assert_eq!((status, &saved["key"]), (200, &json!("file")));
    assert_eq!(ask(&server, "repeat").await["backend"], "remote");
    let bearer = format!("Bearer {CANARY}");
    assert_eq!(remote.posts()[0].header("authorization"), Some(&*bearer));
    let (status, rejected) = server.post(QUESTION, &json!({"user_question": "refuse"})).await;
    assert_eq!((status, failure(&rejected)), (502, "key_refused"));
    let mut answers = format!("{saved}{rejected}");
    for path in [
        "/api/v1/remote",
        "/api/v1/settings",
        "/health/detailed",
        "/metrics",
        "/stats",
        "/api/v1/errors/dashboard",
        "/api/v1/user/history",
        "/api/v1/user/history/export",
    ] {
        answers += &server.request(Method::GET, path).send().await.unwrap().text().await.unwrap();
    }
    assert!(!answers.contains("canary"), "{answers}");
    let own = server.data().join("remote.key");
    for file in files(server.data()) {
        let found = std::fs::read(&file).unwrap().windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert_eq!(found, file == own, "{}", file.display());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // The key is bound to its server: another address does not receive it.
    let other = FakeRemote::replying(&["다른 원격"]).await;
    change(&server, json!({"remote_endpoint": other.address})).await;
    ask(&server, "repeat").await;
    assert!(other.requests().iter().all(|request| request.header("authorization").is_none()), "{:?}", other.requests());
    assert_eq!(server.get("/api/v1/remote").await["key"], Value::Null);
    let server = Server::start_in(server.stop().await, |_| {}).await;
    change(&server, json!({"remote_endpoint": format!("{}/v1", remote.address)})).await;
    assert_eq!(server.get("/api/v1/remote").await["key"], "file", "the key survives a restart");
    let removed = server.request(Method::DELETE, "/api/v1/remote/key").send().await.unwrap();
    assert_eq!(json_of(removed).await.1["key"], Value::Null);
    assert!(!own.exists());
    server.post(QUESTION, &json!({"user_question": "refuse", "use_cache": false})).await;
    assert_eq!(remote.requests().last().unwrap().header("authorization"), None);
}

#[tokio::test]
async fn a_key_from_the_environment_is_used_and_cannot_be_changed() {
    let remote = FakeRemote::replying(&["원격"]).await;
    let data = tests::process::data_dir_with(&tests::script());
    let server = Server::start_in(data, |config| config.remote_key = Some(Secret::from(CANARY.to_owned()))).await;
    super::set_remote(&server, "remote", &remote.address).await;
    ask(&server, "질문").await;
    assert_eq!(remote.posts()[0].header("authorization"), Some(&*format!("Bearer {CANARY}")));
    assert_eq!(server.get("/api/v1/remote").await["key"], "environment");
    let (status, body) = save(&server, "another").await;
    assert_eq!(status, 409, "{body}");
    assert!(body["error_message"].as_str().unwrap().contains("AI_MODEL_API_KEY"), "{body}");
    let removed = server.request(Method::DELETE, "/api/v1/remote/key").send().await.unwrap();
    assert_eq!(removed.status(), 409);
}

#[tokio::test]
async fn an_invalid_key_is_rejected_and_so_is_a_key_without_a_server() {
    let server = Server::start().await;
    for key in ["", " ", "two words", "키", "a\r\nX-Evil: 1", &"x".repeat(1001)] {
        let (status, body) = save(&server, key).await;
        assert_eq!(status, 422, "{key}");
        assert!(body["error_details"]["key"][0].is_string() && !body.to_string().contains("Evil"), "{body}");
    }
    let (status, body) = save(&server, CANARY).await;
    assert_eq!(status, 404, "{body}");
    assert!(body["error_details"]["remote_endpoint"][0].is_string(), "{body}");
}
