//! Code generation: plain and streamed responses.

use serde_json::{Value, json};
use tests::server::Server;
use tests::stream::{Frames, joined};

const CODE: &str = "def remove_duplicates(lst):\n    return list(dict.fromkeys(lst))";
const EXPLANATION: &str = "리스트에서 중복을 제거합니다.\n\n순서가 유지됩니다.";

#[tokio::test]
async fn the_documented_question_gets_code_and_explanation_separately() {
    let server = Server::start().await;
    let (status, body) =
        server.post("/api/v1/generate-code", &json!({"user_question": "리스트에서 중복 제거하는 함수 만들어줘"})).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["generated_code"], &body["explanation"], &body["status"]),
        (&json!(CODE), &json!(EXPLANATION), &json!("success"))
    );
    assert_eq!(
        (&body["model_used"], &body["backend"], &body["cached"]),
        (&json!("scripted"), &json!("local"), &json!(false))
    );
    assert_eq!(body["finish_reason"], "stop");
    let usage = &body["token_usage"];
    assert_eq!(usage["completion_tokens"], 10);
    assert_eq!(usage["total_tokens"], usage["prompt_tokens"].as_u64().unwrap() + 10);
    assert_eq!((&body["context"]["limit"], &body["context"]["dropped"]), (&json!(4096), &json!([])));
    assert!(body["processing_time"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn truncated_history_is_reported_in_the_answer() {
    let left_out = |when: &str, dropped: u32| json!({"when": when, "pieces": ["ok"], "dropped": dropped});
    let server = Server::with_script(&json!({"answers": [left_out("short", 1), left_out("long", 3)]})).await;
    for (question, messages, description) in [("short", 1, "1 earlier message"), ("long", 3, "3 earlier messages")] {
        let body = server.post("/api/v1/generate-code", &json!({"user_question": question})).await.1;
        let context = body["context"].clone();
        assert_eq!((&context["dropped_messages"], &context["dropped"]), (&json!(messages), &json!([description])));
        let events =
            Frames::new(server.open_stream(&json!({"user_question": question, "use_cache": false})).await).rest().await;
        assert_eq!(events.last().unwrap()["metadata"]["context"]["dropped_messages"], messages);
        let history = server.get("/api/v1/user/history?limit=2").await;
        for item in history["items"].as_array().unwrap() {
            assert_eq!((&item["question"], &item["dropped_messages"]), (&json!(question), &json!(messages)));
        }
    }
}

#[tokio::test]
async fn a_stream_has_the_same_content_as_the_plain_endpoint() {
    let server = Server::start().await;
    let events = Frames::new(server.open_stream(&json!({"user_question": "중복 제거"})).await).rest().await;
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"start"), Some(&"done")));
    assert_eq!(kinds.iter().filter(|kind| ["done", "error"].contains(kind)).count(), 1);
    assert_eq!((joined(&events, "code"), joined(&events, "explanation")), (CODE.to_owned(), EXPLANATION.to_owned()));
    assert!(events.iter().all(|event| event["timestamp"].is_string()));
    let opening: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "code" && !event["metadata"].is_null()).collect();
    assert_eq!(opening.len(), 1);
    assert_eq!(opening[0]["metadata"], json!({"block": 0, "language": "python"}));
    let done = &events.last().unwrap()["metadata"];
    assert_eq!((&done["finish_reason"], &done["model_used"]), (&json!("stop"), &json!("scripted")));
    assert!(done["answer"].as_str().unwrap().contains("```python"));
}

#[tokio::test]
async fn deltas_are_sent_as_they_are_generated() {
    let server = Server::start().await;
    let mut frames = Frames::new(server.open_stream(&json!({"user_question": "forever"})).await);
    assert_eq!(frames.next().await.unwrap()["type"], "start");
    // The answer never ends, and its first lines have arrived.
    assert_eq!(frames.next_of("code").await["content"], "while True:");
    assert_eq!(frames.next_of("code").await["content"], "\n    pass");
}

#[tokio::test]
async fn an_answer_without_code_is_all_explanation() {
    let server = Server::start().await;
    let (status, body) = server.post("/api/v1/generate-code", &json!({"user_question": "words"})).await;
    assert_eq!((status, &body["generated_code"], &body["explanation"]), (200, &json!(""), &json!("말로만 답합니다.")));
}

