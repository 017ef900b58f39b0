//! Tests of the engine and the server with a small real model: SmolLM2-135M-Instruct, at the path in `HAPA_TEST_MODEL`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod crash;
mod gguf;
mod model_lifecycle;
mod remote;
mod scheduling;

use std::path::PathBuf;
use std::time::Duration;

use engine::{
    ChatMessage, Engine, Error, Event, FinishReason, Options, Prompt, PromptAccepted, Request, Role, Sampling, State,
    Usage,
};
use serde_json::{Value, json};
use tests::server::Server;
use tests::stream::{Frames, joined};
use tests::{TIMEOUT, process};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

fn model() -> PathBuf {
    std::env::var_os("HAPA_TEST_MODEL").expect("`cargo xtask test` names the model file in HAPA_TEST_MODEL").into()
}

async fn engine() -> Engine {
    loaded(options(model())).await
}

/// Starts an engine and waits until its model is loaded.
async fn loaded(options: Options) -> Engine {
    let engine = Engine::start(options);
    let mut state = engine.watch();
    let state = timeout(TIMEOUT, state.wait_for(|state| !matches!(state, State::Loading { .. }))).await;
    let state = state.expect("the model loads in time").expect("the engine runs").clone();
    let State::Ready(model) = state else { panic!("{state:?}") };
    let (kind, what) = model.device.split_once(" (").expect("a device has a kind and a description");
    assert!(kind != "CPU" || what.contains(", "), "a CPU variant is selected: {}", model.device);
    engine
}

/// Whether the model runs on the CPU, and not on a GPU of this machine.
fn on_processor(engine: &Engine) -> bool {
    matches!(engine.state(), State::Ready(model) if model.device.starts_with("CPU ("))
}

/// Serializes the tests: a model uses every core, and one at a time is faster and does not time out.
struct Turn(#[expect(dead_code, reason = "it is held")] MutexGuard<'static, ()>);

async fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::const_new(());
    Turn(TURN.lock().await)
}

impl Drop for Turn {
    /// Waits until the engine's threads have ended: the next test gets all cores, and the process can exit after the last one.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(engine::wait_for_threads(TIMEOUT), "an engine still runs after its test");
        }
    }
}

fn options(model: PathBuf) -> Options {
    Options { context: 2048, kv_tokens: 4096, queue_capacity: 4, ..Options::for_model(model) }
}

fn request(question: &str, max_tokens: u32) -> Request {
    chat(vec![ChatMessage::new(Role::System, "You write Python."), ChatMessage::new(Role::User, question)], max_tokens)
}

fn chat(messages: Vec<ChatMessage>, max_tokens: u32) -> Request {
    let sampling = Sampling { temperature: 0.0, top_p: 1.0, seed: 7 };
    Request::new(Prompt::Chat(messages), sampling, max_tokens)
}

async fn answer(engine: &Engine, request: Request) -> Result<(String, Usage), Error> {
    let mut answer = engine.submit(request)?;
    let mut text = String::new();
    while let Some(event) = timeout(TIMEOUT, answer.next()).await.expect("the model keeps generating") {
        match event? {
            Event::Delta { text: piece, .. } => text += &piece,
            Event::Done(summary) => return Ok((text, summary)),
            Event::PromptAccepted(_) | Event::Prefill { .. } => {}
        }
    }
    panic!("the answer ended without a summary")
}

#[tokio::test]
async fn greedy_answers_are_the_same_with_and_without_a_cached_prefix() {
    let _turn = turn().await;
    let engine = engine().await;
    let (first, cold) = answer(&engine, request("Write a function that adds two numbers.", 40)).await.unwrap();
    let (again, warm) = answer(&engine, request("Write a function that adds two numbers.", 40)).await.unwrap();
    assert!(!first.trim().is_empty());
    assert_eq!((first, cold.cached_tokens), (again, 0));
    assert_eq!(warm.cached_tokens, warm.prompt_tokens, "the whole prompt and its logits are cached");
    let (_, other) = answer(&engine, request("Write a loop.", 5)).await.unwrap();
    assert!(other.cached_tokens > 5, "the system prompt is shared: {other:?}");
}

