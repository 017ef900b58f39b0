//! Tests of the desktop integration: tray, global shortcut, notifications, save dialog, autostart and crash recovery.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::{eventually, process};
use tokio::process::Child;

use crate::session::DesktopSession;
use crate::tray_host::TrayHost;
use crate::window::Window;
use crate::x11::{CONTROL, ENTER, ESCAPE, MAIN, QUICK, SHIFT, SPACE};
use crate::{exit_status, latest_in_history, process_tree, wait_for_exit, window_lock};

#[tokio::test]
async fn the_tray_menu_shows_the_engine_state_opens_the_quick_window_and_quits() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let tray_host = TrayHost::start(&session).await;
    let mut app = start(&session, &[]);
    let sidecar = process_tree::sidecar(&session).await;
    tray_host.wait_for_item("Ready").await;
    let labels: Vec<String> = tray_host.menu().await.into_iter().map(|item| item.label).collect();
    assert_eq!(labels, ["Open HAPA", "Quick question", "Ready", "Pause engine", "Quit HAPA"]);
    let display = session.display();
    tray_host.click("Quick question").await;
    display.quick_window().await;
    display.unmap(display.window().await).await;
    tray_host.click("Open HAPA").await;
    display.window().await;
    tray_host.click("Quit HAPA").await;
    assert!(exit_status(&mut app).await.success());
    assert!(!process_tree::is_running(sidecar.pid));
}

#[tokio::test]
async fn the_tray_pauses_the_engine_by_unloading_the_model_and_resumes_it() {
    let _lock = window_lock().await;
    let mut session = DesktopSession::new(&script()).await;
    let model = std::env::var("HAPA_TEST_MODEL").expect("`cargo xtask test` names a small model in HAPA_TEST_MODEL");
    session.set_model(model.into());
    let tray_host = TrayHost::start(&session).await;
    let window = Window::open(&session).await;
    tray_host.wait_for_item("Ready").await;
    tray_host.click("Pause engine").await;
    tray_host.wait_for_item("Paused: the model is unloaded").await;
    window.find("paused").await;
    tray_host.click("Resume engine").await;
    tray_host.wait_for_item("Ready").await;
    eventually("the engine is resumed", || async { (!window.has("paused").await).then_some(()) }).await;
}

#[tokio::test]
async fn the_tray_uses_the_language_of_the_window() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let tray_host = TrayHost::start(&session).await;
    let window = Window::open(&session).await;
    tray_host.wait_for_item("Quit HAPA").await;
    window.invoke("set_language", json!({"language": "ko"})).await;
    tray_host.wait_for_item("HAPA 종료").await;
}

#[tokio::test]
async fn a_quick_question_is_answered_copied_and_stored_in_the_history() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let _app = start(&session, &[]);
    let display = session.display();
    display.window().await;
    wait_for_quick_window(&session).await;
    let pressed = Instant::now();
    display.press(&[CONTROL, SHIFT, SPACE]);
    display.quick_window().await;
    let took = pressed.elapsed();
    assert!(took < Duration::from_millis(500), "it took {took:?}; about 100 ms are usual");
    println!("the quick window was shown after {took:?}");
    display.type_text("unique list");
    wait_for_stored_item(&session, "hapa.quick.draft", "unique list").await;
    display.press(&[ENTER]);
    let saved = eventually("the answer is in the history", || async {
        latest_in_history(&session).await.filter(|item| item["finish_reason"] == "stop")
    })
    .await;
    assert_eq!(saved["question"], "unique list");
    // The page may receive the end of the stream after the history is written; until then Enter copies nothing.
    let reader = display.clipboard_window();
    let copied = eventually("the code is copied", || async {
        display.press(&[ENTER]);
        display.clipboard(reader)
    })
    .await;
    assert_eq!(copied, "def unique(items):\n    return list(dict.fromkeys(items))");
    display.press(&[ESCAPE]);
    display.wait_until_hidden(QUICK).await;
    // The shortcut shows the window, and hides it if it is in front.
    display.press(&[CONTROL, SHIFT, SPACE]);
    display.quick_window().await;
    display.press(&[CONTROL, SHIFT, SPACE]);
    display.wait_until_hidden(QUICK).await;
}

#[tokio::test]
async fn a_second_launch_with_the_quick_argument_shows_the_quick_window() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let _app = start(&session, &[]);
    let display = session.display();
    display.window().await;
    assert!(exit_status(&mut start(&session, &["--quick"])).await.success());
    display.quick_window().await;
}

