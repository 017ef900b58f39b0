//! What is around the window: the tray, keys from anywhere, notices, files, and what outlives a sudden end.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::{eventually, process};
use tokio::process::Child;

use crate::desk::Desk;
use crate::panel::Panel;
use crate::screen::{CONTROL, ENTER, ESCAPE, MAIN, QUICK, SHIFT, SPACE};
use crate::window::Window;
use crate::{ended, gone, latest_in_history, processes, turn};

#[tokio::test]
async fn the_trays_menu_shows_how_the_engine_is_opens_the_quick_window_and_quits() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let panel = Panel::on(&desk).await;
    let mut app = start(&desk, &[]);
    let sidecar = processes::sidecar(&desk).await;
    panel.says("Ready").await;
    let labels: Vec<String> = panel.menu().await.into_iter().map(|entry| entry.label).collect();
    assert_eq!(labels, ["Open HAPA", "Quick question", "Ready", "Pause engine", "Quit HAPA"]);
    let screen = desk.screen();
    panel.click("Quick question").await;
    screen.quick().await;
    screen.hide(screen.window().await).await;
    panel.click("Open HAPA").await;
    screen.window().await;
    panel.click("Quit HAPA").await;
    assert!(ended(&mut app).await.success());
    assert!(!processes::lives(sidecar.pid));
}

#[tokio::test]
async fn the_tray_pauses_the_engine_which_frees_its_memory_and_resumes_it() {
    let _turn = turn().await;
    let mut desk = Desk::new(&script()).await;
    let model = std::env::var("HAPA_TEST_MODEL").expect("`cargo xtask test` names a small model in HAPA_TEST_MODEL");
    desk.let_answer(model.into());
    let panel = Panel::on(&desk).await;
    let window = Window::open(&desk).await;
    panel.says("Ready").await;
    panel.click("Pause engine").await;
    panel.says("Paused: the model is unloaded").await;
    window.find("paused").await;
    panel.click("Resume engine").await;
    panel.says("Ready").await;
    eventually("it is not paused any more", || async { (!window.has("paused").await).then_some(()) }).await;
}

#[tokio::test]
async fn the_tray_speaks_as_the_window_does() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let panel = Panel::on(&desk).await;
    let window = Window::open(&desk).await;
    panel.says("Quit HAPA").await;
    window.invoke("speak", json!({"language": "ko"})).await;
    panel.says("HAPA 종료").await;
}

#[tokio::test]
async fn a_question_from_anywhere_is_answered_copied_and_kept() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let _app = start(&desk, &[]);
    let screen = desk.screen();
    screen.window().await;
    quick_is_ready(&desk).await;
    let asked = Instant::now();
    screen.press(&[CONTROL, SHIFT, SPACE]);
    screen.quick().await;
    let took = asked.elapsed();
    assert!(took < Duration::from_millis(500), "it took {took:?}, and usually takes a tenth of a second");
    println!("the quick window came after {took:?}");
    screen.write("unique list");
    remembered(&desk, "hapa.quick.draft", "unique list").await;
    screen.press(&[ENTER]);
    let kept = eventually("the answer is in the history", || async {
        latest_in_history(&desk).await.filter(|item| item["finish_reason"] == "stop")
    })
    .await;
    assert_eq!(kept["question"], "unique list");
    // The page may hear of the end a moment after the history does; until then Enter copies nothing.
    let reader = screen.reader();
    let copied = eventually("the code is copied", || async {
        screen.press(&[ENTER]);
        screen.clipboard(reader)
    })
    .await;
    assert_eq!(copied, "def unique(items):\n    return list(dict.fromkeys(items))");
    screen.press(&[ESCAPE]);
    screen.lacks(QUICK).await;
    // The keys bring it back, and hide it where it is in front.
    screen.press(&[CONTROL, SHIFT, SPACE]);
    screen.quick().await;
    screen.press(&[CONTROL, SHIFT, SPACE]);
    screen.lacks(QUICK).await;
}

#[tokio::test]
async fn another_start_can_ask_for_the_quick_window() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let _app = start(&desk, &[]);
    let screen = desk.screen();
    screen.window().await;
    assert!(ended(&mut start(&desk, &["--quick"])).await.success());
    screen.quick().await;
}

