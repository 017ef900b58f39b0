//! The documentation's example of each endpoint.

use reqwest::Method;
use serde_json::{Value, json};

use super::Program;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "`{field}` is missing in {value}");
    }
}

#[tokio::test]
async fn generating_code() {
    let program = Program::start().await;
    let request = json!({
        "user_question": "리스트에서 중복 제거하는 함수 만들어줘",
        "code_context": "",
        "language": "python",
        "file_path": "src/util.py",
        "userProfile": {
            "pythonSkillLevel": "intermediate", "codeOutputStructure": "standard", "explanationStyle": "standard",
            "projectContext": "general_purpose", "errorHandlingPreference": "basic",
            "preferredLanguageFeatures": ["type_hints", "f_strings"], "isOnboardingCompleted": true
        },
        "a_field_of_a_newer_client": {"is": "ignored"},
    });
    for path in ["/api/v1/generate-code", "/api/v1/code/generate"] {
        let body = program.post(path, request.clone()).await;
        assert_eq!(body["generated_code"], "def remove_duplicates(lst):\n    return list(set(lst))");
        assert_eq!(body["explanation"], "set()을 사용하여 중복을 제거하고 다시 리스트로 변환합니다.");
        assert_eq!(body["status"], "success");
        has(&body, &["request_id", "model_used", "cached", "processing_time"]);
        assert_eq!((&body["backend"], &body["finish_reason"]), (&json!("local"), &json!("stop")));
        has(&body["token_usage"], &["prompt_tokens", "completion_tokens", "total_tokens"]);
        has(&body["context"], &["used", "limit", "dropped"]);
    }
    program.stop().await;
}

#[tokio::test]
async fn an_error_has_all_four_keys_in_the_requested_language() {
    let program = Program::start().await;
    let (status, body) = program.send(Method::POST, "/api/v1/generate-code", Some(json!({"user_question": ""}))).await;
    assert_eq!(status, 422);
    let mut found = keys(&body);
    found.sort_unstable();
    assert_eq!(found, ["error_code", "error_details", "error_message", "status"]);
    assert_eq!((&body["status"], &body["error_code"]), (&json!("error"), &json!("VALIDATION_ERROR")));
    assert_eq!(body["error_details"], json!({"user_question": ["비어 있을 수 없습니다"]}));
    let english = program.request(Method::POST, "/api/v1/generate-code").header("Accept-Language", "en");
    let english: Value = english.json(&json!({"user_question": ""})).send().await.unwrap().json().await.unwrap();
    assert_eq!(english["error_details"], json!({"user_question": ["must not be empty"]}));
    program.stop().await;
}

#[tokio::test]
async fn the_enhanced_form_with_every_field() {
    let program = Program::start().await;
    let request = json!({
        "prompt": "이 함수를 검토해줘", "context": "def f(a, b):\n    return a / b", "model_type": "code_review",
        "temperature": 0.3, "top_p": 0.95, "max_tokens": 1024, "programming_level": "intermediate",
        "explanation_detail": "standard", "code_style": "pythonic", "include_comments": true, "include_docstring": true,
        "include_type_hints": true, "language": "python", "project_context": "쇼핑몰",
    });
    let body = program.post("/api/v1/code/enhanced-generate", request).await;
    has(
        &body,
        &[
            "status",
            "success",
            "generated_code",
            "explanation",
            "model_used",
            "processing_time",
            "token_usage",
            "quality_score",
            "security_info",
            "error_message",
            "timestamp",
            "request_id",
        ],
    );
    has(&body["security_info"], &["input_validated", "code_validated", "threat_detected", "safety_score"]);
    assert_eq!(
        (&body["success"], &body["error_message"], &body["generated_code"]),
        (&json!(true), &json!(null), &json!(""))
    );
    assert_eq!(
        body["findings"],
        json!([{"line": 2, "source": "model", "message": "0으로 나눌 수 있습니다", "suggestion": "먼저 검사하세요"}])
    );
    let body = program.post("/api/v1/code/enhanced-generate", json!({"user_question": "위험한 코드"})).await;
    assert_eq!(body["status"], "success", "dangerous code is reported, not blocked");
    assert_eq!(
        (&body["security_info"]["code_validated"], &body["security_info"]["threat_detected"]),
        (&json!(true), &json!(true)),
        "{body}"
    );
    let score = body["quality_score"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&score), "{score}");
    program.stop().await;
}

#[tokio::test]
async fn ordinary_programming_terms_are_never_rejected() {
    let program = Program::start().await;
    for prompt in [
        "__init__ 설명해줘",
        "re.compile( 쓰는 법",
        "SELECT * FROM users; DROP TABLE",
        "error handling",
        "rm -rf 안전하게",
    ] {
        let body = program.post("/api/v1/code/enhanced-generate", json!({"prompt": prompt})).await;
        assert_eq!(body["status"], "success", "{prompt}");
    }
    program.stop().await;
}

#[tokio::test]
async fn completing_code() {
    let program = Program::start().await;
    let request =
        json!({"prefix": "def fibonacci(", "language": "python", "cursor_position": 13, "context": "재귀 함수"});
    for path in ["/api/v1/complete-code", "/api/v1/code/complete"] {
        let body = program.post(path, request.clone()).await;
        assert_eq!(body["status"], "success");
        let completion = &body["completions"][0];
        assert_eq!(
            completion["code"],
            "n):\n    if n <= 1:\n        return n\n    return fibonacci(n-1) + fibonacci(n-2)"
        );
        assert_eq!(completion["insertion_text"], completion["code"]);
        assert!((completion["confidence"].as_f64().unwrap() - 0.95).abs() < 1e-6, "{completion}");
        assert_eq!((&completion["category"], &completion["complexity"]), (&json!("function"), &json!("simple")));
        has(completion, &["id", "label", "description", "explanation", "detail"]);
        assert_eq!(body["total_suggestions"], 1);
        assert_eq!(body["context_analysis"]["method"], "fim");
        let id = completion["id"].as_str().unwrap();
        for event in [
            json!({"event": "shown"}),
            json!({"event": "accepted", "accepted_characters": 3}),
            json!({"event": "rejected"}),
        ] {
            program.post(&format!("/api/v1/completions/{id}/events"), event).await;
        }
    }
    let unknown = program.send(Method::POST, "/api/v1/completions/none/events", Some(json!({"event": "shown"}))).await;
    assert_eq!(unknown.0, 404);
    program.stop().await;
}

