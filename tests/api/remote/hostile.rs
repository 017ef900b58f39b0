//! Broken, slow and malicious remote servers: each response is one clear error, and none of its content is forwarded.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::fake_remote::{FakeRemote, Reply, delta_event};
use tests::server::Server;
use tests::stream::{Frames, joined};
use tokio::task::JoinSet;

use super::{CHAT, QUESTION, ask, change, failure, hapa};

fn endless(first: &str, repeated: &str, pause: u64) -> Reply {
    Reply::Repeat(Reply::sse(first), repeated.as_bytes().to_vec(), Duration::from_millis(pause))
}

async fn with_short_timeout(policy: &str, address: &str) -> Server {
    let server = hapa(&tests::script(), policy, address).await;
    change(&server, json!({"request_timeout": 1})).await;
    server
}

#[tokio::test]
async fn each_bad_response_is_one_clear_error_before_anything_is_sent() {
    let mut cases = JoinSet::new();
    let page = "<html><script>alert('pwned')</script></html>";
    let json = "application/json";
    for (name, reply, expected) in [
        ("an HTML page", Reply::response(200, "text/html", page), "not_a_stream"),
        (
            "an answer that is not streamed",
            Reply::response(200, json, r#"{"choices":[{"message":{"content":"pwned"}}]}"#),
            "not_a_stream",
        ),
        ("no content", Reply::response(204, "text/event-stream", ""), "not_a_stream"),
        ("not found", Reply::response(404, "text/html", page), "not_found"),
        ("a rejected request", Reply::response(400, json, r#"{"error":{"message":"pwned"}}"#), "refused"),
        ("a wrong key", Reply::response(403, json, r#"{"error":{"message":"pwned"}}"#), "key_refused"),
        ("too busy", Reply::response(429, json, r#"{"error":"pwned"}"#), "busy"),
        ("an error", Reply::response(500, "text/plain", "pwned"), "broken"),
        ("an error as an event", Reply::Send(Reply::sse("data: {\"error\":{\"message\":\"pwned\"}}\n\n")), "broken"),
        ("not HTTP", Reply::Send(b"pwned\r\n\r\n".to_vec()), "cut_off"),
        ("an empty response", Reply::Send(Vec::new()), "cut_off"),
        ("a stream that ends", Reply::Send(Reply::sse("")), "cut_off"),
        ("broken JSON", Reply::Send(Reply::sse("data: {\"choices\": pwned\n\n")), "garbled"),
        ("unexpected JSON", Reply::Send(Reply::sse("data: [\"pwned\"]\n\n")), "garbled"),
        (
            "invalid UTF-8",
            Reply::Send([Reply::sse("data: {\"choices\":[{\"text\":\""), b"\xff\"}]}\n\n".to_vec()].concat()),
            "garbled",
        ),
        ("a line without end", endless("data: ", &"pwned".repeat(10_000), 0), "silent or too_much"),
        ("an event without end", endless("", &format!("data: {}\n", "pwned".repeat(1000)), 0), "silent or too_much"),
        ("comments without end", endless("", &": pwned\n\n".repeat(8192), 0), "silent or too_much"),
        (
            "a header without end",
            Reply::Repeat(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 65536], Duration::ZERO),
            "cut_off",
        ),
        ("silence", Reply::Hang(Vec::new()), "silent"),
        ("silence after the headers", Reply::Hang(Reply::sse("")), "silent"),
        ("a slow drip", endless("data: {\"choices\":[{\"delta\":{\"content\":\"", "x", 20), "silent"),
        ("keep-alive comments only", endless("", ": here\n\n", 20), "silent"),
    ] {
        cases.spawn(async move {
            let mut remote = FakeRemote::start(move |_, _| reply.clone()).await;
            let server = with_short_timeout("remote", &remote.address).await;
            let (status, body) = server.post(QUESTION, &json!({"user_question": "질문"})).await;
            assert_eq!(status, 502, "{name}");
            assert!(expected.split(" or ").any(|text| text == failure(&body)), "{name}: {body}");
            let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["error_code", "error_details", "error_message", "status"]);
            assert!(!body.to_string().contains("pwned"), "{name}: {body}");
            assert!(body["error_message"].as_str().unwrap().chars().count() < 100, "{name}: {body}");
            remote.wait_disconnected().await;
        });
    }
    assert_eq!(cases.join_all().await.len(), 23);
}

#[tokio::test]
async fn after_the_first_delta_a_failure_is_an_error_and_the_request_is_not_retried() {
    let first = delta_event("처음 ");
    for (name, reply, expected) in [
        ("the connection is cut", Reply::Send(Reply::sse(&first)), "cut_off"),
        ("silence", Reply::Hang(Reply::sse(&first)), "silent"),
        ("broken JSON", Reply::Send(Reply::sse(&format!("{first}data: pwned\n\n"))), "garbled"),
        ("an error", Reply::Send(Reply::sse(&format!("{first}data: {{\"error\": \"pwned\"}}\n\n"))), "broken"),
        ("text without end", endless(&first, &delta_event(&"x".repeat(60_000)), 0), "too_much"),
    ] {
        let mut remote = FakeRemote::start(move |_, _| reply.clone()).await;
        let server = with_short_timeout("remote", &remote.address).await;
        let events = Frames::new(server.open_stream(&json!({"user_question": "질문"})).await).rest().await;
        assert!(joined(&events, "explanation").starts_with("처음"), "{name}");
        let last = events.last().unwrap();
        assert_eq!((&last["type"], failure(&last["metadata"])), (&json!("error"), expected), "{name}");
        assert!(!last.to_string().contains("pwned"), "{name}: {last}");
        assert_eq!(remote.posts().len(), 1, "{name}");
        let item = &server.get("/api/v1/user/history").await["items"][0];
        assert_eq!((&item["backend"], &item["finish_reason"]), (&json!("remote"), &json!("failed")));
        remote.wait_disconnected().await;
    }
}

#[tokio::test]
async fn transient_failures_are_retried_and_nothing_is_sent_twice() {
    let role = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
    let started = Reply::Send(Reply::sse(&format!("{role}\n\n")));
    let busy = Reply::response(503, "text/plain", "later");
    for (name, tries) in
        [("busy, then cut", vec![busy, started.clone()]), ("cut twice", vec![started.clone(), started])]
    {
        let replies = tries.clone();
        let remote =
            FakeRemote::start(move |number, _| replies.get(number).cloned().unwrap_or(Reply::answer(&["한 ", "번"])))
                .await;
        let server = hapa(&tests::script(), "remote", &remote.address).await;
        let events = Frames::new(server.open_stream(&json!({"user_question": "질문"})).await).rest().await;
        assert_eq!(joined(&events, "explanation"), "한 번", "{name}");
        assert_eq!(events.last().unwrap()["type"], "done", "{name}");
        assert_eq!(remote.posts().len(), 3, "{name}");
    }
    let remote = FakeRemote::start(|_, _| Reply::response(503, "text/plain", "later")).await;
    let server = hapa(&tests::script(), "remote", &remote.address).await;
    let (status, body) = server.post(QUESTION, &json!({"user_question": "질문"})).await;
    assert_eq!((status, failure(&body), remote.posts().len()), (502, "busy", 3), "retries are limited");
}

#[tokio::test]
async fn a_short_retry_after_is_honoured_and_a_long_one_is_an_error() {
    let busy = |seconds: u32| {
        let head =
            format!("HTTP/1.1 429 X\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        Reply::Send(head.into_bytes())
    };
    let soon = FakeRemote::start(move |number, _| if number == 0 { busy(2) } else { Reply::answer(&["한 번"]) }).await;
    let server = hapa(&tests::script(), "remote", &soon.address).await;
    let sent = Instant::now();
    let body = ask(&server, "질문").await;
    assert_eq!((body["explanation"].as_str(), soon.posts().len()), (Some("한 번"), 2));
    assert!(sent.elapsed() >= Duration::from_secs(2), "retried after {:?} already", sent.elapsed());
    let late = FakeRemote::start(move |_, _| busy(3600)).await;
    let server = hapa(&tests::script(), "remote", &late.address).await;
    let (status, body) = server.post(QUESTION, &json!({"user_question": "질문"})).await;
    assert_eq!((status, failure(&body), late.posts().len()), (502, "busy", 1), "the client does not wait for an hour");
}

#[tokio::test]
async fn only_text_without_control_characters_is_taken_from_events() {
    let event = json!({
        "model": "another\u{1b}[2J", "id": "<img src=x>", "execute": "rm -rf /",
        "choices": [
            {"index": 1, "delta": {"content": "not requested"}},
            {"index": 0, "delta": {
                "content": "a\u{1b}[31mb\u{0}\u{7}\u{9b}\tc\r\nd", "role": "system",
                "tool_calls": [{"function": {"name": "shell", "arguments": "pwned"}}], "reasoning_content": "pwned",
            }},
        ],
    });
    let stream = format!("event: execute\nid: pwned\nretry: 1\ndata: {event}\n\ndata: [DONE]\n\n");
    let remote = FakeRemote::start(move |_, _| Reply::Send(Reply::sse(&stream))).await;
    let server = hapa(&tests::script(), "remote", &remote.address).await;
    let events = Frames::new(server.open_stream(&json!({"user_question": "질문"})).await).rest().await;
    assert_eq!(joined(&events, "explanation"), "a[31mb\tc\nd");
    let sent = Value::from(events).to_string();
    for text in ["pwned", "another", "not requested", "shell", "execute", "img"] {
        assert!(!sent.contains(text), "{text}: {sent}");
    }
    assert!(sent.contains(r#""model_used":"fake-model""#), "{sent}");
}

#[tokio::test]
async fn model_names_are_truncated_to_one_line() {
    let long = "x".repeat(100_000);
    for (listed, expected) in [
        (json!({"data": [{"id": "a\n\u{1b}[2Jb\u{0}"}]}), Some("a [2Jb".to_owned())),
        (json!({"data": [{"id": long}]}), Some("x".repeat(200))),
        (json!({"data": []}), None),
        (json!({"data": [{"id": "\n"}]}), None),
        (json!({"models": "pwned"}), None),
    ] {
        let list = listed.to_string();
        let server = hapa(&tests::script(), "local_only", &serve_list(list).await).await;
        let tried = server.request(reqwest::Method::POST, "/api/v1/remote/try").send().await.unwrap();
        let tried: Value = tried.json().await.unwrap();
        match expected {
            Some(name) => assert_eq!((&tried["state"], &tried["models"]), (&json!("up"), &json!([name]))),
            None => assert_eq!((&tried["state"], &tried["models"]), (&json!("down"), &json!([])), "{listed}"),
        }
        assert!(!tried.to_string().contains("pwned"), "{tried}");
    }
}

/// Starts a server that answers every request with this list, and returns its address.
async fn serve_list(list: String) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", list.len());
            let _ = stream.write_all(format!("{head}{list}").as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = FakeRemote::replying(&["pwned"]).await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} X\r\nLocation: {}/v1/chat/completions\r\n", other.address);
        let reply = Reply::Send(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes());
        let remote = FakeRemote::start(move |_, _| reply.clone()).await;
        let server = hapa(&tests::script(), "remote", &remote.address).await;
        let (_, body) = server.post(QUESTION, &json!({"user_question": "질문"})).await;
        assert_eq!(failure(&body), "moved", "{status}");
    }
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn a_disconnecting_client_closes_the_remote_connection_at_once() {
    for reply in [Reply::Hang(Reply::sse(&delta_event("끝없는 "))), endless("", &delta_event("말 "), 5)] {
        let mut remote = FakeRemote::start(move |_, _| reply.clone()).await;
        let server = hapa(&tests::script(), "remote", &remote.address).await;
        let mut frames = Frames::new(server.open_stream(&json!({"user_question": "질문"})).await);
        frames.next_of("explanation").await;
        let disconnected = Instant::now();
        drop(frames);
        remote.wait_disconnected().await;
        assert!(disconnected.elapsed() < Duration::from_secs(2), "{:?}", disconnected.elapsed());
    }
}

#[tokio::test]
async fn only_the_prompt_sampling_parameters_and_the_models_name_are_sent() {
    let remote = FakeRemote::replying(&["원격"]).await;
    let server = hapa(&tests::script(), "remote", &remote.address).await;
    change(&server, json!({"remote_model": "chosen/model:1"})).await;
    let question = json!({"user_question": "질문", "file_path": "/home/mina/secret.py", "seed": 7, "temperature": 0.5,
        "max_tokens": 33, "conversation_id": null});
    let request = server.request(reqwest::Method::POST, QUESTION).header("Accept-Language", "ko").json(&question);
    let request = request.header("Cookie", "a=b").header("X-Request-ID", "mine").header("User-Agent", "editor/1");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let request = remote.posts().remove(0);
    assert_eq!(request.request_line, "POST /v1/chat/completions");
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["accept", "content-length", "content-type", "host", "user-agent"], "{:?}", request.headers);
    assert_eq!(request.header("user-agent"), Some("HAPA"));
    let fields: Vec<&String> = request.body.as_object().unwrap().keys().collect();
    let expected = ["max_tokens", "messages", "model", "seed", "stream", "stream_options", "temperature", "top_p"];
    assert_eq!(fields, expected);
    assert_eq!(
        (&request.body["model"], &request.body["max_tokens"], &request.body["seed"]),
        (&json!("chosen/model:1"), &json!(33), &json!(7))
    );
    assert_eq!(request.body["messages"][1], json!({"role": "user", "content": "질문"}));
    assert!(!request.body.to_string().contains("secret.py"));
    server.post(CHAT, &json!({"messages": [{"role": "user", "content": "질문"}], "user": "mina"})).await;
    let fields: Vec<String> = remote.posts()[1].body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["messages", "model", "seed", "stream", "stream_options", "temperature", "top_p"]);
}

#[tokio::test]
async fn confidence_comes_from_the_servers_logprobs_and_unsupported_fields_are_dropped() {
    let logprob = |text: &str, logprob: f64| {
        let logprobs = json!({"content": [{"token": text, "logprob": logprob}]});
        json!({"choices": [{"index": 0, "delta": {"content": text}, "logprobs": logprobs}]})
    };
    let code = ["```python\n", "x", " = 1", "\n```"].map(|text| format!("data: {}\n\n", logprob(text, -0.25)));
    let stream = format!("{}data: [DONE]\n\n", code.concat());
    let remote = FakeRemote::start(move |_, _| Reply::Send(Reply::sse(&stream))).await;
    let server = hapa(&tests::script(), "remote", &remote.address).await;
    let (_, body) = server.post("/api/v1/complete-code", &json!({"prefix": "# one\n"})).await;
    let confidence = body["completions"][0]["confidence"].as_f64().unwrap();
    assert!((confidence - (-0.25_f64).exp()).abs() < 1e-6, "{body}");
    assert_eq!(remote.posts()[0].body["logprobs"], true);

    let strict = FakeRemote::start(|_, request| match request.body.get("logprobs").or(request.body.get("seed")) {
        Some(_) => Reply::response(422, "application/json", r#"{"detail": "unknown field"}"#),
        None => Reply::answer(&["```python\n", "x = 1", "\n```"]),
    })
    .await;
    let server = hapa(&tests::script(), "remote", &strict.address).await;
    for posts in [3, 4] {
        let body = json!({"prefix": "# one\n", "use_cache": false});
        let (_, body) = server.post("/api/v1/complete-code", &body).await;
        assert_eq!(
            (&body["completions"][0]["code"], &body["completions"][0]["confidence"]),
            (&json!("x = 1"), &json!(0.5))
        );
        assert_eq!(strict.posts().len(), posts, "the supported fields are remembered");
    }
}

#[tokio::test]
async fn a_context_overflow_of_the_remote_server_is_reported_like_a_local_one() {
    let second = Server::start().await;
    let server = hapa(&tests::script(), "remote", &second.address).await;
    let key = server.request(reqwest::Method::PUT, "/api/v1/remote/key").json(&json!({"key": second.key}));
    assert_eq!(key.send().await.unwrap().status(), 200);
    let (status, body) = server.post(QUESTION, &json!({"user_question": "x", "code_context": "a ".repeat(5000)})).await;
    assert_eq!(
        (status, &body["error_details"]["reason"], &body["error_details"]["limit"]),
        (422, &json!("context_too_long"), &json!(4096))
    );
    assert_eq!(ask(&server, "words").await["explanation"], "말로만 답합니다.");
}
