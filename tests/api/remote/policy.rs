//! Routing policies: which backend answers, and that each response names it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sidecar::settings::endpoint::Endpoint;
use tests::eventually;
use tests::fake_remote::{FakeRemote, Reply};
use tests::server::Server;
use tests::stream::{Frames, joined};

use super::{CHAT, QUESTION, ask, change, failure, hapa, set_remote};

/// Starts a second HAPA with another script, as the remote server.
async fn second() -> Server {
    Server::with_script(&json!({"model": "second", "answers": [
        {"when": "forever", "pieces": ["```python\n", "while True:\n"], "end": "hang"},
        {"when": "<CURSOR>", "pieces": ["```python\n", "x = 2\n```"]},
        {"when": "def add", "pieces": ["return ", "a + b"]},
        {"pieces": ["둘째가 ", "답합니다.\n\n", "```python\n", "x = 2\n", "```"]},
    ]}))
    .await
}

/// Starts HAPA without a model, with the second one as its remote server.
async fn first(policy: &str, second: &Server) -> Server {
    let server = Server::start_in(tests::data_dir(), |config| config.script = None).await;
    set_remote(&server, policy, &second.address).await;
    let key = server.request(Method::PUT, "/api/v1/remote/key").json(&json!({"key": second.key}));
    assert_eq!(key.send().await.unwrap().status(), 200);
    server
}

