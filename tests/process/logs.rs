//! The log files: JSON lines, the log level, and rotation.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::{eventually, script};

fn request(hapa: &SidecarProcess, method: Method, url: &str) -> RequestBuilder {
    let client = tests::client();
    client.request(method, url).header("X-API-Key", &hapa.key)
}

async fn generate(hapa: &SidecarProcess, address: &str, question: &str, id: &str) {
    let request = request(hapa, Method::POST, &format!("{address}/api/v1/generate-code-streaming"));
    let request = request.header("X-Request-ID", id).json(&json!({ "user_question": question }));
    request.send().await.unwrap().text().await.unwrap();
}

async fn set_level(hapa: &SidecarProcess, address: &str, level: &Value) {
    let patch =
        request(hapa, Method::PATCH, &format!("{address}/api/v1/settings")).json(&json!({ "log_level": level }));
    assert_eq!(patch.send().await.unwrap().status(), 200);
}

async fn health(hapa: &SidecarProcess, address: &str) {
    request(hapa, Method::GET, &format!("{address}/health")).send().await.unwrap();
}

/// Starts HAPA on `data` with these environment variables.
async fn serving(data: &Path, variables: &[(&str, &str)]) -> (SidecarProcess, String) {
    let mut command = hapa(data, &["serve", "--supervised"]);
    command.envs(variables.iter().copied());
    let mut hapa = SidecarProcess::start_with(command).await;
    let address = hapa.wait_ready().await;
    (hapa, address)
}

async fn stop(mut hapa: SidecarProcess) {
    drop(hapa.stdin.take());
    assert_eq!(hapa.wait_exit().await.code(), Some(0));
}

