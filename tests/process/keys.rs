//! `hapa keys` with and without a running server, and a search for leaked secrets.

use std::path::Path;

use serde_json::{Value, json};
use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::script;

async fn keys(data: &Path, arguments: &[&str]) -> (Value, String, Option<i32>) {
    let output = run_to_end(hapa(data, &[&["keys", "--json"], arguments].concat())).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    (serde_json::from_slice(&output.stdout).unwrap_or_default(), stderr, output.status.code())
}

#[tokio::test]
async fn keys_are_created_listed_and_revoked_with_and_without_a_server() {
    let data = data_dir_with(&script());
    let (created, stderr, code) = keys(data.path(), &["create", "before", "--permissions", "history"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(created["permissions"], json!(["history"]));
    let mut serving = SidecarProcess::start(data.path(), &[]).await;
    let address = serving.wait_ready().await;
    let client = tests::client();
    let history = |key: &Value| {
        let request = client.get(format!("{address}/api/v1/user/history"));
        request.header("X-API-Key", key.as_str().unwrap()).send()
    };
    assert_eq!(history(&created["key"]).await.unwrap().status(), 200);
    let (second, ..) = keys(data.path(), &["create", "during", "--days", "7", "--user", "mina"]).await;
    assert_eq!((&second["user"], history(&second["key"]).await.unwrap().status().as_u16()), (&json!("mina"), 200));
    let (listed, ..) = keys(data.path(), &["list"]).await;
    let names: Vec<&str> = listed["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["during", "before", "installation"]);
    let (_, _, code) = keys(data.path(), &["revoke", second["id"].as_str().unwrap()]).await;
    assert_eq!((code, history(&second["key"]).await.unwrap().status().as_u16()), (Some(0), 401));
    let (_, stderr, code) = keys(data.path(), &["revoke", "no-such-id"]).await;
    assert!(stderr.contains("not found"), "{stderr}");
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn a_key_is_printed_once_and_not_listed() {
    let data = data_dir_with(&script());
    let output = run_to_end(hapa(data.path(), &["keys", "create", "VS Code"])).await;
    let stdout = String::from_utf8(output.stdout).unwrap();
    let key = stdout.lines().next().unwrap();
    assert!(key.starts_with("hapa_") && key.len() == 69 && stdout.contains("only once"), "{stdout}");
    let listed = run_to_end(hapa(data.path(), &["keys", "list"])).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("VS Code") && listed.contains(&key[..11]) && !listed.contains(key), "{listed}");
}

#[tokio::test]
async fn the_demo_key_is_for_development_only() {
    let data = data_dir_with(&script());
    let (_, stderr, code) = keys(data.path(), &["demo"]).await;
    assert!(stderr.contains("ENVIRONMENT=development"), "{stderr}");
    assert_eq!(code, Some(2));
    let mut command = hapa(data.path(), &["keys", "--json", "demo"]);
    command.env("ENVIRONMENT", "development");
    let output = run_to_end(command).await;
    let created: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&created["kind"], &created["permissions"].as_array().unwrap().len()), (&json!("demo"), &4));
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn secrets_are_in_no_response_log_or_file() {
    let (secret, remote) = ("canary-secret-0123456789abcdef-canary", "sk-canary-remote-key");
    let data = data_dir_with(&script());
    let with = |arguments: &[&str]| {
        let mut command = hapa(data.path(), arguments);
        command
            .env("SECRET_KEY", secret)
            .env("AI_MODEL_API_KEY", remote)
            .env("LOG_LEVEL", "trace")
            .env("DEBUG", "true");
        command
    };
    let mut serving = SidecarProcess::start_with(with(&["serve", "--supervised"])).await;
    let address = serving.wait_ready().await;
    let client = tests::client();
    let created = run_to_end(with(&["keys", "create", "--json", "canary"])).await;
    let created: Value = serde_json::from_slice(&created.stdout).unwrap();
    let key = created["key"].as_str().unwrap().to_owned();
    let mut answers = String::new();
    for (path, key) in [
        ("/health", &key),
        ("/metrics", &key),
        ("/api/v1/user/history", &key),
        ("/api/v1/user/history/export", &key),
        ("/health/detailed", &serving.key),
        ("/stats", &serving.key),
        ("/api/v1/settings", &serving.key),
        ("/api/v1/keys", &serving.key),
        ("/api/v1/errors/dashboard", &serving.key),
        ("/nothing", &key),
        ("/api/v1/user/history?limit=0", &key),
    ] {
        let answer = client.get(format!("{address}{path}")).header("X-API-Key", key).send().await.unwrap();
        answers += &answer.text().await.unwrap();
    }
    let question = json!({"user_question": "제 비밀 질문 canary-question"});
    let request = client.post(format!("{address}/api/v1/generate-code")).header("X-API-Key", &key);
    assert_eq!(request.json(&question).send().await.unwrap().status(), 200);
    // A key in the query string is a secret too.
    client.get(format!("{address}/api/v1/user/history?api_key={key}")).send().await.unwrap();
    serving.stdin = None;
    serving.wait_exit().await;
    answers += &serving.stderr().await;
    for canary in [secret, remote, &key, &serving.key] {
        assert!(!answers.contains(canary), "{canary}");
        for file in files(data.path()) {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} is in {}", file.display());
        }
    }
    let log = std::fs::read_to_string(data.path().join("logs/app.log")).unwrap();
    assert!(log.contains("generate-code") && !log.contains("canary-question"), "questions are not in the log");
}