#[tokio::test]
async fn checking_code() {
    let program = Program::start().await;
    let fields = [
        "is_valid",
        "syntax_errors",
        "security_issues",
        "performance_warnings",
        "code_quality_score",
        "recommendations",
        "execution_safety",
        "status",
    ];
    for path in ["/api/v1/validate-code", "/api/v1/validation/validate"] {
        let body = program.post(path, json!({"code": "def f(:\n    pass", "language": "python"})).await;
        has(&body, &fields);
        assert_eq!((&body["is_valid"], &body["status"]), (&json!(false), &json!("success")));
        has(
            &body["syntax_errors"][0],
            &["line", "column", "end_line", "end_column", "code", "message", "severity", "fix"],
        );
        assert_eq!(body["syntax_errors"][0]["line"], 1);
    }
    for validation_type in ["syntax", "security", "performance", "style", "all"] {
        let request = json!({"code": "import os\nos.system(input())\n", "language": "python", "validation_type": validation_type,
            "strict_mode": false, "security_check": true, "performance_check": true});
        has(&program.post("/api/v1/validate-code", request).await, &fields);
    }
    for analysis_type in ["performance", "complexity", "security", "quality", "structure", "all"] {
        let request = json!({"code": "def f(n):\n    return n\n", "analysis_type": analysis_type});
        let body = program.post("/api/v1/analyze-code", request).await;
        has(&body, &["status", "analysis_type", "summary", "issues", "metrics", "functions", "recommendations"]);
        assert_eq!(body["analysis_type"], analysis_type);
    }
    program.stop().await;
}

#[tokio::test]
async fn feedback() {
    let program = Program::start().await;
    let request = json!({"type": "positive", "comment": "정확한 코드였습니다", "code_snippet": "x = 1", "user_question": "중복 제거"});
    for path in ["/api/v1/submit-feedback", "/api/v1/feedback/submit"] {
        let body = program.post(path, request.clone()).await;
        has(&body, &["success", "status", "feedback_id", "message", "timestamp"]);
        assert!(body["feedback_id"].as_str().unwrap().starts_with("fb_"), "{body}");
    }
    let stats = program.get("/api/v1/feedback/stats").await;
    assert_eq!(stats["total_feedback"], 2, "{stats}");
    has(&stats, &["average_rating"]);
    program.get("/api/v1/feedback/recent?limit=10").await;
    program.stop().await;
}

#[tokio::test]
async fn history() {
    let program = Program::start().await;
    program.post("/api/v1/generate-code", json!({"user_question": "Flask 앱"})).await;
    let body = program.get("/api/v1/user/history?limit=10").await;
    has(&body, &["status", "items", "total_count", "has_more"]);
    has(
        &body["items"][0],
        &[
            "id",
            "question",
            "response",
            "timestamp",
            "success",
            "duration",
            "tokens",
            "language",
            "conversation_id",
            "rating",
        ],
    );
    let id = body["items"][0]["id"].as_str().unwrap();
    program.get(&format!("/api/v1/user/history/{id}")).await;
    program.get("/api/v1/user/history/export?format=json").await;
    program.get("/api/v1/conversations").await;
    let all = program.send(Method::DELETE, "/api/v1/user/history", Some(json!({"confirm": true}))).await;
    assert_eq!(all.0, 200);
    assert_eq!(program.get("/api/v1/user/history").await["total_count"], 0);
    program.stop().await;
}

#[tokio::test]
async fn the_system() {
    let program = Program::start().await;
    for path in ["/health", "/api/v1/health"] {
        let body = program.get(path).await;
        has(&body, &["status", "version", "timestamp"]);
        has(&body["system_info"], &["cpu_usage", "memory_usage", "disk_usage"]);
        has(&body["environment_validation"]["issues"], &["critical", "errors", "warnings"]);
    }
    has(&program.get("/stats").await, &["performance", "response_times", "cache", "tokens", "queue", "uptime"]);
    has(
        &program.get("/stats").await["response_times"],
        &["total_requests", "average", "min", "max", "p50", "p95", "last_24h_requests"],
    );
    let cleared = program.send(Method::DELETE, "/api/v1/cache/clear", None).await.1;
    has(&cleared, &["status", "message", "system_cache_cleared", "ai_cache_cleared"]);
    program.get("/api/v1/cache/stats").await;
    has(
        &program.get("/api/v1/errors/dashboard").await,
        &["total_errors", "errors_last_24h", "error_rate", "top_error_codes", "recent_incidents"],
    );
    program.get("/api/v1/errors/patterns?period=7d").await;
    program.get("/api/v1/settings").await;
    program.get("/api/v1/users/profile").await;
    program.get("/api/v1/keys").await;
    for path in ["/api/openapi.json", "/openapi.json"] {
        assert_eq!(program.get(path).await["info"]["title"], "HAPA");
    }
    let metrics = program.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let docs = program.request(Method::GET, "/docs").send().await.unwrap();
    assert!(docs.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    program.stop().await;
}
