//! Tests of the desktop app in a real window: questions, answers and process failures.
#![cfg(target_os = "linux")]

mod process_tree;
mod session;
mod shell_integration;
mod tray_host;
mod updates;
mod window;
mod x11;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::{eventually, process};
use tokio::process::Child;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use session::DesktopSession;
use window::Window;

#[tokio::test]
async fn a_korean_question_is_answered_with_code_in_the_window() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    window.send_question("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.shows("code-block", &["def unique(items):", "return list(dict.fromkeys(items))"]).await;
    let answer = window.latest_answer("done").await;
    let text = answer.text().await.unwrap();
    assert!(text.contains("순서를 지키며 중복을 제거합니다."), "{text}");
    window.shows("answer-meta", &["scripted"]).await;
}

#[tokio::test]
async fn a_cancelled_answer_keeps_its_text_and_the_next_question_is_answered() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    window.send_question("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    window.click("stop").await;
    let answer = window.latest_answer("stopped").await;
    assert!(answer.text().await.unwrap().contains("while True:"));
    eventually("the generation is cancelled", || async {
        (latest_in_history(&session).await?["finish_reason"] == "cancelled").then_some(())
    })
    .await;
    window.send_question("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn a_killed_sidecar_is_restarted_with_a_banner_and_the_next_question_is_answered() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    window.send_question("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    let first = process_tree::sidecar(&session).await;
    window.watch_for("sidecar-banner").await;
    process_tree::signal(first.pid, Signal::SIGKILL);
    window.latest_answer("interrupted").await;
    window.appeared().await;
    let second = process_tree::sidecar(&session).await;
    assert_ne!(second.pid, first.pid);
    window.send_question("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn conversations_are_listed_after_a_restart() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    window.send_question("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
    let first = process_tree::sidecar(&session).await;
    let display = session.display();
    display.close(display.window().await);
    wait_for_exit(first.pid).await;
    drop(window);

    let window = Window::open(&session).await;
    window.click("conversation").await;
    window.shows("asked-question", &["리스트에서 중복 제거하는 함수 만들어줘"]).await;
    window.shows("code-block", &["def unique(items):"]).await;
}

#[tokio::test]
async fn killing_the_app_stops_the_sidecar_and_frees_the_port() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    // Also during generation.
    window.send_question("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    let sidecar = process_tree::sidecar(&session).await;
    let start = Instant::now();
    process_tree::signal(process_tree::parent(sidecar.pid), Signal::SIGKILL);
    wait_for_exit(sidecar.pid).await;
    assert!(process_tree::is_port_free(sidecar.port));
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
}

#[tokio::test]
async fn closing_the_window_stops_all_processes_gracefully() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let mut app = session.command(process::program("desktop")).spawn().unwrap();
    let sidecar = process_tree::sidecar(&session).await;
    let display = session.display();
    display.close(display.window().await);
    assert!(exit_status(&mut app).await.success());
    assert!(!process_tree::is_running(sidecar.pid));
    assert!(process_tree::is_port_free(sidecar.port));
}

#[tokio::test]
async fn sigterm_stops_all_processes_gracefully() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let mut app = session.command(process::program("desktop")).spawn().unwrap();
    let sidecar = process_tree::sidecar(&session).await;
    session.display().window().await;
    process_tree::signal(app.id().unwrap(), Signal::SIGTERM);
    assert!(exit_status(&mut app).await.success());
    assert!(!process_tree::is_running(sidecar.pid));
    assert!(process_tree::is_port_free(sidecar.port));
}

#[tokio::test]
async fn a_crashed_web_process_is_replaced_in_the_same_window() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let app = session.command(process::program("desktop")).spawn().unwrap();
    let display = session.display();
    let window = display.window().await;
    let app_id = app.id().unwrap();
    // The oldest web process belongs to the main window.
    let before = process_tree::web_processes(app_id).await;
    process_tree::signal(before[0], Signal::SIGKILL);
    eventually("another web process renders the page", || async {
        process_tree::current_web_processes(app_id).into_iter().find(|page| !before.contains(page))
    })
    .await;
    assert_eq!(display.window().await, window);
}