#[tokio::test]
async fn a_remote_hapa_answers_every_endpoint_and_every_response_names_it() {
    let second = second().await;
    for policy in ["remote", "local_then_remote"] {
        let server = first(policy, &second).await;
        let named = |body: &Value| (body["model_used"].clone(), body["backend"].clone());
        let identity = (json!("second"), json!("remote"));
        let body = ask(&server, "질문").await;
        assert_eq!((&body["generated_code"], &body["explanation"]), (&json!("x = 2"), &json!("둘째가 답합니다.")));
        assert_eq!((named(&body), &body["finish_reason"]), (identity.clone(), &json!("stop")), "{policy}");
        assert_eq!(body["token_usage"]["completion_tokens"], 5);
        assert!(body["token_usage"]["prompt_tokens"].as_u64().unwrap() > 5, "{body}");
        assert_eq!(body["context"]["limit"], Value::Null);
        let events = Frames::new(server.open_stream(&json!({"user_question": "다른 질문"})).await).rest().await;
        assert_eq!(joined(&events, "code"), "x = 2");
        let (start, done) = (&events[0]["metadata"], &events.last().unwrap()["metadata"]);
        assert_eq!((named(start), named(done)), (identity.clone(), identity.clone()));
        let (_, body) = server.post("/api/v1/complete-code", &json!({"prefix": "x = "})).await;
        assert_eq!((named(&body), &body["context_analysis"]["method"]), (identity.clone(), &json!("chat")), "{body}");
        assert_eq!(
            (&body["completions"][0]["code"], &body["completions"][0]["confidence"]),
            (&json!("2"), &json!(0.5))
        );
        let chat = json!({"messages": [{"role": "user", "content": "질문"}]});
        for (path, body) in [(CHAT, chat), ("/v1/completions", json!({"prompt": "def add(a, b):\n"}))] {
            let (status, body) = server.post(path, &body).await;
            assert_eq!((status, &body["model"], &body["backend"]), (200, &identity.0, &identity.1), "{path}: {body}");
        }
        for item in server.get("/api/v1/user/history").await["items"].as_array().unwrap() {
            assert_eq!(named(item), identity, "{item}");
        }
        assert_eq!(server.get("/v1/models").await["data"][0]["id"], "second");
        eventually("the remote server is up", async || {
            let detailed = server.get("/health/detailed").await;
            (detailed["remote"]["state"] == "up").then_some(())?;
            assert_eq!((&detailed["status"], &detailed["remote"]["model"]), (&json!("healthy"), &identity.0));
            Some(())
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_is_sent_until_the_user_enables_it_even_with_an_endpoint_in_the_environment() {
    let remote = FakeRemote::replying(&["원격"]).await;
    let address = remote.address.clone();
    let data = tests::process::data_dir_with(&tests::script());
    let server = Server::start_in(data, |config| {
        config.settings.remote_endpoint = Some(Some(Endpoint(address)));
        config.health_check_interval = Duration::from_millis(5);
    })
    .await;
    assert_eq!(ask(&server, "words").await["backend"], "local");
    let (_, body) = server.post("/api/v1/complete-code", &json!({"prefix": "x = "})).await;
    assert_eq!(body["backend"], "local");
    let state = server.get("/api/v1/remote").await;
    assert_eq!((&state["policy"], &state["state"]), (&json!("local_only"), &json!("off")));
    assert_eq!(remote.requests().len(), 0, "{:?}", remote.requests());
    let settings = change(&server, json!({"remote_policy": "remote"})).await;
    assert_eq!(settings["from_environment"]["remote_endpoint"], "AI_MODEL_ENDPOINT");
    assert_eq!(ask(&server, "words").await["backend"], "remote");
    change(&server, json!({"remote_policy": null})).await;
    assert_eq!(ask(&server, "words").await["backend"], "local");
    assert_eq!(remote.posts().len(), 1);
}

#[tokio::test]
async fn local_then_remote_falls_back_only_when_the_local_model_fails() {
    let remote = FakeRemote::replying(&["원격"]).await;
    let script = |pieces: Value, end: &str| json!({"fills": true, "answers": [{"pieces": pieces, "end": end}]});
    for (name, script, falls_back) in [
        ("answers", script(json!(["여기"]), "stop"), false),
        ("cannot be loaded", json!({"load": "fails"}), true),
        ("fails before the first token", script(json!([]), "fail"), true),
        ("empty answer", script(json!([]), "stop"), false),
    ] {
        let server = hapa(&script, "local_then_remote", &remote.address).await;
        let before = remote.posts().len();
        let body = ask(&server, "질문").await;
        let backend = if falls_back { "remote" } else { "local" };
        assert_eq!(body["backend"], backend, "{name}: {body}");
        let events = Frames::new(server.open_stream(&json!({"user_question": "다른 질문"})).await).rest().await;
        assert_eq!(events[0]["metadata"]["backend"], backend, "{name}");
        assert_eq!(events.last().unwrap()["metadata"]["backend"], backend, "{name}");
        let (_, body) = server.post("/api/v1/complete-code", &json!({"prefix": "x = "})).await;
        assert_eq!(body["backend"], backend, "{name}: {body}");
        let (_, body) = server.post(CHAT, &json!({"messages": [{"role": "user", "content": "질문"}]})).await;
        assert_eq!(body["backend"], backend, "{name}: {body}");
        assert_eq!(remote.posts().len() - before, if falls_back { 4 } else { 0 }, "{name}");
    }
}

#[tokio::test]
async fn a_full_local_queue_falls_back_to_the_remote_server() {
    let remote = FakeRemote::replying(&["원격"]).await;
    let script = json!({"capacity": 1, "answers": [{"pieces": ["여기"], "end": "hang"}]});
    let server = hapa(&script, "local_then_remote", &remote.address).await;
    let mut running = Frames::new(server.open_stream(&json!({"user_question": "forever"})).await);
    assert_eq!(running.next_of("explanation").await["content"], "여기");
    assert_eq!(ask(&server, "질문").await["backend"], "remote");
    drop(running);
    server.wait_idle().await;
}

#[tokio::test]
async fn a_loading_model_does_not_fall_back_and_neither_does_a_started_answer() {
    let remote = FakeRemote::replying(&["원격"]).await;
    let server = hapa(&json!({"load": "never"}), "local_then_remote", &remote.address).await;
    let (status, body) = server.post(QUESTION, &json!({"user_question": "질문"})).await;
    assert_eq!((status, &body["error_details"]["reason"]), (503, &json!("model_loading")));
    let server = hapa(&tests::script(), "local_then_remote", &remote.address).await;
    let events = Frames::new(server.open_stream(&json!({"user_question": "break"})).await).rest().await;
    assert_eq!(joined(&events, "explanation"), "시작");
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["metadata"]["error_code"]), (&json!("error"), &json!("INTERNAL_SERVER_ERROR")));
    let (status, body) = server.post(QUESTION, &json!({"user_question": "x", "code_context": "a ".repeat(5000)})).await;
    assert_eq!(
        (status, &body["error_details"]["reason"]),
        (422, &json!("context_too_long")),
        "an invalid request does not fall back"
    );
    assert_eq!(remote.posts().len(), 0);
}

#[tokio::test]
async fn under_remote_the_local_model_is_never_used() {
    let remote = FakeRemote::start(|_, _| Reply::response(500, "text/html", "<h1>oops</h1>")).await;
    let server = hapa(&tests::script(), "remote", &remote.address).await;
    for (path, body) in [
        (QUESTION, json!({"user_question": "words"})),
        ("/api/v1/generate-code-streaming", json!({"user_question": "words"})),
        ("/api/v1/complete-code", json!({"prefix": "x = "})),
    ] {
        let (status, body) = server.post(path, &body).await;
        assert_eq!((status, failure(&body)), (502, "broken"), "{path}");
    }
    let (status, body) = server.post(CHAT, &json!({"messages": [{"role": "user", "content": "words"}]})).await;
    assert_eq!((status, &body["error"]["code"]), (502, &json!("remote_failed")));
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 0);
    change(&server, json!({"remote_endpoint": null})).await;
    let (status, body) = server.post(QUESTION, &json!({"user_question": "words"})).await;
    assert_eq!((status, failure(&body)), (502, "no_address"));
}

#[tokio::test]
async fn cached_answers_are_kept_apart_by_backend() {
    // Both models have the same name, so only the backend distinguishes them.
    let remote = FakeRemote::replying(&["원격"]).await;
    let script = json!({"model": "fake-model", "answers": [{"when": "fails", "end": "fail"}, {"pieces": ["여기"]}]});
    let server = hapa(&script, "local_only", &remote.address).await;
    assert_eq!(ask(&server, "질문").await["explanation"], "여기");
    change(&server, json!({"remote_policy": "remote"})).await;
    for cached in [false, true] {
        let body = ask(&server, "질문").await;
        assert_eq!((&body["explanation"], &body["cached"]), (&json!("원격"), &json!(cached)));
        assert_eq!(body["backend"], "remote");
    }
    change(&server, json!({"remote_policy": "local_then_remote"})).await;
    let body = ask(&server, "질문").await;
    assert_eq!(
        (&body["explanation"], &body["backend"], &body["cached"]),
        (&json!("여기"), &json!("local"), &json!(true))
    );
    // An answer of the fallback is not cached for the local model.
    for _ in 0..2 {
        let body = ask(&server, "fails").await;
        assert_eq!((&body["backend"], &body["cached"]), (&json!("remote"), &json!(false)));
    }
}

#[tokio::test]
async fn a_remote_that_is_down_degrades_health_while_the_policy_needs_it() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let data = tests::process::data_dir_with(&tests::script());
    let server = Server::start_in(data, |config| config.health_check_interval = Duration::from_millis(20)).await;
    let health = async || server.get("/health").await;
    set_remote(&server, "local_only", &format!("http://127.0.0.1:{port}")).await;
    assert_eq!(health().await["status"], "healthy");
    for policy in ["local_then_remote", "remote"] {
        change(&server, json!({"remote_policy": policy})).await;
        eventually("the failure is detected", async || {
            let health = health().await;
            let errors = &health["environment_validation"]["issues"]["errors"];
            (health["status"] == "degraded" && *errors == 1).then_some(())
        })
        .await;
        let remote = server.get("/health/detailed").await["remote"].clone();
        assert_eq!((&remote["policy"], &remote["state"]), (&json!(policy), &json!("down")));
        assert!(remote["message"].as_str().unwrap().contains("원격 서버"), "{remote}");
        let tried: Value = {
            let request = server.request(Method::POST, "/api/v1/remote/try").header("Accept-Language", "en");
            request.send().await.unwrap().json().await.unwrap()
        };
        assert!(tried["message"].as_str().unwrap().contains("cannot be reached"), "{tried}");
    }
    let remote = FakeRemote::replying(&["원격"]).await;
    change(&server, json!({"remote_endpoint": remote.address})).await;
    eventually("health is restored", async || (health().await["status"] == "healthy").then_some(())).await;
    change(&server, json!({"remote_policy": "local_only"})).await;
    eventually("probing has stopped", async || (server.get("/api/v1/remote").await["state"] == "off").then_some(()))
        .await;
}