#[tokio::test]
async fn a_truncated_answer_has_finish_reason_length() {
    let server = Server::start().await;
    let (_, body) = server.post("/api/v1/generate-code", &json!({"user_question": "cut"})).await;
    assert_eq!((&body["generated_code"], &body["finish_reason"]), (&json!("x = 1"), &json!("length")));
    let (_, body) = server.post("/api/v1/generate-code", &json!({"user_question": "중복", "max_tokens": 1})).await;
    assert_eq!((&body["explanation"], &body["finish_reason"]), (&json!("리스트에서"), &json!("length")));
}

#[tokio::test]
async fn a_failure_during_generation_ends_the_stream_with_one_error() {
    let server = Server::start().await;
    let events = Frames::new(server.open_stream(&json!({"user_question": "break"})).await).rest().await;
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["metadata"]["error_code"]), (&json!("error"), &json!("INTERNAL_SERVER_ERROR")));
    assert!(last["metadata"]["error_details"]["incident_id"].as_str().unwrap().starts_with("INC-"));
    assert!(!last.to_string().contains("script"), "internal causes are only logged");
    let (status, body) = server.post("/api/v1/generate-code", &json!({"user_question": "break"})).await;
    assert_eq!((status, &body["error_code"]), (500, &json!("INTERNAL_SERVER_ERROR")));
}

#[tokio::test]
async fn a_disconnecting_client_frees_its_slot() {
    let server = Server::start().await;
    let mut frames = Frames::new(server.open_stream(&json!({"user_question": "forever"})).await);
    frames.next_of("code").await;
    assert_eq!(server.get("/health/detailed").await["queue"]["active"], 1);
    drop(frames);
    server.wait_idle().await;
}

#[tokio::test]
async fn a_full_queue_is_an_error_before_the_stream_starts() {
    let server = Server::with_script(&json!({"capacity": 2, "answers": [{"pieces": ["x"], "end": "hang"}]})).await;
    let question = json!({"user_question": "forever"});
    let (first, second) = (
        server.open_stream(&json!({"user_question": "one"})).await,
        server.open_stream(&json!({"user_question": "two"})).await,
    );
    for path in ["/api/v1/generate-code", "/api/v1/generate-code-streaming"] {
        let (status, body) = server.post(path, &question).await;
        assert_eq!((status, &body["error_details"]["reason"]), (503, &json!("overloaded")), "{path}");
    }
    drop((first, second));
    server.wait_idle().await;
    Frames::new(server.open_stream(&question).await).next_of("explanation").await;
}

#[tokio::test]
async fn a_prompt_that_exceeds_the_context_is_an_error_not_a_stream() {
    let server = Server::start().await;
    let question = json!({"user_question": "x", "code_context": "a ".repeat(5000)});
    let (status, body) = server.post("/api/v1/generate-code-streaming", &question).await;
    assert_eq!(
        (status, &body["error_details"]["reason"], &body["error_details"]["limit"]),
        (422, &json!("context_too_long"), &json!(4096))
    );
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 0);
}

#[tokio::test]
async fn a_stalled_model_times_out() {
    let data = tests::process::data_dir_with(&tests::script());
    // Longer than the interval in which the partial answer is stored, which must not extend the timeout.
    let server = Server::start_in(data, |config| config.settings.request_timeout = Some(2)).await;
    let events = Frames::new(server.open_stream(&json!({"user_question": "forever"})).await).rest().await;
    assert_eq!(events.last().unwrap()["metadata"]["error_code"], "SERVICE_UNAVAILABLE");
    server.wait_idle().await;
}

#[tokio::test]
async fn shutdown_ends_open_streams_with_an_error_and_stores_the_partial_answer() {
    let server = Server::start().await;
    let mut frames = Frames::new(server.open_stream(&json!({"user_question": "forever"})).await);
    frames.next_of("code").await;
    let address = server.address.clone();
    let (data, events) = tokio::join!(server.stop(), frames.rest());
    assert_eq!(events.last().unwrap()["metadata"]["error_code"], "SERVICE_UNAVAILABLE", "{address}");
    let server = Server::start_in(data, |_| {}).await;
    let item = &server.get("/api/v1/user/history").await["items"][0];
    assert_eq!(
        (&item["finish_reason"], &item["generated_code"]),
        (&json!("interrupted"), &json!("while True:\n    pass"))
    );
}