#[tokio::test]
async fn a_continued_answer_equals_the_untruncated_one() {
    let _turn = turn().await;
    let engine = engine().await;
    let question = "Write a function that adds two numbers.";
    let (complete, _) = answer(&engine, request(question, 40)).await.unwrap();
    let (partial, _) = answer(&engine, request(question, 15)).await.unwrap();
    let Prompt::Chat(mut messages) = request(question, 25).prompt else { unreachable!() };
    messages.push(ChatMessage::new(Role::Assistant, &partial));
    let (rest, summary) = answer(&engine, chat(messages, 25)).await.unwrap();
    assert_eq!(partial + &rest, complete);
    assert!(
        summary.cached_tokens + 2 >= summary.prompt_tokens,
        "the partial answer is not prefilled again: {summary:?}"
    );
}

#[tokio::test]
async fn a_token_count_equals_that_of_an_answer_and_prefills_nothing() {
    let _turn = turn().await;
    let engine = engine().await;
    let question = request("Write a function that adds two numbers.", 5);
    let counted = engine.count_tokens(question.prompt.clone()).await.unwrap();
    let (_, summary) = answer(&engine, question).await.unwrap();
    assert_eq!((counted.tokens, summary.cached_tokens), (summary.prompt_tokens, 0));
    let long = engine.count_tokens(request(&"word ".repeat(5000), 1).prompt).await;
    assert!(matches!(long, Err(Error::ContextTooLong { tokens, .. }) if tokens > 5000), "{long:?}");
}

#[tokio::test]
async fn a_seed_makes_a_sampled_answer_repeatable() {
    let _turn = turn().await;
    let engine = engine().await;
    let mut sampled = request("Tell me about lists.", 24);
    sampled.sampling = Sampling { temperature: 1.0, top_p: 0.95, seed: 42 };
    let (first, _) = answer(&engine, sampled.clone()).await.unwrap();
    let (again, _) = answer(&engine, sampled).await.unwrap();
    assert_eq!(first, again);
}

#[tokio::test]
async fn an_answer_ends_at_max_tokens() {
    let _turn = turn().await;
    let (_, summary) = answer(&engine().await, request("Count from one to one hundred.", 5)).await.unwrap();
    assert_eq!((summary.finish_reason, summary.completion_tokens), (FinishReason::Length, 5));
}

#[tokio::test]
async fn korean_is_decoded_as_complete_characters() {
    let _turn = turn().await;
    let korean = chat(vec![ChatMessage::new(Role::User, "다음 문장을 그대로 따라 하세요: 안녕하세요 파이썬")], 48);
    let (text, _) = answer(&engine().await, korean).await.unwrap();
    assert!(!text.contains('\u{fffd}'), "{text}");
}

#[tokio::test]
async fn dropping_a_stream_cancels_the_request_at_the_next_step() {
    let _turn = turn().await;
    let engine = engine().await;
    let long = "x = 1\n".repeat(300);
    for events in [0, 1, 2, 4] {
        let mut running = engine.submit(request(&long, 1000)).unwrap();
        for _ in 0..events {
            running.next().await.unwrap().unwrap();
        }
        drop(running);
        // The next request starts at once, without waiting for the thousand tokens.
        let next = timeout(Duration::from_secs(10), answer(&engine, request("Hi", 1))).await;
        next.expect("the engine is free").unwrap();
        let idle = async || (engine.queue_depth().active == 0 && engine.queue_depth().waiting() == 0).then_some(());
        tests::eventually("the engine is idle", idle).await;
    }
}

#[tokio::test]
async fn requests_wait_in_a_bounded_queue() {
    let _turn = turn().await;
    let engine = engine().await;
    let running: Vec<_> = (0..4).map(|_| engine.submit(request("Count to one hundred.", 200)).unwrap()).collect();
    assert_eq!(engine.submit(request("One more", 1)).unwrap_err(), Error::Overloaded);
    drop(running);
    tests::eventually("a permit is free", async || engine.submit(request("One more", 1)).ok()).await;
}