#[tokio::test]
async fn a_connection_can_be_tested_before_it_is_enabled() {
    let remote = FakeRemote::replying(&["원격"]).await;
    let server = hapa(&tests::script(), "local_only", &format!("{}/v1/chat/completions", remote.address)).await;
    let tried = server.request(Method::POST, "/api/v1/remote/try").send().await.unwrap();
    let tried: Value = tried.json().await.unwrap();
    assert_eq!((&tried["state"], &tried["models"]), (&json!("up"), &json!(["fake-model"])));
    assert_eq!(server.get("/api/v1/remote").await["state"], "off");
    assert_eq!(
        remote.requests().iter().map(|request| request.request_line.as_str()).collect::<Vec<_>>(),
        ["GET /v1/models"]
    );
}

#[tokio::test]
async fn an_invalid_address_is_rejected() {
    let server = Server::start().await;
    for address in ["http://models.example/v1", "models.example", "https://a.example?key=1", ""] {
        let request = server.request(Method::PATCH, "/api/v1/settings").json(&json!({"remote_endpoint": address}));
        let (status, body) = tests::server::json_of(request.send().await.unwrap()).await;
        assert_eq!(status, 422, "{address}");
        assert!(body["error_details"]["remote_endpoint"][0].is_string(), "{body}");
    }
}
