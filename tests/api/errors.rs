//! Error responses: all have the same JSON shape.

use reqwest::Method;
use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use serde_json::{Value, json};
use tests::server::{Server, json_of};

/// Asserts that a body is an error with all four keys, and returns it.
fn problem(body: Value, code: &str) -> Value {
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error_code", "error_details", "error_message", "status"], "{body}");
    assert_eq!((&body["status"], &body["error_code"]), (&json!("error"), &json!(code)), "{body}");
    assert!(!body["error_message"].as_str().unwrap().is_empty());
    body
}

#[tokio::test]
async fn each_field_out_of_bounds_is_named_with_its_problem() {
    let server = Server::start().await;
    let long = |length: usize| "가".repeat(length);
    for (body, field) in [
        (json!({"user_question": ""}), "user_question"),
        (json!({"user_question": " \n\t"}), "user_question"),
        (json!({"user_question": long(10_001)}), "user_question"),
        (json!({"user_question": null}), "user_question"),
        (json!({"user_question": 5}), "user_question"),
        (json!({}), "user_question"),
        (json!({"user_question": "x", "code_context": long(50_001)}), "code_context"),
        (json!({"user_question": "x", "file_path": long(1001)}), "file_path"),
        (json!({"user_question": "x", "temperature": 2.1}), "temperature"),
        (json!({"user_question": "x", "temperature": -0.1}), "temperature"),
        (json!({"user_question": "x", "top_p": 1.5}), "top_p"),
        (json!({"user_question": "x", "max_tokens": 0}), "max_tokens"),
        (json!({"user_question": "x", "max_tokens": 4097}), "max_tokens"),
        (json!({"user_question": "x", "max_tokens": -1}), "max_tokens"),
        (json!({"user_question": "x", "seed": 1e10}), "seed"),
        (json!({"user_question": "x", "userProfile": {"pythonSkillLevel": "wizard"}}), "userProfile.pythonSkillLevel"),
        (
            json!({"user_question": "x", "user_profile": {"preferredLanguageFeatures": ["goto"]}}),
            "user_profile.preferredLanguageFeatures[0]",
        ),
    ] {
        for path in ["/api/v1/generate-code", "/api/v1/generate-code-streaming"] {
            let (status, answer) = server.post(path, &body).await;
            let answer = problem(answer, "VALIDATION_ERROR");
            assert_eq!(status, 422);
            assert!(answer["error_details"][field][0].is_string(), "{field}: {answer}");
        }
    }
    let (_, answer) = server.post("/api/v1/generate-code", &json!({"user_question": "", "top_p": 3})).await;
    assert_eq!(answer["error_details"].as_object().unwrap().len(), 2, "all problems at once: {answer}");
}

#[tokio::test]
async fn the_largest_allowed_question_is_accepted_and_unknown_fields_are_ignored() {
    let server = Server::start().await;
    let body = json!({"user_question": "가".repeat(10_000), "code_context": "나".repeat(50_000), "max_tokens": 4096,
                      "temperature": 2, "top_p": 0, "future_field": {"a": 1}});
    assert_eq!(server.post("/api/v1/generate-code", &body).await.0, 200);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_rejected_by_cause() {
    let server = Server::start().await;
    let send = |kind: &'static str, body: String| {
        let request = server.request(Method::POST, "/api/v1/generate-code").header(CONTENT_TYPE, kind).body(body);
        async move { json_of(request.send().await.unwrap()).await }
    };
    for (kind, body, status, code) in [
        ("text/plain", "{\"user_question\": \"x\"}".to_owned(), 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("application/x-www-form-urlencoded", "user_question=x".to_owned(), 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("application/json", "{\"user_question\": ".to_owned(), 400, "BAD_REQUEST"),
        ("application/json", "{\"user_question\": \"x\"} trailing".to_owned(), 400, "BAD_REQUEST"),
        ("application/json", String::new(), 400, "BAD_REQUEST"),
        ("application/json", format!("{{\"user_question\": \"{}\"}}", "x".repeat(2 << 20)), 413, "PAYLOAD_TOO_LARGE"),
        ("application/json; charset=utf-8", "{\"user_question\": \"\"}".to_owned(), 422, "VALIDATION_ERROR"),
    ] {
        let (got, answer) = send(kind, body).await;
        problem(answer, code);
        assert_eq!(got, status, "{kind}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_same_shape() {
    let server = Server::start().await;
    let ask = async |method, path| json_of(server.request(method, path).send().await.unwrap()).await;
    let (status, body) = ask(Method::GET, "/api/v1/nothing").await;
    assert_eq!(status, 404);
    problem(body, "NOT_FOUND");
    let (status, body) = ask(Method::DELETE, "/health").await;
    assert_eq!(status, 405);
    problem(body, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn pagination_limits_are_checked() {
    let server = Server::start().await;
    for (parameters, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("offset=-1", "offset"),
        ("from=yesterday", "from"),
    ] {
        let response = server.request(Method::GET, &format!("/api/v1/user/history?{parameters}")).send().await.unwrap();
        let (status, body) = json_of(response).await;
        assert_eq!(status, 422, "{parameters}");
        assert!(problem(body, "VALIDATION_ERROR")["error_details"][field][0].is_string(), "{parameters}");
    }
}

#[tokio::test]
async fn messages_are_in_the_requested_language() {
    let server = Server::start().await;
    for (language, expected) in [
        ("ko", "비어 있을 수 없습니다"),
        ("en-US,en;q=0.9", "must not be empty"),
        ("ko,en;q=0.5", "비어 있을 수 없습니다"),
    ] {
        let request = server.request(Method::POST, "/api/v1/generate-code").header(ACCEPT_LANGUAGE, language);
        let (_, body) = json_of(request.json(&json!({"user_question": ""})).send().await.unwrap()).await;
        assert_eq!(body["error_details"]["user_question"][0], expected, "{language}");
    }
}
