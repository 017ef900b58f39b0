//! The response cache: cache keys, coalescing of identical requests, and clearing.

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};
use tests::stream::{Frames, joined};

const PATH: &str = "/api/v1/generate-code";

async fn ask(server: &Server, body: Value) -> Value {
    let (status, body) = server.post(PATH, &body).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn stats(server: &Server) -> Value {
    server.get("/api/v1/cache/stats").await
}

#[tokio::test]
async fn a_repeated_question_is_served_from_the_cache_and_marked_as_cached() {
    let server = Server::start().await;
    let first = ask(&server, json!({"user_question": "중복 제거"})).await;
    let second = ask(&server, json!({"user_question": "중복 제거"})).await;
    assert_eq!((&first["cached"], &second["cached"]), (&json!(false), &json!(true)));
    for field in ["generated_code", "explanation", "answer", "token_usage", "finish_reason", "model_used"] {
        assert_eq!(first[field], second[field], "{field}");
    }
    assert_ne!(first["message_id"], second["message_id"], "each question is in the history");
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 2);
    let stats = stats(&server).await;
    assert_eq!((&stats["hits"], &stats["misses"], &stats["entries"]), (&json!(1), &json!(1), &json!(1)), "{stats}");
}

#[tokio::test]
async fn a_cached_stream_has_the_same_content() {
    let server = Server::start().await;
    let plain = ask(&server, json!({"user_question": "중복 제거"})).await;
    let events = Frames::new(server.open_stream(&json!({"user_question": "중복 제거"})).await).rest().await;
    assert_eq!(joined(&events, "code"), plain["generated_code"].as_str().unwrap());
    assert_eq!(joined(&events, "explanation"), plain["explanation"].as_str().unwrap());
    assert_eq!(events.last().unwrap()["metadata"]["cached"], true);
}

#[tokio::test]
async fn every_parameter_that_changes_the_answer_is_part_of_the_cache_key() {
    let server = Server::start().await;
    ask(&server, json!({"user_question": "중복 제거"})).await;
    for difference in [
        json!({"user_question": "중복  제거"}),
        json!({"code_context": "x = 1"}),
        json!({"language": "go"}),
        json!({"temperature": 0.5}),
        json!({"top_p": 0.5}),
        json!({"max_tokens": 5}),
        json!({"seed": 1}),
        json!({"model_type": "bug_fix"}),
        json!({"userProfile": {"pythonSkillLevel": "expert"}}),
        json!({"include_comments": true}),
        json!({"use_cache": false}),
    ] {
        let mut body = json!({"user_question": "중복 제거"});
        body.as_object_mut().unwrap().extend(difference.as_object().unwrap().clone());
        assert_eq!(ask(&server, body).await["cached"], false, "{difference}");
    }
    assert_eq!(ask(&server, json!({"user_question": "중복 제거"})).await["cached"], true);
}

#[tokio::test]
async fn the_saved_profile_is_part_of_the_cache_key() {
    let server = Server::start().await;
    ask(&server, json!({"user_question": "중복 제거"})).await;
    let saved = server.request(Method::PUT, "/api/v1/users/profile").json(&json!({"pythonSkillLevel": "expert"}));
    assert_eq!(saved.send().await.unwrap().status(), 200);
    assert_eq!(ask(&server, json!({"user_question": "중복 제거"})).await["cached"], false);
}

#[tokio::test]
async fn regenerating_an_answer_bypasses_the_cache() {
    let server = Server::start().await;
    let first = ask(&server, json!({"user_question": "중복 제거"})).await;
    let body = json!({"user_question": "중복 제거", "conversation_id": first["conversation_id"], "replaces": first["message_id"]});
    assert_eq!(ask(&server, body).await["cached"], false);
}

#[tokio::test]
async fn identical_requests_in_flight_share_one_generation_until_the_last_client_disconnects() {
    let server = Server::start().await;
    let question = json!({"user_question": "forever"});
    let mut first = Frames::new(server.open_stream(&question).await);
    first.next_of("code").await;
    let mut second = Frames::new(server.open_stream(&question).await);
    assert_eq!(
        second.next_of("code").await["content"],
        "while True:",
        "the second client receives the stream from its start"
    );
    let queue = server.get("/health/detailed").await["queue"].clone();
    assert_eq!(queue["active"], 1, "one generation serves both");
    drop(first);
    assert_eq!(second.next_of("code").await["content"], "\n    pass");
    assert_eq!(server.get("/health/detailed").await["queue"]["active"], 1, "one client is still connected");
    assert_eq!(stats(&server).await["shared"], 1);
    drop(second);
    server.wait_idle().await;
    // No client is connected any more, so the same question starts a new generation.
    let mut third = Frames::new(server.open_stream(&question).await);
    third.next_of("code").await;
    assert_eq!(stats(&server).await["misses"], 2);
}

#[tokio::test]
async fn failed_answers_are_not_cached() {
    let server = Server::start().await;
    for _ in 0..2 {
        assert_eq!(server.post(PATH, &json!({"user_question": "break"})).await.0, 500);
    }
    let stats = stats(&server).await;
    assert_eq!((&stats["hits"], &stats["entries"]), (&json!(0), &json!(0)), "{stats}");
}

#[tokio::test]
async fn the_cache_is_cleared_by_type_from_query_or_body() {
    let server = Server::start().await;
    let clear = async |query: &str, body: Option<Value>| {
        let mut request = server.request(Method::DELETE, &format!("/api/v1/cache/clear{query}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        json_of(request.send().await.unwrap()).await
    };
    ask(&server, json!({"user_question": "중복 제거"})).await;
    let (_, unchanged) = clear("?cache_type=completion", None).await;
    assert_eq!((&unchanged["ai_cache_cleared"], &unchanged["entries_cleared"]), (&json!(true), &json!(0)));
    let (_, unconfirmed) = clear("", Some(json!({"confirm": false}))).await;
    assert_eq!(unconfirmed["ai_cache_cleared"], false);
    assert_eq!(ask(&server, json!({"user_question": "중복 제거"})).await["cached"], true);
    let (status, cleared) = clear("", Some(json!({"cache_type": "all", "confirm": true}))).await;
    assert_eq!(
        (status, &cleared["status"], &cleared["system_cache_cleared"], &cleared["entries_cleared"]),
        (200, &json!("success"), &json!(true), &json!(1))
    );
    assert_eq!(ask(&server, json!({"user_question": "중복 제거"})).await["cached"], false);
    assert_eq!(clear("?cache_type=nothing", None).await.0, 422);
}

#[tokio::test]
async fn cache_size_and_lifetime_are_settings_that_apply_at_once() {
    let server = Server::start().await;
    let change =
        async |patch: Value| server.request(Method::PATCH, "/api/v1/settings").json(&patch).send().await.unwrap();
    ask(&server, json!({"user_question": "중복 제거"})).await;
    change(json!({"cache_size": 0})).await;
    for _ in 0..2 {
        assert_eq!(ask(&server, json!({"user_question": "중복 제거"})).await["cached"], false);
    }
    change(json!({"cache_size": null})).await;
    assert_eq!(stats(&server).await["max_entries"], 1000);
}