/// The log files.
fn files(data: &Path) -> Vec<PathBuf> {
    fs::read_dir(data.join("logs")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The lines of one file. Asserts that each is a JSON object with time, level and message.
fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is complete");
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
        assert!(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(line["message"].as_str().is_some_and(|message| !message.is_empty()), "{line}");
        line
    };
    text.lines().map(read).collect()
}

fn log(data: &Path) -> Vec<Value> {
    lines(&data.join("logs").join("app.log"))
}

fn has(lines: &[Value], level: &str, message: &str) -> bool {
    lines.iter().any(|line| line["level"] == level && line["message"].as_str().unwrap().contains(message))
}

#[tokio::test]
async fn each_line_is_a_json_object_with_the_id_of_its_request() {
    let data = data_dir_with(&script());
    let (hapa, address) = serving(data.path(), &[("LOG_LEVEL", "debug")]).await;
    generate(&hapa, &address, "중복 제거", "request-of-a-good-answer").await;
    generate(&hapa, &address, "break", "request-that-fails").await;
    stop(hapa).await;
    let lines = log(data.path());
    let of = |id: &str| lines.iter().filter(|line| line["request_id"] == id).cloned().collect::<Vec<_>>();
    assert!(has(&of("request-of-a-good-answer"), "INFO", "POST /api/v1/generate-code-streaming 200"), "{lines:?}");
    // Lines logged during a stream have the id of its request too.
    let failed = of("request-that-fails");
    let error = failed.iter().find(|line| line["level"] == "ERROR").unwrap_or_else(|| panic!("{lines:?}"));
    assert!(error["incident_id"].as_str().unwrap().starts_with("INC-"), "{error}");
    assert!(has(&lines, "INFO", "stopped"), "the last line is not lost: {lines:?}");
}

#[tokio::test]
async fn an_error_has_the_id_of_its_request_even_at_level_error() {
    let data = data_dir_with(&script());
    let (hapa, address) = serving(data.path(), &[("LOG_LEVEL", "error")]).await;
    generate(&hapa, &address, "break", "request-that-fails").await;
    stop(hapa).await;
    let lines = log(data.path());
    let logged: Vec<_> = lines.iter().map(|line| (&line["level"], &line["request_id"])).collect();
    assert_eq!(logged, [(&json!("ERROR"), &json!("request-that-fails"))], "{lines:?}");
}

#[tokio::test]
async fn a_changed_level_applies_at_once_and_after_a_restart() {
    let data = data_dir_with(&script());
    let (hapa, address) = serving(data.path(), &[]).await;
    health(&hapa, &address).await;
    assert!(!has(&log(data.path()), "DEBUG", ""));
    set_level(&hapa, &address, &json!("debug")).await;
    eventually("debug lines appear", async || {
        health(&hapa, &address).await;
        has(&log(data.path()), "DEBUG", "GET /health 200").then_some(())
    })
    .await;
    stop(hapa).await;
    fs::remove_file(data.path().join("logs/app.log")).unwrap();
    let (hapa, address) = serving(data.path(), &[]).await;
    health(&hapa, &address).await;
    assert!(has(&log(data.path()), "DEBUG", "GET /health 200"));
    set_level(&hapa, &address, &Value::Null).await;
    eventually("the default applies again", async || {
        let before = log(data.path()).len();
        health(&hapa, &address).await;
        (log(data.path()).len() == before).then_some(())
    })
    .await;
    stop(hapa).await;
}

#[tokio::test]
async fn debug_logs_more_unless_a_level_is_set() {
    let data = data_dir_with(&script());
    for (variables, more) in
        [(&[("DEBUG", "true")][..], true), (&[("DEBUG", "true"), ("LOG_LEVEL", "info")], false), (&[], false)]
    {
        let (hapa, address) = serving(data.path(), variables).await;
        health(&hapa, &address).await;
        stop(hapa).await;
        assert_eq!(has(&log(data.path()), "DEBUG", "GET /health 200"), more, "{variables:?}");
        fs::remove_file(data.path().join("logs/app.log")).unwrap();
    }
}

#[tokio::test]
async fn log_files_are_rotated_and_five_old_ones_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let data = data_dir_with(&script());
    let (hapa, address) = serving(data.path(), &[("LOG_MAX_SIZE", "1KB"), ("LOG_LEVEL", "info,sidecar=debug")]).await;
    // The user deletes a log file while HAPA runs.
    eventually("an old file exists", async || {
        health(&hapa, &address).await;
        fs::remove_file(data.path().join("logs/app.log.1")).ok()
    })
    .await;
    eventually("the maximum number of files is reached", async || {
        health(&hapa, &address).await;
        (files(data.path()).len() == 6).then_some(())
    })
    .await;
    for _ in 0..30 {
        health(&hapa, &address).await;
    }
    stop(hapa).await;
    let files = files(data.path());
    assert_eq!(files.len(), 6, "{files:?}");
    for file in &files {
        let meta = fs::metadata(file).unwrap();
        assert!(!lines(file).is_empty() && meta.len() <= 1000, "{} has {} bytes", file.display(), meta.len());
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    assert!(has(&log(data.path()), "INFO", "stopped"), "the newest lines are in app.log");
}

#[tokio::test]
async fn without_rotation_there_is_one_file() {
    let data = data_dir_with(&script());
    let variables = [("LOG_MAX_SIZE", "1KB"), ("LOG_FILE_ROTATION", "false"), ("LOG_LEVEL", "info,sidecar=debug")];
    let (hapa, address) = serving(data.path(), &variables).await;
    for _ in 0..30 {
        health(&hapa, &address).await;
    }
    stop(hapa).await;
    assert_eq!(files(data.path()), [data.path().join("logs/app.log")]);
    assert!(fs::metadata(data.path().join("logs/app.log")).unwrap().len() > 2000);
}

#[tokio::test]
async fn a_misspelt_variable_is_logged() {
    let data = data_dir_with(&script());
    let (hapa, _) = serving(data.path(), &[("RATE_LIMT_ENABLED", "false")]).await;
    stop(hapa).await;
    let named = "RATE_LIMT_ENABLED is not a variable of HAPA; did you mean RATE_LIMIT_ENABLED?";
    assert!(has(&log(data.path()), "WARN", named), "{:?}", log(data.path()));
}

#[tokio::test]
async fn an_invalid_size_stops_the_start_and_is_named() {
    let data = data_dir_with(&script());
    let mut command = hapa(data.path(), &["serve"]);
    command.env("LOG_MAX_SIZE", "lots").env("MAX_WORKERS", "none");
    let output = run_to_end(command).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr.contains("LOG_MAX_SIZE is `lots`") && stderr.contains("MAX_WORKERS is `none`"), "{stderr}");
}

#[tokio::test]
async fn no_key_and_no_question_is_in_any_log_file() {
    let data = data_dir_with(&script());
    let (hapa, address) = serving(data.path(), &[("LOG_LEVEL", "trace"), ("LOG_MAX_SIZE", "10KB")]).await;
    generate(&hapa, &address, "중복 제거 카나리아", "first").await;
    let wrong = format!("hapa_{}", "7".repeat(64));
    let url = format!("{address}/api/v1/settings?note=canary-in-a-query");
    let rejected = tests::client().get(url).header("X-API-Key", &wrong).send().await;
    assert_eq!(rejected.unwrap().status(), 401);
    let installed = fs::read_to_string(data.path().join("api.key")).unwrap();
    let (own, stderr) = (hapa.key.clone(), stop_and_read_stderr(hapa).await);
    let files = files(data.path());
    let all: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect::<String>() + &stderr;
    assert!(all.contains("DEBUG"), "the log has debug lines");
    for secret in [&own, installed.trim(), &wrong, "카나리아", "canary-in-a-query", "dict.fromkeys"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

async fn stop_and_read_stderr(mut hapa: SidecarProcess) -> String {
    drop(hapa.stdin.take());
    hapa.wait_exit().await;
    hapa.stderr().await
}
