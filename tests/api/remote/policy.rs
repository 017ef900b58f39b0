//! Who answers under which policy, and that every answer says so.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sidecar::remote::address::Endpoint;
use tests::eventually;
use tests::fake_remote::{FakeRemote, Reply};
use tests::server::Server;
use tests::stream::{Frames, joined};

use super::{CHAT, QUESTION, ask, change, failure, hapa, turn};

/// A second HAPA with words of its own, and the key to it.
async fn second() -> Server {
    Server::with_script(&json!({"model": "second", "answers": [
        {"when": "forever", "pieces": ["```python\n", "while True:\n"], "end": "hang"},
        {"when": "<CURSOR>", "pieces": ["```python\n", "x = 2\n```"]},
        {"when": "def add", "pieces": ["return ", "a + b"]},
        {"pieces": ["둘째가 ", "답합니다.\n\n", "```python\n", "x = 2\n", "```"]},
    ]}))
    .await
}

/// HAPA without any model, which asks the second one.
async fn first(policy: &str, second: &Server) -> Server {
    let server = Server::start_in(tests::data_dir(), |config| config.script = None).await;
    turn(&server, policy, &second.address).await;
    let key = server.request(Method::PUT, "/api/v1/remote/key").json(&json!({"key": second.key}));
    assert_eq!(key.send().await.unwrap().status(), 200);
    server
}