#[tokio::test]
async fn history_is_truncated_oldest_first_and_a_long_question_is_rejected() {
    let _turn = turn().await;
    let engine = engine().await;
    let old = "old ".repeat(900);
    let roles = [Role::User, Role::Assistant, Role::User, Role::Assistant];
    let mut thread = vec![ChatMessage::new(Role::System, "You write Python.")];
    thread.extend(roles.map(|role| ChatMessage::truncatable(role, &old)));
    thread.push(ChatMessage::new(Role::User, "Hi"));
    let mut running = engine.submit(chat(thread, 1)).unwrap();
    let Some(Ok(Event::PromptAccepted(PromptAccepted { dropped, prompt_tokens, limit, .. }))) = running.next().await
    else {
        panic!("the request is accepted")
    };
    assert!((2..=4).contains(&dropped) && prompt_tokens < limit, "{dropped} {prompt_tokens:?}");
    drop(running);
    let error = answer(&engine, request(&"old ".repeat(3000), 1)).await.unwrap_err();
    assert!(matches!(error, Error::ContextTooLong { tokens, limit } if tokens > limit), "{error:?}");
}

#[tokio::test]
async fn a_process_with_a_model_exits_at_once_even_during_generation() {
    let _turn = turn().await;
    let data = tempfile::tempdir().unwrap();
    for question in [None, Some("Count from one to one thousand.")] {
        let mut command = process::hapa(data.path(), &["serve", "--supervised"]);
        command.env("HAPA_MODEL", model());
        let mut hapa = process::SidecarProcess::start_with(command).await;
        let address = hapa.wait_ready().await;
        let client = tests::client();
        tests::eventually("the model is loaded", async || {
            let health: Value = client.get(format!("{address}/health")).send().await.ok()?.json().await.ok()?;
            (health["status"] == "healthy").then_some(())
        })
        .await;
        let mut answer = None;
        if let Some(question) = question {
            let request =
                client.post(format!("{address}/api/v1/generate-code-streaming")).header("X-API-Key", &hapa.key);
            let mut response = request.json(&json!({ "user_question": question })).send().await.unwrap();
            response.chunk().await.unwrap();
            answer = Some(response);
        }
        drop(hapa.stdin.take());
        let status =
            timeout(Duration::from_secs(2), hapa.wait_exit()).await.expect("the process exits within two seconds");
        assert_eq!(status.code(), Some(0));
        drop(answer);
    }
}

#[tokio::test]
async fn invalid_model_files_are_rejected_with_instructions() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::read(model()).unwrap();
    for (name, bytes, expected) in [
        ("empty.gguf", &file[..0], "not a GGUF file"),
        ("page.gguf", b"<html>404</html>".as_slice(), "not a GGUF file"),
        ("short.gguf", &file[..file.len() / 2], "download it again"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let engine = Engine::start(options(path));
        let mut state = engine.watch();
        let state = timeout(TIMEOUT, state.wait_for(|state| matches!(state, State::Failed { .. }))).await;
        let State::Failed { message } = state.expect("loading fails in time").expect("the engine runs").clone() else {
            unreachable!()
        };
        assert!(message.contains(expected) && message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn a_question_over_http_is_answered_by_the_model() {
    let _turn = turn().await;
    let server = Server::with_model(model()).await;
    tests::eventually("the model is loaded", async || {
        (server.get("/health").await["status"] == "healthy").then_some(())
    })
    .await;
    let body =
        json!({"user_question": "Write a Python function that adds two numbers.", "max_tokens": 64, "temperature": 0});
    let events = Frames::new(server.open_stream(&body).await).rest().await;
    let done = &events.last().unwrap()["metadata"];
    assert_eq!(done["model_used"], model().file_stem().unwrap().to_str().unwrap());
    assert!(done["tokens_per_second"].as_f64().unwrap() > 0.0);
    assert!(!(joined(&events, "code") + &joined(&events, "explanation")).is_empty());
    server.stop().await;
}
