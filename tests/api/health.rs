//! `GET /health`, for anybody and for the owner.

use reqwest::Method;
use serde_json::json;
use tests::server::{Server, json_of};

#[tokio::test]
async fn health_is_open_and_has_the_documented_shape() {
    let server = Server::start().await;
    let response = server.bare(Method::GET, "/health").send().await.unwrap();
    assert!(response.headers().contains_key("x-request-id"));
    let (status, body) = json_of(response).await;
    assert_eq!(status, 200);
    assert_eq!((&body["status"], &body["version"]), (&json!("healthy"), &json!("0.4.0")));
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    for figure in ["cpu_usage", "memory_usage", "disk_usage"] {
        let percent = body["system_info"][figure].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&percent), "{figure}: {percent}");
    }
    assert_eq!(
        body["environment_validation"],
        json!({"status": "healthy", "issues": {"critical": 0, "errors": 0, "warnings": 0}})
    );
    assert!(!body.to_string().contains("scripted"), "nobody learns the model's name without a key");
}

#[tokio::test]
async fn a_loading_model_is_degraded_with_progress_and_generation_says_to_ask_again() {
    let server = Server::with_script(&json!({"load": "never"})).await;
    assert_eq!(server.get("/health").await["status"], "degraded");
    let model = &server.get("/health/detailed").await["model"];
    assert_eq!(
        (model["state"].as_str(), model["progress"].as_f64().map(|p| (p * 100.0).round())),
        (Some("loading"), Some(42.0))
    );
    let request = server.request(Method::POST, "/api/v1/generate-code").json(&json!({"user_question": "x"}));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "2");
    let (status, body) = json_of(response).await;
    assert_eq!((status, &body["error_code"]), (503, &json!("SERVICE_UNAVAILABLE")));
    assert_eq!(body["error_details"]["reason"], "model_loading");
}

#[tokio::test]
async fn a_model_that_failed_says_why() {
    let server = Server::with_script(&json!({"load": "fails"})).await;
    let body = server.get("/health").await;
    assert_eq!((&body["status"], &body["environment_validation"]["issues"]["errors"]), (&json!("degraded"), &json!(1)));
    let model = &server.get("/health/detailed").await["model"];
    assert_eq!(model["message"], "could not load model `scripted`: it ends 3 MB early");
    let (status, body) = server.post("/api/v1/generate-code", &json!({"user_question": "x"})).await;
    assert_eq!((status, &body["error_details"]["reason"]), (503, &json!("model_missing")));
}

#[tokio::test]
async fn without_a_model_the_api_answers_and_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data, |config| config.script = None).await;
    assert_eq!(server.get("/health/detailed").await["model"]["state"], "absent");
    let (status, body) = server.post("/api/v1/generate-code", &json!({"user_question": "x"})).await;
    assert_eq!((status, &body["error_details"]["reason"]), (503, &json!("model_missing")));
    assert!(body["error_message"].as_str().unwrap().contains("models"));
}