#[tokio::test]
async fn a_second_hapa_answers_everything_and_every_answer_names_it() {
    let second = second().await;
    for policy in ["remote", "local_then_remote"] {
        let server = first(policy, &second).await;
        let named = |body: &Value| (body["model_used"].clone(), body["backend"].clone());
        let voice = (json!("second"), json!("remote"));
        let body = ask(&server, "질문").await;
        assert_eq!((&body["generated_code"], &body["explanation"]), (&json!("x = 2"), &json!("둘째가 답합니다.")));
        assert_eq!((named(&body), &body["finish_reason"]), (voice.clone(), &json!("stop")), "{policy}");
        assert_eq!(body["token_usage"]["completion_tokens"], 5);
        assert!(body["token_usage"]["prompt_tokens"].as_u64().unwrap() > 5, "{body}");
        assert_eq!(body["context"]["limit"], Value::Null);
        let events = Frames::new(server.open_stream(&json!({"user_question": "다른 질문"})).await).rest().await;
        assert_eq!(joined(&events, "code"), "x = 2");
        let (start, done) = (&events[0]["metadata"], &events.last().unwrap()["metadata"]);
        assert_eq!((named(start), named(done)), (voice.clone(), voice.clone()));
        let (_, body) = server.post("/api/v1/complete-code", &json!({"prefix": "x = "})).await;
        assert_eq!((named(&body), &body["context_analysis"]["method"]), (voice.clone(), &json!("chat")), "{body}");
        assert_eq!(
            (&body["completions"][0]["code"], &body["completions"][0]["confidence"]),
            (&json!("2"), &json!(0.5))
        );
        let chat = json!({"messages": [{"role": "user", "content": "질문"}]});
        for (path, body) in [(CHAT, chat), ("/v1/completions", json!({"prompt": "def add(a, b):\n"}))] {
            let (status, body) = server.post(path, &body).await;
            assert_eq!((status, &body["model"], &body["backend"]), (200, &voice.0, &voice.1), "{path}: {body}");
        }
        for item in server.get("/api/v1/user/history").await["items"].as_array().unwrap() {
            assert_eq!(named(item), voice, "{item}");
        }
        assert_eq!(server.get("/v1/models").await["data"][0]["id"], "second");
        eventually("it is seen to be well", async || {
            let detailed = server.get("/health/detailed").await;
            (detailed["remote"]["state"] == "up").then_some(())?;
            assert_eq!((&detailed["status"], &detailed["remote"]["model"]), (&json!("healthy"), &voice.0));
            Some(())
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_is_sent_until_the_user_turns_it_on_whatever_the_environment_names() {
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
    let remote = server.get("/api/v1/remote").await;
    assert_eq!((&remote["policy"], &remote["state"]), (&json!("local_only"), &json!("off")));
    assert_eq!(remote.requests().len(), 0, "{:?}", remote.requests());
    let settings = change(&server, json!({"remote_policy": "remote"})).await;
    assert_eq!(settings["from_environment"]["remote_endpoint"], "AI_MODEL_ENDPOINT");
    assert_eq!(ask(&server, "words").await["backend"], "remote");
    change(&server, json!({"remote_policy": null})).await;
    assert_eq!(ask(&server, "words").await["backend"], "local");
    assert_eq!(remote.posts().len(), 1);
}

#[tokio::test]
async fn local_then_remote_asks_elsewhere_only_where_the_model_here_cannot() {
    let remote = FakeRemote::replying(&["원격"]).await;
    let said = |pieces: Value, end: &str| json!({"fills": true, "answers": [{"pieces": pieces, "end": end}]});
    for (name, script, asked) in [
        ("well", said(json!(["여기"]), "stop"), false),
        ("cannot be loaded", json!({"load": "fails"}), true),
        ("breaks before its first word", said(json!([]), "fail"), true),
        ("says nothing", said(json!([]), "stop"), false),
    ] {
        let server = hapa(&script, "local_then_remote", &remote.address).await;
        let before = remote.posts().len();
        let body = ask(&server, "질문").await;
        let backend = if asked { "remote" } else { "local" };
        assert_eq!(body["backend"], backend, "{name}: {body}");
        let events = Frames::new(server.open_stream(&json!({"user_question": "다른 질문"})).await).rest().await;
        assert_eq!(events[0]["metadata"]["backend"], backend, "{name}");
        assert_eq!(events.last().unwrap()["metadata"]["backend"], backend, "{name}");
        let (_, body) = server.post("/api/v1/complete-code", &json!({"prefix": "x = "})).await;
        assert_eq!(body["backend"], backend, "{name}: {body}");
        let (_, body) = server.post(CHAT, &json!({"messages": [{"role": "user", "content": "질문"}]})).await;
        assert_eq!(body["backend"], backend, "{name}: {body}");
        assert_eq!(remote.posts().len() - before, if asked { 4 } else { 0 }, "{name}");
    }
}

#[tokio::test]
async fn a_full_queue_here_is_a_reason_to_ask_elsewhere() {
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
async fn a_model_on_its_way_is_waited_for_and_one_that_has_spoken_is_not_replaced() {
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
        "the question is at fault"
    );
    assert_eq!(remote.posts().len(), 0);
}

#[tokio::test]
async fn under_remote_the_model_here_is_never_asked() {
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
async fn answers_of_one_are_not_given_for_those_of_the_other() {
    // The same name, so that nothing but the place tells them apart.
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
    // Who stood in for the model here is not taken for it later.
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
    turn(&server, "local_only", &format!("http://127.0.0.1:{port}")).await;
    assert_eq!(health().await["status"], "healthy");
    for policy in ["local_then_remote", "remote"] {
        change(&server, json!({"remote_policy": policy})).await;
        eventually("it is noticed", async || {
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
    eventually("it is well again", async || (health().await["status"] == "healthy").then_some(())).await;
    change(&server, json!({"remote_policy": "local_only"})).await;
    eventually("nobody looks any more", async || (server.get("/api/v1/remote").await["state"] == "off").then_some(()))
        .await;
}

#[tokio::test]
async fn a_connection_is_tried_by_hand_before_it_is_turned_on() {
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
async fn an_address_that_is_no_server_is_named() {
    let server = Server::start().await;
    for address in ["http://models.example/v1", "models.example", "https://a.example?key=1", ""] {
        let request = server.request(Method::PATCH, "/api/v1/settings").json(&json!({"remote_endpoint": address}));
        let (status, body) = tests::server::json_of(request.send().await.unwrap()).await;
        assert_eq!(status, 422, "{address}");
        assert!(body["error_details"]["remote_endpoint"][0].is_string(), "{body}");
    }
}
