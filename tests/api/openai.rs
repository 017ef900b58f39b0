//! `/v1`, OpenAI's API: responses, streams, stop sequences, and errors in OpenAI's shape.

use reqwest::Method;
use serde_json::{Value, json};
use tests::eventually;
use tests::server::{Server, json_of};

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";

fn script() -> Value {
    json!({
        "model": "scripted",
        "fills": true,
        "answers": [
            {"when": "forever", "pieces": ["생각 ", "중"], "end": "hang"},
            {"when": "break", "pieces": ["시작 "], "end": "fail"},
            {"when": "stop here", "pieces": ["one tw", "o\n\nUs", "er: three", " four"], "end": "hang"},
            {"when": "def add(a, b):", "pieces": ["return ", "a + b"]},
            {"pieces": ["안녕", "하세", "요 \"세계\"\n"]},
        ]
    })
}

fn chat(question: &str) -> Value {
    json!({"model": "gpt-x", "messages": [{"role": "user", "content": question}]})
}

fn with(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The chunks of a stream, and whether it ended with `[DONE]`.
async fn streamed(server: &Server, path: &str, body: &Value) -> (Vec<Value>, bool) {
    let response = server.request(Method::POST, path).json(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let mut frames: Vec<&str> = text.strip_suffix("\n\n").unwrap().split("\n\n").collect();
    let done = frames.last() == Some(&"data: [DONE]");
    if done {
        frames.pop();
    }
    let json = |frame: &&str| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap();
    (frames.iter().map(json).collect(), done)
}

#[tokio::test]
async fn a_chat_completion_uses_the_loaded_model_whatever_model_is_requested() {
    let server = Server::with_script(&script()).await;
    let parts = json!([{"type": "text", "text": "안"}, {"type": "text", "text": "녕"}]);
    let messages = json!([{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]);
    let (status, body) = server.post(CHAT, &with(chat(""), &json!({"messages": messages}))).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("scripted")));
    assert_eq!(body["backend"], "local");
    let choice = &body["choices"][0];
    assert_eq!(choice["message"], json!({"role": "assistant", "content": "안녕하세요 \"세계\"\n"}));
    assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("stop")));
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 0}});
    assert_eq!(body["usage"], usage);
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 0, "nothing is stored");
    let models = server.get("/v1/models").await;
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("scripted")));
    assert_eq!(server.get("/v1/models/scripted").await["object"], "model");
}

#[tokio::test]
async fn a_text_is_completed_and_a_suffix_makes_it_fim() {
    let server = Server::with_script(&script()).await;
    for prompt in [json!("안녕"), json!(["안녕"])] {
        let (status, body) = server.post(TEXT, &json!({"prompt": prompt, "max_tokens": 2})).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!((&body["object"], &body["choices"][0]["text"]), (&json!("text_completion"), &json!("안녕하세")));
        assert_eq!(body["choices"][0]["finish_reason"], "length");
    }
    let gap = json!({"prompt": "def add(a, b):\n    ", "suffix": "\n\nprint(add(1, 2))"});
    let (_, body) = server.post(TEXT, &gap).await;
    assert_eq!(body["choices"][0]["text"], "return a + b");
    assert_eq!(body["dropped"], json!([]));
    let (status, body) = Server::start().await.post(TEXT, &gap).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("suffix")), "this model does not support FIM: {body}");
}

#[tokio::test]
async fn a_stream_has_a_chunk_for_each_piece_and_ends_with_done() {
    let server = Server::with_script(&script()).await;
    let (chunks, done) = streamed(&server, CHAT, &with(chat("안녕"), &json!({"stream": true}))).await;
    assert!(done);
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(deltas[0], &json!({"role": "assistant", "content": ""}));
    let texts: Vec<&str> = deltas[1..4].iter().map(|delta| delta["content"].as_str().unwrap()).collect();
    assert_eq!((texts, deltas[4]), (vec!["안녕", "하세", "요 \"세계\"\n"], &json!({})));
    assert_eq!(chunks[4]["choices"][0]["finish_reason"], "stop");
    for chunk in &chunks {
        assert_eq!(chunk["id"], chunks[0]["id"]);
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(chunk.get("usage").is_none(), "{chunk}");
    }
    let usage = json!({"stream": true, "stream_options": {"include_usage": true}});
    let (chunks, done) = streamed(&server, TEXT, &with(json!({"prompt": "안녕"}), &usage)).await;
    let texts: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
    assert_eq!((texts.as_str(), done), ("안녕하세요 \"세계\"\n", true));
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &json!(4)));
    assert!(others.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
}

#[tokio::test]
async fn an_answer_and_its_generation_end_at_a_stop_sequence() {
    let server = Server::with_script(&script()).await;
    for stop in [json!("\n\nUser:"), json!(["never", "\n\nUser:"])] {
        let (_, body) = server.post(CHAT, &with(chat("stop here"), &json!({"stop": stop}))).await;
        assert_eq!(body["choices"][0]["message"]["content"], "one two", "{body}");
        assert_eq!(
            (&body["choices"][0]["finish_reason"], &body["usage"]["completion_tokens"]),
            (&json!("stop"), &json!(3))
        );
        server.wait_idle().await;
    }
    let body = with(json!({"prompt": "stop here"}), &json!({"stop": "\n\nUser:", "stream": true}));
    let (chunks, done) = streamed(&server, TEXT, &body).await;
    let texts: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
    assert_eq!((texts.as_str(), done), ("one two", true));
}