#[tokio::test]
async fn a_second_launch_shows_the_window_of_the_first() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    let sidecar = process_tree::sidecar(&session).await;
    let display = session.display();
    let first = display.window().await;
    display.unmap(first).await;
    let mut second = session.command(process::program("desktop")).spawn().unwrap();
    assert!(exit_status(&mut second).await.success());
    assert_eq!(display.window().await, first);
    assert_eq!(process_tree::sidecar(&session).await, sidecar);
    window.send_question("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn a_failed_sidecar_shows_its_error_until_the_user_restarts_it() {
    let _lock = window_lock().await;
    let mut session = DesktopSession::new(&script()).await;
    // A wrapper sets an invalid port until the file exists, as if the user fixed the setting.
    let fixed = session.data_dir().join("fixed");
    let hapa = session.data_dir().join("hapa");
    let real = process::program("hapa");
    let wrapper = format!(
        "#!/bin/sh\n[ -e '{}' ] || export PORT=notanumber\nexec '{}' \"$@\"\n",
        fixed.display(),
        real.display()
    );
    fs::write(&hapa, wrapper).unwrap();
    fs::set_permissions(&hapa, fs::Permissions::from_mode(0o755)).unwrap();
    session.set_sidecar(hapa);
    let window = Window::open(&session).await;
    window.shows("sidecar-banner", &["PORT", "notanumber"]).await;
    fs::write(fixed, "").unwrap();
    window.click("restart-sidecar").await;
    window.send_question("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn a_page_cannot_access_files_programs_or_remote_hosts() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    for command in [
        "plugin:path|resolve_directory",
        "plugin:event|emit",
        "plugin:window|close",
        "plugin:app|version",
        "plugin:updater|check",
    ] {
        let answer = window.call(command).await;
        assert!(answer.contains("not allowed"), "{command}: {answer}");
    }
    assert_eq!(window.call("sidecar_status").await, "allowed");
    let port = process_tree::sidecar(&session).await.port;
    assert_eq!(window.fetch(&format!("http://127.0.0.1:{port}/health")).await, "allowed");
    for address in ["https://example.com/", &format!("http://localhost:{port}/health"), "file:///etc/hostname"] {
        assert_eq!(window.fetch(address).await, "connect-src", "{address}");
    }
    let api = window.evaluate("return typeof window.__TAURI__;").await;
    assert_eq!(api, "undefined");
}

/// The answers of the scripted model.
fn script() -> Value {
    json!({
        "model": "scripted",
        "answers": [
            {"when": "중복", "pieces": ["순서를 ", "지키며 ", "중복을 ", "제거합니다.\n\n", "```python\n", "def unique(items):\n",
                                        "    return ", "list(dict.fromkeys(items))\n", "```\n"], "end": "stop"},
            {"when": "forever", "pieces": ["```python\n", "while True:\n", "    pass\n"], "end": "hang"},
            {"pieces": ["hello"], "end": "stop"}
        ]
    })
}

/// The newest history item, as another API client reads it.
async fn latest_in_history(session: &DesktopSession) -> Option<Value> {
    let port = process_tree::sidecar(session).await.port;
    let key = fs::read_to_string(session.data_dir().join("api.key")).ok()?;
    let history = format!("http://127.0.0.1:{port}/api/v1/user/history?limit=1");
    let answer = tests::client().get(history).header("X-API-Key", key.trim()).send().await.ok()?;
    answer.json::<Value>().await.ok()?["items"].get(0).cloned()
}

/// Waits until a process has exited.
async fn wait_for_exit(pid: u32) {
    eventually("the process exits", || async { (!process_tree::is_running(pid)).then_some(()) }).await;
}

/// Waits for a child process and returns its exit status.
async fn exit_status(process: &mut Child) -> ExitStatus {
    timeout(tests::TIMEOUT, process.wait())
        .await
        .expect("the process exits in time")
        .expect("the child can be waited for")
}

/// A lock that runs the tests one after the other: windows are heavy, and a test's timeouts assume that it runs alone.
async fn window_lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::const_new(());
    LOCK.lock().await
}
