//! Starting and ending, as the desktop app and the operating system see it.

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
async fn it_is_ready_accepts_the_windows_key_and_ends_when_its_stdin_does() {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    assert_eq!(history(&address, &hapa.key).await["total_count"], 0);
    drop(hapa.stdin.take());
    assert_eq!(hapa.wait_exit().await.code(), Some(0));
    assert!(client().get(format!("{address}/health")).send().await.is_err(), "the port is free");
}

#[tokio::test]
async fn it_ends_in_order_when_asked_to_terminate() {
    let data = data_dir_with(&script());
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut hapa = SidecarProcess::start(data.path(), &[]).await;
        hapa.wait_ready().await;
        hapa.signal(signal);
        assert_eq!(hapa.wait_exit().await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn what_is_open_when_it_is_asked_to_terminate_is_ended_clearly() {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    let client = client();
    let ask = |path: &str| {
        let request = client.post(format!("{address}/api/v1/{path}")).header("X-API-Key", &hapa.key);
        request.json(&json!({"user_question": "forever", "use_cache": false})).send()
    };
    let mut frames = Frames::new(ask("generate-code-streaming").await.unwrap());
    frames.next_of("code").await;
    let plain = tokio::spawn(ask("generate-code"));
    let queued = async || {
        let details = client.get(format!("{address}/health/detailed")).header("X-API-Key", &hapa.key);
        let details: Value = details.send().await.unwrap().json().await.unwrap();
        (details["queue"]["active"].as_u64().unwrap() + details["queue"]["waiting"].as_u64().unwrap() == 2)
            .then_some(())
    };
    eventually("both wait for the model", queued).await;
    hapa.signal(Signal::SIGTERM);
    let last = frames.rest().await.pop().unwrap();
    assert_eq!((&last["type"], &last["metadata"]["error_code"]), (&json!("error"), &json!("SERVICE_UNAVAILABLE")));
    let refused = plain.await.unwrap().unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(hapa.wait_exit().await.code(), Some(0));
}

#[tokio::test]
async fn it_is_ready_while_the_model_still_loads() {
    let data = data_dir_with(&json!({"load": "never"}));
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    let health: Value = client().get(format!("{address}/health")).send().await.unwrap().json().await.unwrap();
    assert_eq!(health["status"], "degraded");
}

#[tokio::test]
async fn a_taken_port_is_passed_over_unless_it_was_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let data = data_dir_with(&script());
    let mut pinned = SidecarProcess::start(data.path(), &["--port", &port.to_string()]).await;
    assert_eq!(pinned.wait_exit().await.code(), Some(69));
    let said = pinned.stderr().await;
    assert!(said.contains(&format!("port {port}")) && said.contains("--port"), "{said}");
    // Whoever has 8000, two can be served.
    let other = data_dir_with(&script());
    let (mut first, mut second) =
        (SidecarProcess::start(data.path(), &[]).await, SidecarProcess::start(other.path(), &[]).await);
    assert_ne!(first.wait_ready().await, second.wait_ready().await);
}

#[tokio::test]
async fn a_port_chosen_in_the_settings_counts_from_the_next_start_and_never_keeps_the_window_out() {
    let data = data_dir_with(&script());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
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
    drop(taken);
    let mut third = SidecarProcess::start(data.path(), &[]).await;
    assert!(third.wait_ready().await.ends_with(&format!(":{port}")));
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_ends_it_with_its_name() {
    let data = data_dir_with(&script());
    for (variable, value) in [("PORT", "eighty"), ("HOST", "0.0.0.0"), ("HOST", "example.com"), ("CORS_ORIGINS", "*")] {
        let mut command = hapa(data.path(), &["serve"]);
        command.env(variable, value);
        let output = run_to_end(command).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{variable}={value}");
        assert!(said.contains(&format!("{variable} is `")), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn as_many_threads_answer_as_were_asked_for() {
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
async fn what_was_said_before_a_kill_is_there_after_it() {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    let mut stream = question(&address, &hapa.key, "forever").send().await.unwrap();
    stream.chunk().await.unwrap();
    eventually("the answer is on disk", async || {
        let items = history(&address, &hapa.key).await;
        (items["items"][0]["generated_code"].as_str()? == "while True:\n    pass").then_some(())
    })
    .await;
    hapa.signal(Signal::SIGKILL);
    hapa.wait_exit().await;
    let mut again = SidecarProcess::start(data.path(), &[]).await;
    let address = again.wait_ready().await;
    let item = &history(&address, &again.key).await["items"][0];
    assert_eq!((&item["question"], &item["finish_reason"]), (&json!("forever"), &json!("interrupted")));
    assert_eq!(item["generated_code"], "while True:\n    pass");
}

#[tokio::test]
async fn a_crash_in_the_engine_costs_no_question() {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    // The connection dies with the process, before or after the first bytes.
    let _ = question(&address, &hapa.key, "crash").send().await;
    assert_eq!(hapa.wait_exit().await.code(), None, "a signal ended it");
    let mut again = SidecarProcess::start(data.path(), &[]).await;
    let address = again.wait_ready().await;
    let history = history(&address, &again.key).await;
    // The engine may die before the question was accepted; then the window still has it.
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
