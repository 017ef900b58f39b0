//! The window, opened for real: a question becomes code, and what happens to it when processes die.
#![cfg(target_os = "linux")]

mod around;
mod desk;
mod panel;
mod processes;
mod screen;
mod updates;
mod window;

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

use desk::Desk;
use window::Window;

#[tokio::test]
async fn a_korean_question_becomes_code_in_the_window() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    window.ask("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.shows("code-block", &["def unique(items):", "return list(dict.fromkeys(items))"]).await;
    let answer = window.latest_answer("done").await;
    let text = answer.text().await.unwrap();
    assert!(text.contains("순서를 지키며 중복을 제거합니다."), "{text}");
    window.shows("answer-meta", &["scripted"]).await;
}

#[tokio::test]
async fn a_stopped_answer_keeps_what_was_written_and_the_next_question_is_answered() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    window.ask("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    window.click("stop").await;
    let answer = window.latest_answer("stopped").await;
    assert!(answer.text().await.unwrap().contains("while True:"));
    eventually("the model has stopped, too", || async {
        (latest_in_history(&desk).await?["finish_reason"] == "cancelled").then_some(())
    })
    .await;
    window.ask("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn a_killed_sidecar_comes_back_and_the_window_says_so_and_goes_on() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    window.ask("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    let first = processes::sidecar(&desk).await;
    window.look_out_for("sidecar-banner").await;
    processes::signal(first.pid, Signal::SIGKILL);
    window.latest_answer("interrupted").await;
    window.seen().await;
    let second = processes::sidecar(&desk).await;
    assert_ne!(second.pid, first.pid);
    window.ask("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn earlier_conversations_are_there_after_a_restart() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    window.ask("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
    let first = processes::sidecar(&desk).await;
    let screen = desk.screen();
    screen.close(screen.window().await);
    gone(first.pid).await;
    drop(window);

    let window = Window::open(&desk).await;
    window.click("conversation").await;
    window.shows("asked-question", &["리스트에서 중복 제거하는 함수 만들어줘"]).await;
    window.shows("code-block", &["def unique(items):"]).await;
}

#[tokio::test]
async fn a_killed_window_leaves_no_sidecar_and_a_free_port() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    // Also while the model writes.
    window.ask("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    let sidecar = processes::sidecar(&desk).await;
    let start = Instant::now();
    processes::signal(processes::parent(sidecar.pid), Signal::SIGKILL);
    gone(sidecar.pid).await;
    assert!(processes::is_free(sidecar.port));
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
}

#[tokio::test]
async fn closing_the_window_ends_everything_in_order() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let mut app = desk.command(process::program("desktop")).spawn().unwrap();
    let sidecar = processes::sidecar(&desk).await;
    let screen = desk.screen();
    screen.close(screen.window().await);
    assert!(ended(&mut app).await.success());
    assert!(!processes::lives(sidecar.pid));
    assert!(processes::is_free(sidecar.port));
}

#[tokio::test]
async fn a_window_that_the_system_asks_to_end_ends_everything_in_order() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let mut app = desk.command(process::program("desktop")).spawn().unwrap();
    let sidecar = processes::sidecar(&desk).await;
    desk.screen().window().await;
    processes::signal(app.id().unwrap(), Signal::SIGTERM);
    assert!(ended(&mut app).await.success());
    assert!(!processes::lives(sidecar.pid));
    assert!(processes::is_free(sidecar.port));
}

#[tokio::test]
async fn a_page_that_dies_is_drawn_again_in_the_same_window() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let app = desk.command(process::program("desktop")).spawn().unwrap();
    let screen = desk.screen();
    let window = screen.window().await;
    let app_id = app.id().unwrap();
    // The main window's page is the first.
    let before = processes::pages(app_id).await;
    processes::signal(before[0], Signal::SIGKILL);
    eventually("the page is drawn by another process", || async {
        processes::pages_now(app_id).into_iter().find(|page| !before.contains(page))
    })
    .await;
    assert_eq!(screen.window().await, window);
}

#[tokio::test]
async fn a_second_start_shows_the_first_window() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    let sidecar = processes::sidecar(&desk).await;
    let screen = desk.screen();
    let first = screen.window().await;
    screen.hide(first).await;
    let mut second = desk.command(process::program("desktop")).spawn().unwrap();
    assert!(ended(&mut second).await.success());
    assert_eq!(screen.window().await, first);
    assert_eq!(processes::sidecar(&desk).await, sidecar);
    window.ask("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn a_sidecar_that_gives_up_says_why_until_the_user_starts_it_again() {
    let _turn = turn().await;
    let mut desk = Desk::new(&script()).await;
    // As if the user had set a wrong port, and mended it later.
    let mended = desk.data().join("mended");
    let hapa = desk.data().join("hapa");
    let real = process::program("hapa");
    let wrapper = format!(
        "#!/bin/sh\n[ -e '{}' ] || export PORT=notanumber\nexec '{}' \"$@\"\n",
        mended.display(),
        real.display()
    );
    fs::write(&hapa, wrapper).unwrap();
    fs::set_permissions(&hapa, fs::Permissions::from_mode(0o755)).unwrap();
    desk.let_stand_in(hapa);
    let window = Window::open(&desk).await;
    window.shows("sidecar-banner", &["PORT", "notanumber"]).await;
    fs::write(mended, "").unwrap();
    window.click("restart-sidecar").await;
    window.ask("리스트에서 중복 제거하는 함수 만들어줘").await;
    window.latest_answer("done").await;
}

#[tokio::test]
async fn a_page_gets_no_file_no_program_and_no_other_computer() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
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
    let port = processes::sidecar(&desk).await.port;
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
async fn latest_in_history(desk: &Desk) -> Option<Value> {
    let port = processes::sidecar(desk).await.port;
    let key = fs::read_to_string(desk.data().join("api.key")).ok()?;
    let history = format!("http://127.0.0.1:{port}/api/v1/user/history?limit=1");
    let answer = tests::client().get(history).header("X-API-Key", key.trim()).send().await.ok()?;
    answer.json::<Value>().await.ok()?["items"].get(0).cloned()
}

/// Waits until a process has ended.
async fn gone(pid: u32) {
    eventually("the process ends", || async { (!processes::lives(pid)).then_some(()) }).await;
}

/// How a process ended.
async fn ended(process: &mut Child) -> ExitStatus {
    timeout(tests::TIMEOUT, process.wait()).await.expect("the process ends").expect("it can be waited for")
}

/// Windows are heavy, so they open one after the other, and each test's deadlines are about its own.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