#[tokio::test]
async fn a_window_that_was_made_hidden_is_laid_out_for_the_size_that_it_is_shown_in() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    eventually("the empty field is one line tall", || async {
        let height = window.evaluate("return document.querySelector('[data-testid=question]').clientHeight;").await;
        (10..50).contains(&height.as_i64()?).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_desktop_without_a_tray_is_told_of_once() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    window.shows("lacks", &["tray"]).await;
    window.click("understood").await;
    eventually("it is put away", || async { (!window.has("lacks").await).then_some(()) }).await;
    close(&desk).await;
    drop(window);
    let window = Window::open(&desk).await;
    assert_eq!(window.invoke("abilities", json!({})).await, json!({"tray": false, "shortcut": "works"}));
    assert!(!window.has("lacks").await);
}

#[tokio::test]
async fn keys_that_another_program_has_are_told_of_and_others_can_be_chosen() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let screen = desk.screen();
    screen.grab(&[CONTROL, SHIFT, SPACE]);
    let window = Window::open(&desk).await;
    window.shows("lacks", &["Ctrl+Shift+Space"]).await;
    let chosen = window.invoke("choose", json!({"choices": {"shortcut": "Ctrl+Alt+J"}})).await;
    assert_eq!(chosen["shortcut"], "Ctrl+Alt+J");
    assert_eq!(window.invoke("abilities", json!({})).await["shortcut"], "works");
    let refused = window.invoke("choose", json!({"choices": {"shortcut": "Ctrl+Shift+Space"}})).await;
    assert_eq!(refused["shortcut"], "Ctrl+Alt+J");
}

#[tokio::test]
async fn the_windows_place_outlives_a_sudden_end() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let app = start(&desk, &[]);
    let screen = desk.screen();
    let place = (40, 60, 900, 650);
    screen.put(screen.window().await, place);
    eventually("the place is written down", || async {
        let kept: Value = serde_json::from_slice(&fs::read(desk.data().join("placement.json")).ok()?).ok()?;
        (kept["main"]["width"] == 900 && kept["main"]["x"] == 40).then_some(())
    })
    .await;
    kill(&desk, app.id().unwrap()).await;
    let _app = start(&desk, &[]);
    eventually("the window is where it was", || async {
        (screen.has(MAIN) && screen.place(screen.window().await) == place).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_typed_and_half_an_answer_outlive_a_sudden_end() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    window.ask("loop forever").await;
    window.shows("code-block", &["while True:"]).await;
    let sidecar = processes::sidecar(&desk).await;
    eventually("what is written is kept", || async {
        latest_in_history(&desk).await?["response"].as_str()?.contains("while True:").then_some(())
    })
    .await;
    window.write("그리고 다음에는").await;
    kill(&desk, processes::parent(sidecar.pid)).await;
    drop(window);

    let window = Window::open(&desk).await;
    assert_eq!(window.written().await, "그리고 다음에는");
    window.click("conversation").await;
    window.shows("code-block", &["while True:"]).await;
    // The sidecar's sudden end takes nothing from the field either.
    let sidecar = processes::sidecar(&desk).await;
    processes::signal(sidecar.pid, Signal::SIGKILL);
    gone(sidecar.pid).await;
    assert_eq!(window.written().await, "그리고 다음에는");
}

#[tokio::test]
async fn a_closed_window_stays_in_the_tray_where_that_is_chosen() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let panel = Panel::on(&desk).await;
    let window = Window::open(&desk).await;
    panel.says("Ready").await;
    window.invoke("choose", json!({"choices": {"background": true}})).await;
    let screen = desk.screen();
    let sidecar = processes::sidecar(&desk).await;
    screen.close(screen.window().await);
    screen.lacks(MAIN).await;
    assert_eq!(panel.notices(1).await[0].0, "HAPA keeps running in the tray");
    assert!(processes::lives(sidecar.pid));
    // The page lives on behind it.
    window.ask("unique list").await;
    let notices = panel.notices(2).await;
    assert_eq!(notices[1], ("Your answer is ready".to_owned(), "unique list".to_owned()));
    panel.click_notice(2).await;
    screen.window().await;
    // It is said once.
    screen.close(screen.window().await);
    screen.lacks(MAIN).await;
    panel.click("Open HAPA").await;
    screen.window().await;
    assert_eq!(panel.notices(2).await.len(), 2);
}

#[tokio::test]
async fn without_a_tray_a_closed_window_ends_everything_whatever_is_chosen() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    fs::write(desk.data().join("desktop.json"), r#"{"choices":{"background":true}}"#).unwrap();
    let mut app = start(&desk, &[]);
    let sidecar = processes::sidecar(&desk).await;
    let screen = desk.screen();
    screen.close(screen.window().await);
    assert!(ended(&mut app).await.success());
    assert!(!processes::lives(sidecar.pid));
}

