//! Feedback: submitting, statistics, ratings in the history, and deletion.

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};

#[tokio::test]
async fn feedback_is_stored_counted_and_deleted() {
    let server = Server::start().await;
    for (body, rating) in [
        (
            json!({"type": "positive", "comment": "정확한 코드였습니다", "code_snippet": "x = 1", "user_question": "중복 제거"}),
            5.0,
        ),
        (json!({"type": "negative"}), 3.0),
        (json!({"type": "suggestion", "comment": "더 짧게", "rating": 3}), 3.0),
        (json!({"type": "bug"}), 3.0),
    ] {
        let (status, saved) = server.post("/api/v1/submit-feedback", &body).await;
        assert_eq!((status, &saved["success"], &saved["status"]), (200, &json!(true), &json!("success")), "{saved}");
        assert!(saved["feedback_id"].as_str().unwrap().starts_with("fb_"));
        assert_eq!(server.get("/api/v1/feedback/stats").await["average_rating"], rating);
    }
    let stats = server.get("/api/v1/feedback/stats").await;
    assert_eq!(stats["total_feedback"], 4);
    assert_eq!(stats["by_type"], json!({"positive": 1, "negative": 1, "suggestion": 1, "bug": 1}));
    assert_eq!((&stats["last_7_days"], &stats["last_days"][0]["count"]), (&json!(4), &json!(4)));
    let recent = server.get("/api/v1/feedback/recent?limit=2").await;
    let types: Vec<&Value> = recent["items"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(types, ["bug", "suggestion"]);
    let path = format!("/api/v1/feedback/{}", recent["items"][0]["id"].as_str().unwrap());
    for expected in [200, 404] {
        assert_eq!(server.request(Method::DELETE, &path).send().await.unwrap().status(), expected);
    }
    assert_eq!(server.get("/api/v1/feedback/stats").await["total_feedback"], 3);
}

#[tokio::test]
async fn the_latest_feedback_on_an_answer_is_its_rating_in_the_history() {
    let server = Server::start().await;
    let (_, answer) = server.post("/api/v1/generate-code", &json!({"user_question": "중복 제거"})).await;
    let id = &answer["message_id"];
    let rating = async || server.get("/api/v1/user/history").await["items"][0]["rating"].clone();
    assert_eq!(rating().await, Value::Null);
    for (feedback, expected) in [
        (json!({"type": "positive", "message_id": id}), 5),
        (json!({"type": "negative", "message_id": id}), 1),
        (json!({"type": "positive", "message_id": id, "rating": 4}), 4),
    ] {
        assert_eq!(server.post("/api/v1/submit-feedback", &feedback).await.0, 200);
        assert_eq!(rating().await, expected);
    }
    assert_eq!(server.get("/api/v1/feedback/stats").await["total_feedback"], 1);
    let path = format!("/api/v1/user/history/{}", id.as_str().unwrap());
    assert_eq!(server.request(Method::DELETE, &path).send().await.unwrap().status(), 200);
    assert_eq!(server.get("/api/v1/feedback/stats").await["total_feedback"], 0, "it is deleted with the answer");
}

#[tokio::test]
async fn feedback_is_private_to_its_user_and_its_limits_are_checked() {
    let server = Server::start().await;
    let (mina, _) = server.create_key(json!({"name": "mina", "user": "mina"})).await;
    let (_, saved) = server.post("/api/v1/submit-feedback", &json!({"type": "positive"})).await;
    let path = format!("/api/v1/feedback/{}", saved["feedback_id"].as_str().unwrap());
    assert_eq!(server.request_with(&mina, Method::DELETE, &path).send().await.unwrap().status(), 404);
    let stats = server.request_with(&mina, Method::GET, "/api/v1/feedback/stats").send().await.unwrap();
    assert_eq!(json_of(stats).await.1["total_feedback"], 0);
    for (body, field) in [
        (json!({}), "type"),
        (json!({"type": "great"}), "type"),
        (json!({"type": "bug", "comment": "가".repeat(2001)}), "comment"),
        (json!({"type": "bug", "code_snippet": "x".repeat(50_001)}), "code_snippet"),
        (json!({"type": "bug", "user_question": "x".repeat(10_001)}), "user_question"),
        (json!({"type": "bug", "rating": 6}), "rating"),
        (json!({"type": "bug", "rating": 0}), "rating"),
    ] {
        let (status, answer) = server.post("/api/v1/submit-feedback", &body).await;
        assert_eq!(status, 422, "{answer}");
        assert!(answer["error_details"].get(field).is_some(), "{answer}");
    }
    let (status, _) = server.post("/api/v1/submit-feedback", &json!({"type": "bug", "message_id": "none"})).await;
    assert_eq!(status, 404);
}