#[tokio::test]
async fn a_window_created_hidden_has_the_layout_of_its_visible_size() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    eventually("the empty field is one line tall", || async {
        let height = window.evaluate("return document.querySelector('[data-testid=question]').clientHeight;").await;
        (10..50).contains(&height.as_i64()?).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_missing_tray_is_reported_once() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    window.shows("lacks", &["tray"]).await;
    window.click("understood").await;
    eventually("the message is dismissed", || async { (!window.has("lacks").await).then_some(()) }).await;
    close(&session).await;
    drop(window);
    let window = Window::open(&session).await;
    assert_eq!(window.invoke("abilities", json!({})).await, json!({"tray": false, "shortcut": "works"}));
    assert!(!window.has("lacks").await);
}

#[tokio::test]
async fn a_shortcut_taken_by_another_program_is_reported_and_can_be_changed() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let display = session.display();
    display.grab(&[CONTROL, SHIFT, SPACE]);
    let window = Window::open(&session).await;
    window.shows("lacks", &["Ctrl+Shift+Space"]).await;
    let chosen = window.invoke("update_preferences", json!({"changes": {"shortcut": "Ctrl+Alt+J"}})).await;
    assert_eq!(chosen["shortcut"], "Ctrl+Alt+J");
    assert_eq!(window.invoke("abilities", json!({})).await["shortcut"], "works");
    let refused = window.invoke("update_preferences", json!({"changes": {"shortcut": "Ctrl+Shift+Space"}})).await;
    assert_eq!(refused["shortcut"], "Ctrl+Alt+J");
}

#[tokio::test]
async fn the_window_geometry_survives_a_kill() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let app = start(&session, &[]);
    let display = session.display();
    let geometry = (40, 60, 900, 650);
    display.move_window(display.window().await, geometry);
    eventually("the window state is saved", || async {
        let saved: Value = serde_json::from_slice(&fs::read(session.data_dir().join("placement.json")).ok()?).ok()?;
        (saved["main"]["width"] == 900 && saved["main"]["x"] == 40).then_some(())
    })
    .await;
    kill(&session, app.id().unwrap()).await;
    let _app = start(&session, &[]);
    eventually("the window state is restored", || async {
        (display.is_visible(MAIN) && display.geometry(display.window().await) == geometry).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_draft_and_a_partial_answer_survive_a_kill() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    window.send_question("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    let sidecar = process_tree::sidecar(&session).await;
    eventually("the partial answer is stored", || async {
        latest_in_history(&session).await?["response"].as_str()?.contains("while True:").then_some(())
    })
    .await;
    window.type_text("그리고 다음에는").await;
    kill(&session, process_tree::parent(sidecar.pid)).await;
    drop(window);

    let window = Window::open(&session).await;
    assert_eq!(window.draft().await, "그리고 다음에는");
    window.click("conversation").await;
    window.shows("code-block", &["while True:"]).await;
    // Killing the sidecar does not change the draft either.
    let sidecar = process_tree::sidecar(&session).await;
    process_tree::signal(sidecar.pid, Signal::SIGKILL);
    wait_for_exit(sidecar.pid).await;
    assert_eq!(window.draft().await, "그리고 다음에는");
}

#[tokio::test]
async fn closing_the_window_keeps_the_app_in_the_tray_if_configured() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let tray_host = TrayHost::start(&session).await;
    let window = Window::open(&session).await;
    tray_host.wait_for_item("Ready").await;
    window.invoke("update_preferences", json!({"changes": {"background": true}})).await;
    let display = session.display();
    let sidecar = process_tree::sidecar(&session).await;
    display.close(display.window().await);
    display.wait_until_hidden(MAIN).await;
    assert_eq!(tray_host.notifications(1).await[0].0, "HAPA keeps running in the tray");
    assert!(process_tree::is_running(sidecar.pid));
    // The hidden page keeps running.
    window.send_question("unique list").await;
    let notifications = tray_host.notifications(2).await;
    assert_eq!(notifications[1], ("Your answer is ready".to_owned(), "unique list".to_owned()));
    tray_host.click_notification(2).await;
    display.window().await;
    // The notification about the tray is shown only once.
    display.close(display.window().await);
    display.wait_until_hidden(MAIN).await;
    tray_host.click("Open HAPA").await;
    display.window().await;
    assert_eq!(tray_host.notifications(2).await.len(), 2);
}

#[tokio::test]
async fn without_a_tray_closing_the_window_quits_whatever_the_preference() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    fs::write(session.data_dir().join("desktop.json"), r#"{"choices":{"background":true}}"#).unwrap();
    let mut app = start(&session, &[]);
    let sidecar = process_tree::sidecar(&session).await;
    let display = session.display();
    display.close(display.window().await);
    assert!(exit_status(&mut app).await.success());
    assert!(!process_tree::is_running(sidecar.pid));
}

#[tokio::test]
async fn an_autostart_shows_only_the_tray_icon() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let tray_host = TrayHost::start(&session).await;
    let window = Window::open(&session).await;
    assert_eq!(window.invoke("starts_at_login", json!({})).await, false);
    window.invoke("set_start_at_login", json!({"on": true})).await;
    assert_eq!(window.invoke("starts_at_login", json!({})).await, true);
    let entry = fs::read_to_string(session.data_dir().join(".config/autostart/HAPA.desktop")).unwrap();
    assert!(entry.contains("--hidden"), "{entry}");
    close(&session).await;
    drop(window);

    let _app = start(&session, &["--hidden"]);
    tray_host.wait_for_item("Ready").await;
    let display = session.display();
    assert!(!display.is_visible(MAIN));
    assert!(exit_status(&mut start(&session, &[])).await.success());
    display.window().await;
}