#[tokio::test]
async fn unsupported_parameters_are_reported_by_field() {
    let server = Server::with_script(&script()).await;
    for (more, param) in [
        (json!({"n": 2}), "n"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"temperature": 2.5}), "temperature"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_completion_tokens": 0}), "max_completion_tokens"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
        (json!({"tools": [{"type": "function"}]}), "tools"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "text": ""}]}]}),
            "messages[0].content[0]",
        ),
        (json!({"messages": [{"role": "user", "content": ["text"]}]}), "messages[0].content[0]"),
        (json!({"response_format": {"type": "json_object"}}), "response_format.type"),
    ] {
        let (status, body) = server.post(CHAT, &with(chat("x"), &more)).await;
        assert_eq!((status, &body["error"]["param"]), (400, &json!(param)), "{more}: {body}");
        assert_eq!((&body["error"]["type"], body.as_object().unwrap().len()), (&json!("invalid_request_error"), 1));
    }
    for (more, param) in [
        (json!({"prompt": ["a", "b"]}), "prompt"),
        (json!({"prompt": [1, 2]}), "prompt[0]"),
        (json!({"logprobs": 1}), "logprobs"),
        (json!({"echo": true}), "echo"),
    ] {
        let (status, body) = server.post(TEXT, &with(json!({"prompt": "a"}), &more)).await;
        assert_eq!((status, &body["error"]["param"]), (400, &json!(param)), "{more}: {body}");
    }
    let (status, body) = server.post(CHAT, &chat(&"x ".repeat(5000))).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("context_length_exceeded")), "{body}");
    assert_eq!((&body["error"]["n_prompt_tokens"], &body["error"]["n_ctx"]), (&json!(5000), &json!(4096)));
}

#[tokio::test]
async fn errors_of_every_layer_have_openais_shape() {
    let server = Server::with_script(&script()).await;
    let (key, _) = server.create_key(json!({"name": "x", "permissions": ["history"]})).await;
    let limited = server.create_key(json!({"name": "y"})).await.0;
    let post = |key: &str| server.unauthenticated(Method::POST, CHAT).bearer_auth(key).json(&chat("x"));
    let change = server.request(Method::PATCH, "/api/v1/settings").json(&json!({"rate_limit_generation": 1}));
    assert_eq!(change.send().await.unwrap().status(), 200);
    assert_eq!(post(&limited).send().await.unwrap().status(), 200);
    for (request, status, kind, code) in [
        (post("hapa_0"), 401, "authentication_error", "invalid_api_key"),
        (post(&key), 403, "permission_error", "forbidden"),
        (post(&server.key).header("Origin", "http://evil.example"), 403, "permission_error", "forbidden"),
        (post(&limited), 429, "rate_limit_error", "rate_limit_exceeded"),
        (server.request(Method::GET, "/v1/embeddings"), 404, "invalid_request_error", "not_found"),
        (server.request(Method::GET, "/v1/models/gpt-x"), 404, "invalid_request_error", "not_found"),
        (server.request(Method::DELETE, CHAT), 405, "invalid_request_error", "method_not_allowed"),
        (
            server.request(Method::POST, CHAT).body(vec![b' '; 2 << 20]).header("Content-Type", "application/json"),
            413,
            "invalid_request_error",
            "payload_too_large",
        ),
        (server.request(Method::POST, CHAT).body("{}"), 415, "invalid_request_error", "unsupported_media_type"),
        (server.request(Method::POST, CHAT).json(&json!({})), 400, "invalid_request_error", "validation_error"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers().contains_key("retry-after"), status == 429);
        let (found, body) = json_of(response).await;
        assert_eq!(found, status, "{body}");
        assert_eq!((&body["error"]["type"], &body["error"]["code"]), (&json!(kind), &json!(code)), "{body}");
    }
    let loading = Server::with_script(&json!({"load": "never"})).await;
    let response = loading.request(Method::POST, CHAT).json(&chat("x")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"2".parse().unwrap()));
    assert_eq!(json_of(response).await.1["error"]["code"], "model_loading");
    assert_eq!(loading.get("/v1/models").await["data"], json!([]));
}

#[tokio::test]
async fn a_failed_generation_ends_the_stream_with_an_error() {
    let server = Server::with_script(&script()).await;
    let (chunks, done) = streamed(&server, CHAT, &with(chat("break"), &json!({"stream": true}))).await;
    assert!(!done);
    assert_eq!(chunks[1]["choices"][0]["delta"]["content"], "시작 ");
    assert_eq!(chunks[2]["error"]["type"], "server_error");
    let (status, body) = server.post(CHAT, &chat("break")).await;
    assert_eq!((status, &body["error"]["type"]), (500, &json!("server_error")));
}

#[tokio::test]
async fn generation_stops_when_the_client_disconnects_and_is_counted() {
    let server = Server::with_script(&script()).await;
    let mut response =
        server.request(Method::POST, CHAT).json(&with(chat("forever"), &json!({"stream": true}))).send().await.unwrap();
    let mut seen = String::new();
    while !seen.contains("중") {
        seen += std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(server.get("/health/detailed").await["queue"]["active"], 1);
    drop(response);
    server.wait_idle().await;
    server.post(CHAT, &chat("안녕")).await;
    eventually("the request is counted", async || {
        let text = server.unauthenticated(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        text.contains(r#"hapa_ai_model_requests_total{model_type="code_generation",status="success"} 1"#).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stalled_model_times_out() {
    let server = Server::with_script(&script()).await;
    let change = server.request(Method::PATCH, "/api/v1/settings").json(&json!({"request_timeout": 1}));
    assert_eq!(change.send().await.unwrap().status(), 200);
    let (status, body) = server.post(CHAT, &chat("forever")).await;
    assert_eq!((status, &body["error"]["type"]), (503, &json!("server_error")), "{body}");
}