#[tokio::test]
async fn a_start_with_the_session_waits_in_the_tray() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let panel = Panel::on(&desk).await;
    let window = Window::open(&desk).await;
    assert_eq!(window.invoke("starts_at_login", json!({})).await, false);
    window.invoke("set_start_at_login", json!({"on": true})).await;
    assert_eq!(window.invoke("starts_at_login", json!({})).await, true);
    let entry = fs::read_to_string(desk.data().join(".config/autostart/HAPA.desktop")).unwrap();
    assert!(entry.contains("--hidden"), "{entry}");
    close(&desk).await;
    drop(window);

    let _app = start(&desk, &["--hidden"]);
    panel.says("Ready").await;
    let screen = desk.screen();
    assert!(!screen.has(MAIN));
    assert!(ended(&mut start(&desk, &[])).await.success());
    screen.window().await;
}

#[tokio::test]
async fn a_text_is_saved_where_the_user_says() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let window = Window::open(&desk).await;
    let screen = desk.screen();
    let name = format!("{}/saved", desk.data().display());
    let saved = window.invoke("save_file", json!({"name": "../unique.py", "content": "x = 1\n"}));
    let answered = async {
        screen.dialog().await;
        // The name is selected up to its ending; a whole path typed over it is taken as one.
        screen.write_path(&name);
        screen.press(&[ENTER]);
    };
    let (saved, ()) = tokio::join!(saved, answered);
    assert_eq!(saved, true);
    assert_eq!(fs::read_to_string(format!("{name}.py")).unwrap(), "x = 1\n");
}

#[tokio::test]
async fn the_data_folder_is_opened_in_the_file_manager() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let opened = desk.data().join("opened");
    desk.stub("xdg-open", &format!("printf %s \"$1\" > '{}'", opened.display()));
    let window = Window::open(&desk).await;
    assert_eq!(window.invoke("open_data_folder", json!({})).await, Value::Null);
    eventually("the folder is opened", || async {
        (fs::read_to_string(&opened).ok()? == desk.data().to_string_lossy()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_window_that_stays_blank_is_drawn_in_software() {
    let _turn = turn().await;
    let desk = Desk::new(&script()).await;
    let mut app = desk.command(process::program("desktop"));
    app.env_remove("WEBKIT_DISABLE_COMPOSITING_MODE").env_remove("WEBKIT_DISABLE_DMABUF_RENDERER");
    let app = app.env("DESKTOP_PLAYS_BLANK", "1").spawn().unwrap();
    let pid = app.id().unwrap();
    let in_software = || processes::environment(pid).contains("WEBKIT_DISABLE_COMPOSITING_MODE=1");
    let first = processes::sidecar(&desk).await;
    assert!(!in_software());
    eventually("it starts anew in software", || async { in_software().then_some(()) }).await;
    gone(first.pid).await;
    desk.screen().window().await;
    // The second page is made when the first is drawn.
    processes::pages(pid).await;
}

/// The app on a desk.
fn start(desk: &Desk, arguments: &[&str]) -> Child {
    desk.command(process::program("desktop")).args(arguments).spawn().expect("it can be started")
}

/// Closes the window and waits for the end of everything.
async fn close(desk: &Desk) {
    let sidecar = processes::sidecar(desk).await;
    let screen = desk.screen();
    screen.close(screen.window().await);
    gone(sidecar.pid).await;
}

/// Ends the app as suddenly as can be.
async fn kill(desk: &Desk, app: u32) {
    let sidecar = processes::sidecar(desk).await;
    processes::signal(app, Signal::SIGKILL);
    gone(app).await;
    gone(sidecar.pid).await;
}

/// Waits until the hidden page of the quick window has begun.
async fn quick_is_ready(desk: &Desk) {
    remembered(desk, "hapa.quick.draft", "").await;
}

/// Waits until the windows remember this text by this name.
async fn remembered(desk: &Desk, name: &str, text: &str) {
    eventually(&format!("`{name}` is remembered"), || async {
        let texts: Value = serde_json::from_slice(&fs::read(desk.data().join("window.json")).ok()?).ok()?;
        (texts[name] == text).then_some(())
    })
    .await;
}

/// What the scripted model answers.
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