#[tokio::test]
async fn a_text_is_saved_to_the_path_from_the_dialog() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let window = Window::open(&session).await;
    let display = session.display();
    let name = format!("{}/saved", session.data_dir().display());
    let saved = window.invoke("save_file", json!({"name": "../unique.py", "content": "x = 1\n"}));
    let answered = async {
        display.file_dialog().await;
        // The proposed name is selected up to its extension, so typing replaces it; an absolute path is accepted.
        display.type_path(&name);
        display.press(&[ENTER]);
    };
    let (saved, ()) = tokio::join!(saved, answered);
    assert_eq!(saved, true);
    assert_eq!(fs::read_to_string(format!("{name}.py")).unwrap(), "x = 1\n");
}

#[tokio::test]
async fn the_data_folder_is_opened_in_the_file_manager() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let opened = session.data_dir().join("opened");
    session.stub("xdg-open", &format!("printf %s \"$1\" > '{}'", opened.display()));
    let window = Window::open(&session).await;
    assert_eq!(window.invoke("open_data_folder", json!({})).await, Value::Null);
    eventually("the folder is opened", || async {
        (fs::read_to_string(&opened).ok()? == session.data_dir().to_string_lossy()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_blank_window_falls_back_to_software_rendering() {
    let _lock = window_lock().await;
    let session = DesktopSession::new(&script()).await;
    let mut app = session.command(process::program("desktop"));
    app.env_remove("WEBKIT_DISABLE_COMPOSITING_MODE").env_remove("WEBKIT_DISABLE_DMABUF_RENDERER");
    let app = app.env("DESKTOP_PLAYS_BLANK", "1").spawn().unwrap();
    let pid = app.id().unwrap();
    let in_software = || process_tree::environment(pid).contains("WEBKIT_DISABLE_COMPOSITING_MODE=1");
    let first = process_tree::sidecar(&session).await;
    assert!(!in_software());
    eventually("the app relaunches in software rendering", || async { in_software().then_some(()) }).await;
    wait_for_exit(first.pid).await;
    session.display().window().await;
    // The second page is created after the first has painted.
    process_tree::web_processes(pid).await;
}

/// Starts the app in a session.
fn start(session: &DesktopSession, arguments: &[&str]) -> Child {
    session.command(process::program("desktop")).args(arguments).spawn().expect("the app can be started")
}

/// Closes the window and waits for the sidecar to exit.
async fn close(session: &DesktopSession) {
    let sidecar = process_tree::sidecar(session).await;
    let display = session.display();
    display.close(display.window().await);
    wait_for_exit(sidecar.pid).await;
}

/// Kills the app with SIGKILL and waits for it and the sidecar to exit.
async fn kill(session: &DesktopSession, app: u32) {
    let sidecar = process_tree::sidecar(session).await;
    process_tree::signal(app, Signal::SIGKILL);
    wait_for_exit(app).await;
    wait_for_exit(sidecar.pid).await;
}

/// Waits until the hidden page of the quick window has loaded.
async fn wait_for_quick_window(session: &DesktopSession) {
    wait_for_stored_item(session, "hapa.quick.draft", "").await;
}

/// Waits until the key-value store has this item.
async fn wait_for_stored_item(session: &DesktopSession, key: &str, value: &str) {
    eventually(&format!("`{key}` is stored"), || async {
        let items: Value = serde_json::from_slice(&fs::read(session.data_dir().join("window.json")).ok()?).ok()?;
        (items[key] == value).then_some(())
    })
    .await;
}

/// The answers of the scripted model.
fn script() -> Value {
    json!({
        "model": "scripted",
        "answers": [
            {"when": "unique", "pieces": ["Like this:\n\n", "```python\n", "def unique(items):\n",
                                          "    return ", "list(dict.fromkeys(items))\n", "```\n"], "end": "stop"},
            {"when": "forever", "pieces": ["```python\n", "while True:\n", "    pass\n"], "end": "hang"},
            {"pieces": ["hello"], "end": "stop"}
        ]
    })
}
