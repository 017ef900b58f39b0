//! The window, opened for real: a question becomes code, and what happens to it when processes die.
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
async fn a_korean_question_becomes_code_in_the_window() {
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
async fn a_stopped_answer_keeps_what_was_written_and_the_next_question_is_answered() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    window.send_question("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    window.click("stop").await;
    let answer = window.latest_answer("stopped").await;
    assert!(answer.text().await.unwrap().contains("while True:"));
    eventually("the model has stopped, too", || async {
        (latest_in_history(&session).await?["finish_reason"] == "cancelled").then_some(())
    })
    .await;
    window.send_question("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn a_killed_sidecar_comes_back_and_the_window_says_so_and_goes_on() {
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
async fn earlier_conversations_are_there_after_a_restart() {
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
async fn a_killed_window_leaves_no_sidecar_and_a_free_port() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    // Also while the model writes.
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
async fn closing_the_window_ends_everything_in_order() {
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
async fn a_window_that_the_system_asks_to_end_ends_everything_in_order() {
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
async fn a_page_that_dies_is_drawn_again_in_the_same_window() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let app = session.command(process::program("desktop")).spawn().unwrap();
    let display = session.display();
    let window = display.window().await;
    let app_id = app.id().unwrap();
    // The main window's page is the first.
    let before = process_tree::web_processes(app_id).await;
    process_tree::signal(before[0], Signal::SIGKILL);
    eventually("the page is drawn by another process", || async {
        process_tree::current_web_processes(app_id).into_iter().find(|page| !before.contains(page))
    })
    .await;
    assert_eq!(display.window().await, window);
}

#[tokio::test]
async fn a_second_start_shows_the_first_window() {
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
async fn a_sidecar_that_gives_up_says_why_until_the_user_starts_it_again() {
    let _lock = window_lock().await;
    let mut session = DesktopSession::new(&script()).await;
    // As if the user had set a wrong port, and fixed it later.
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
async fn a_page_gets_no_file_no_program_and_no_other_computer() {
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

/// What the scripted model answers.
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

/// The latest question and its answer, as another client of the API sees them.
async fn latest_in_history(session: &DesktopSession) -> Option<Value> {
    let port = process_tree::sidecar(session).await.port;
    let key = fs::read_to_string(session.data_dir().join("api.key")).ok()?;
    let history = format!("http://127.0.0.1:{port}/api/v1/user/history?limit=1");
    let answer = tests::client().get(history).header("X-API-Key", key.trim()).send().await.ok()?;
    answer.json::<Value>().await.ok()?["items"].get(0).cloned()
}

/// Waits until a process has ended.
async fn wait_for_exit(pid: u32) {
    eventually("the process ends", || async { (!process_tree::is_running(pid)).then_some(()) }).await;
}

/// How a process ended.
async fn exit_status(process: &mut Child) -> ExitStatus {
    timeout(tests::PATIENCE, process.wait()).await.expect("the process ends").expect("it can be waited for")
}

/// Windows are heavy, so they open one after the other, and each test's deadlines are about its own.
async fn window_lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::const_new(());
    LOCK.lock().await
}
