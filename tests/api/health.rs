//! `GET /health`, public, and `GET /health/detailed`, with a key.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::eventually;
use tests::server::{Server, json_of};

#[tokio::test]
async fn health_is_public_and_has_the_documented_shape() {
    let server = Server::start().await;
    let response = server.unauthenticated(Method::GET, "/health").send().await.unwrap();
    assert!(response.headers().contains_key("x-request-id"));
    let (status, body) = json_of(response).await;
    assert_eq!(status, 200);
    assert_eq!((&body["status"], &body["version"]), (&json!("healthy"), &json!("0.4.0")));
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    for field in ["cpu_usage", "memory_usage", "disk_usage"] {
        let percent = body["system_info"][field].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&percent), "{field}: {percent}");
    }
    assert_eq!(
        body["environment_validation"],
        json!({"status": "healthy", "issues": {"critical": 0, "errors": 0, "warnings": 0}})
    );
    assert!(!body.to_string().contains("scripted"), "the model's name needs a key");
}

#[tokio::test]
async fn a_loading_model_is_degraded_with_progress_and_generation_says_when_to_retry() {
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
async fn a_model_that_failed_to_load_reports_the_reason() {
    let server = Server::with_script(&json!({"load": "fails"})).await;
    let body = server.get("/health").await;
    assert_eq!((&body["status"], &body["environment_validation"]["issues"]["errors"]), (&json!("degraded"), &json!(1)));
    let model = &server.get("/health/detailed").await["model"];
    assert_eq!(model["message"], "could not load model `scripted`: it ends 3 MB early");
    let (status, body) = server.post("/api/v1/generate-code", &json!({"user_question": "x"})).await;
    assert_eq!((status, &body["error_details"]["reason"]), (503, &json!("model_missing")));
}

#[tokio::test]
async fn without_a_model_the_api_answers_with_instructions() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start_in(data, |config| config.script = None).await;
    assert_eq!(server.get("/health/detailed").await["model"]["state"], "absent");
    let (status, body) = server.post("/api/v1/generate-code", &json!({"user_question": "x"})).await;
    assert_eq!((status, &body["error_details"]["reason"]), (503, &json!("model_missing")));
    assert!(body["error_message"].as_str().unwrap().contains("models"));
}

#[tokio::test]
async fn findings_are_listed_for_the_owner_in_both_languages() {
    let server = Server::start_in(tests::data_dir(), |config| config.script = None).await;
    let validation = server.get("/health").await["environment_validation"].clone();
    let issues = json!({"critical": 0, "errors": 1, "warnings": 0});
    assert_eq!(validation, json!({"status": "degraded", "issues": issues}));
    for (language, message, help) in
        [("ko", "모델이 없습니다", "GGUF 파일을"), ("en", "there is no model", "put a GGUF file")]
    {
        let request = server.request(Method::GET, "/health/detailed").header("Accept-Language", language);
        let (_, body) = json_of(request.send().await.unwrap()).await;
        let findings = body["findings"].as_array().unwrap();
        let model = findings.iter().find(|finding| finding["id"] == "model").unwrap();
        assert_eq!(model["severity"], "error");
        let has = |field: &str, text: &str| model[field].as_str().unwrap().contains(text);
        assert!(has("message", message) && has("help", help), "{model}");
        let database = findings.iter().find(|finding| finding["id"] == "database").unwrap();
        assert_eq!((&database["severity"], &database["help"]), (&json!("ok"), &json!(null)));
        assert!(!findings.iter().any(|finding| finding["id"] == "port"), "its own port is not checked");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn changes_of_the_installation_are_detected_in_the_background() {
    use std::os::unix::fs::PermissionsExt;
    let data = tests::process::data_dir_with(&tests::script());
    let folder = data.path().to_owned();
    let server = Server::start_in(data, |config| config.health_check_interval = Duration::from_millis(10)).await;
    let warnings = async || server.get("/health").await["environment_validation"]["issues"]["warnings"].as_u64();
    assert_eq!(warnings().await, Some(0));
    for (mode, count) in [(0o755, 1), (0o700, 0)] {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        eventually("the warning is counted", async || (warnings().await == Some(count)).then_some(())).await;
    }
}
