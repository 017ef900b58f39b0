//! Start and shutdown: the ready message, signals, ports, the instance lock, and crashes.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::stream::Frames;
use tests::{eventually, script};

fn client() -> Client {
    tests::client()
}

async fn history(address: &str, key: &str) -> Value {
    let request = client().request(Method::GET, format!("{address}/api/v1/user/history")).header("X-API-Key", key);
    request.send().await.unwrap().json().await.unwrap()
}

fn question(address: &str, key: &str, text: &str) -> reqwest::RequestBuilder {
    let request = client().post(format!("{address}/api/v1/generate-code-streaming")).header("X-API-Key", key);
    request.json(&json!({ "user_question": text }))
}

#[tokio::test]
async fn it_becomes_ready_accepts_the_launch_key_and_exits_when_stdin_closes() {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    assert_eq!(history(&address, &hapa.key).await["total_count"], 0);
    drop(hapa.stdin.take());
    assert_eq!(hapa.wait_exit().await.code(), Some(0));
    assert!(client().get(format!("{address}/health")).send().await.is_err(), "the port is free");
}

#[tokio::test]
async fn it_exits_cleanly_on_sigterm_and_sigint() {
    let data = data_dir_with(&script());
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut hapa = SidecarProcess::start(data.path(), &[]).await;
        hapa.wait_ready().await;
        hapa.signal(signal);
        assert_eq!(hapa.wait_exit().await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn open_requests_end_with_an_error_on_sigterm() {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    let client = client();
    let send = |path: &str| {
        let request = client.post(format!("{address}/api/v1/{path}")).header("X-API-Key", &hapa.key);
        request.json(&json!({"user_question": "forever", "use_cache": false})).send()
    };
    let mut frames = Frames::new(send("generate-code-streaming").await.unwrap());
    frames.next_of("code").await;
    let plain = tokio::spawn(send("generate-code"));
    let queued = async || {
        let details = client.get(format!("{address}/health/detailed")).header("X-API-Key", &hapa.key);
        let details: Value = details.send().await.unwrap().json().await.unwrap();
        (details["queue"]["active"].as_u64().unwrap() + details["queue"]["waiting"].as_u64().unwrap() == 2)
            .then_some(())
    };
    eventually("both requests are queued", queued).await;
    hapa.signal(Signal::SIGTERM);
    let last = frames.rest().await.pop().unwrap();
    assert_eq!((&last["type"], &last["metadata"]["error_code"]), (&json!("error"), &json!("SERVICE_UNAVAILABLE")));
    let rejected = plain.await.unwrap().unwrap();
    assert_eq!(rejected.status(), 503);
    assert_eq!(hapa.wait_exit().await.code(), Some(0));
}

#[tokio::test]
async fn it_is_ready_before_the_model_is_loaded() {
    let data = data_dir_with(&json!({"load": "never"}));
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    let health: Value = client().get(format!("{address}/health")).send().await.unwrap().json().await.unwrap();
    assert_eq!(health["status"], "degraded");
}

#[tokio::test]
async fn a_port_in_use_is_replaced_unless_it_was_requested() {
    let in_use = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = in_use.local_addr().unwrap().port();
    let data = data_dir_with(&script());
    let mut pinned = SidecarProcess::start(data.path(), &["--port", &port.to_string()]).await;
    assert_eq!(pinned.wait_exit().await.code(), Some(69));
    let stderr = pinned.stderr().await;
    assert!(stderr.contains(&format!("port {port}")) && stderr.contains("--port"), "{stderr}");
    // Two instances can run, whichever program uses port 8000.
    let other = data_dir_with(&script());
    let (mut first, mut second) =
        (SidecarProcess::start(data.path(), &[]).await, SidecarProcess::start(other.path(), &[]).await);
    assert_ne!(first.wait_ready().await, second.wait_ready().await);
}

#[tokio::test]
async fn a_port_from_the_settings_applies_at_the_next_start_and_falls_back_if_in_use() {
    let data = data_dir_with(&script());
    let in_use = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = in_use.local_addr().unwrap().port();
    let mut first = SidecarProcess::start(data.path(), &[]).await;
    let settings = format!("{}/api/v1/settings", first.wait_ready().await);
    let change = client().patch(settings).header("X-API-Key", &first.key).json(&json!({"port": port}));
    let changed: Value = change.send().await.unwrap().json().await.unwrap();
    assert_eq!(changed["restart_required"], json!(["port"]), "{changed}");
    first.signal(Signal::SIGTERM);
    first.wait_exit().await;
    let mut second = SidecarProcess::start(data.path(), &[]).await;
    assert!(!second.wait_ready().await.ends_with(&format!(":{port}")));
    second.signal(Signal::SIGTERM);
    second.wait_exit().await;
    drop(in_use);
    let mut third = SidecarProcess::start(data.path(), &[]).await;
    assert!(third.wait_ready().await.ends_with(&format!(":{port}")));
}

#[tokio::test]
async fn an_invalid_setting_stops_the_start_and_is_named() {
    let data = data_dir_with(&script());
    for (variable, value) in [("PORT", "eighty"), ("HOST", "0.0.0.0"), ("HOST", "example.com"), ("CORS_ORIGINS", "*")] {
        let mut command = hapa(data.path(), &["serve"]);
        command.env(variable, value);
        let output = run_to_end(command).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{variable}={value}");
        assert!(stderr.contains(&format!("{variable} is `")), "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_number_of_worker_threads_is_configurable() {
    let mut counts = Vec::new();
    for workers in ["1", "7"] {
        let data = data_dir_with(&script());
        let mut command = hapa(data.path(), &["serve", "--supervised"]);
        command.env("MAX_WORKERS", workers);
        let mut hapa = SidecarProcess::start_with(command).await;
        hapa.wait_ready().await;
        let threads = std::fs::read_dir(format!("/proc/{}/task", hapa.child.id().unwrap())).unwrap();
        let name =
            |thread: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok();
        counts.push(threads.filter_map(name).filter(|name| name == "worker\n").count());
    }
    assert_eq!(counts, [1, 7]);
}

#[tokio::test]
async fn a_data_folder_belongs_to_one_process_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("new");
    let mut first = SidecarProcess::start(&data, &[]).await;
    first.wait_ready().await;
    let mut second = SidecarProcess::start(&data, &[]).await;
    assert_eq!(second.wait_exit().await.code(), Some(74));
    assert!(second.stderr().await.contains("another HAPA"));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in ["api.key", "hapa.db", "logs/app.log"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_partial_answer_survives_a_kill() {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    let mut stream = question(&address, &hapa.key, "forever").send().await.unwrap();
    stream.chunk().await.unwrap();
    eventually("the partial answer is stored", async || {
        let items = history(&address, &hapa.key).await;
        (items["items"][0]["generated_code"].as_str()? == "while True:\n    pass").then_some(())
    })
    .await;
    hapa.signal(Signal::SIGKILL);
    hapa.wait_exit().await;
    let mut restarted = SidecarProcess::start(data.path(), &[]).await;
    let address = restarted.wait_ready().await;
    let item = &history(&address, &restarted.key).await["items"][0];
    assert_eq!((&item["question"], &item["finish_reason"]), (&json!("forever"), &json!("interrupted")));
    assert_eq!(item["generated_code"], "while True:\n    pass");
}

#[tokio::test]
async fn a_crash_of_the_engine_loses_no_question() {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    // The connection breaks with the process, before or after the first bytes.
    let _ = question(&address, &hapa.key, "crash").send().await;
    assert_eq!(hapa.wait_exit().await.code(), None, "the process was killed by a signal");
    let mut restarted = SidecarProcess::start(data.path(), &[]).await;
    let address = restarted.wait_ready().await;
    let history = history(&address, &restarted.key).await;
    // The engine may crash before the question is accepted; then the window still has it.
    if history["total_count"] == 1 {
        assert_eq!(
            (&history["items"][0]["question"], &history["items"][0]["finish_reason"]),
            (&json!("crash"), &json!("interrupted"))
        );
    }
}

#[tokio::test]
async fn no_key_is_ever_written_to_a_log() {
    let data = data_dir_with(&script());
    let mut command = hapa(data.path(), &["serve", "--supervised"]);
    command.env("LOG_LEVEL", "trace");
    let mut hapa = SidecarProcess::start_with(command).await;
    let address = hapa.wait_ready().await;
    question(&address, &hapa.key, "중복 제거 카나리아").send().await.unwrap().text().await.unwrap();
    let installed = std::fs::read_to_string(data.path().join("api.key")).unwrap();
    history(&address, installed.trim()).await;
    drop(hapa.stdin.take());
    hapa.wait_exit().await;
    let log = std::fs::read_to_string(data.path().join("logs/app.log")).unwrap() + &hapa.stderr().await;
    for secret in [hapa.key.as_str(), installed.trim(), "카나리아"] {
        assert!(!log.contains(secret), "{secret}");
    }
}
