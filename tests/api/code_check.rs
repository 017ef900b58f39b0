//! Code validation and analysis: findings, limits, and that submitted code is never run.

use reqwest::Method;
use reqwest::header::ACCEPT_LANGUAGE;
use serde_json::{Value, json};
use tests::server::{Server, json_of};

const VALIDATE: &str = "/api/v1/validate-code";
const BATCH: &str = "/api/v1/validate-code/batch";
const ANALYZE: &str = "/api/v1/analyze-code";

#[tokio::test]
async fn code_with_syntax_errors_is_a_success_with_positions() {
    let server = Server::start().await;
    let (status, body) = server.post(VALIDATE, &json!({"code": "이름 = = 1\n", "language": "python"})).await;
    assert_eq!((status, &body["status"], &body["is_valid"]), (200, &json!("success"), &json!(false)));
    let error = &body["syntax_errors"][0];
    assert_eq!((&error["line"], &error["column"]), (&json!(1), &json!(6)), "{error}");
    assert_eq!((&error["end_line"], &error["end_column"]), (&json!(1), &json!(7)), "{error}");
    assert_eq!((&error["source_line"], &error["severity"]), (&json!("이름 = = 1"), &json!("error")));
    assert!(error["message"].is_string() && error["code"] == "invalid-syntax" && error["fix"].is_null());
    assert_eq!((&body["execution_safety"], &body["code_quality_score"]), (&json!("warning"), &json!(6.0)));
    assert_eq!(body["not_checked"], json!(["security", "performance"]));
}

#[tokio::test]
async fn the_answer_has_every_documented_field_with_the_defaults() {
    let server = Server::start().await;
    let (status, body) = server.post(VALIDATE, &json!({"code": "import os\nos.system(input())\n"})).await;
    assert_eq!(status, 200);
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "code_quality_score",
            "execution_safety",
            "is_valid",
            "not_checked",
            "omitted",
            "performance_warnings",
            "recommendations",
            "security_issues",
            "status",
            "style_issues",
            "syntax_errors"
        ]
    );
    assert_eq!((&body["is_valid"], &body["execution_safety"]), (&json!(true), &json!("dangerous")));
    assert_eq!(body["security_issues"][0]["code"], "S605");
    assert!(body["recommendations"][0].as_str().unwrap().contains("위험한 호출"), "{body}");
}

#[tokio::test]
async fn validation_types_and_switches_select_the_checks() {
    let server = Server::start().await;
    let code = "import os\npassword = 'hunter2'\nr = []\nfor x in y:\n    r.append(x * 2)\n";
    for (fields, expected) in [
        (json!({}), [true, true, false]),
        (json!({"validation_type": "all"}), [true, true, true]),
        (json!({"validation_type": "style"}), [false, false, true]),
        (json!({"validation_type": "security"}), [true, false, false]),
        (json!({"validation_type": "performance"}), [false, true, false]),
        (json!({"validation_type": "all", "security_check": false, "performance_check": false}), [false, false, true]),
        (json!({"validation_type": null, "strict_mode": null, "security_check": null}), [true, true, false]),
    ] {
        let mut body = fields.clone();
        body["code"] = json!(code);
        let (_, found) = server.post(VALIDATE, &body).await;
        let shown = ["security_issues", "performance_warnings", "style_issues"]
            .map(|list| !found[list].as_array().unwrap().is_empty());
        assert_eq!(shown, expected, "{fields}");
        assert_eq!(found["is_valid"], true, "{fields}");
    }
    let (_, strict) = server.post(VALIDATE, &json!({"code": code, "strict_mode": true})).await;
    assert_eq!(strict["is_valid"], false);
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_accepts_both_field_names() {
    let server = Server::start().await;
    let items = json!([{"code": "x = ("}, {"code": "let x = ;", "language": "javascript"}, {"code": "x = 1"}, {"code": "SELECT", "language": "sql"}]);
    for name in ["items", "requests"] {
        let (status, body) = server.post(BATCH, &json!({name: items})).await;
        assert_eq!((status, &body["total_count"]), (200, &json!(4)), "{body}");
        let valid: Vec<&Value> = body["results"].as_array().unwrap().iter().map(|result| &result["is_valid"]).collect();
        assert_eq!(valid, [false, false, true, true]);
    }
}

#[tokio::test]
async fn ten_pieces_of_maximum_size_fit_into_a_batch_and_more_is_too_large() {
    let server = Server::start().await;
    // Six bytes for each surrogate of a character outside the BMP: the longest encoding in JSON.
    let longest = format!("\"{}\"", "\\ud83d\\ude00".repeat(50_000));
    let item = format!("{{\"code\": {longest}, \"language\": \"sql\"}}");
    let send = |path: &'static str, body: String| {
        let request = server.request(Method::POST, path).header("content-type", "application/json").body(body);
        async move { json_of(request.send().await.unwrap()).await }
    };
    let (status, body) = send(BATCH, format!("{{\"items\": [{}]}}", [item.as_str(); 10].join(","))).await;
    assert_eq!((status, &body["total_count"]), (200, &json!(10)), "{body}");
    assert_eq!(send(VALIDATE, item).await.0, 200);
    let (status, body) = send(BATCH, format!("{{\"items\": [], \"x\": \"{}\"}}", "x".repeat(9 << 20))).await;
    assert_eq!((status, &body["error_code"]), (413, &json!("PAYLOAD_TOO_LARGE")));
    assert!(body["error_message"].as_str().unwrap().contains("8388608"), "{body}");
}

#[tokio::test]
async fn each_field_out_of_bounds_is_named() {
    let server = Server::start().await;
    let long = "가".repeat(50_001);
    for (path, body, field) in [
        (VALIDATE, json!({}), "code"),
        (VALIDATE, json!({"code": ""}), "code"),
        (VALIDATE, json!({"code": " \n\t"}), "code"),
        (VALIDATE, json!({"code": null}), "code"),
        (VALIDATE, json!({"code": long}), "code"),
        (VALIDATE, json!({"code": "x", "language": "x".repeat(33)}), "language"),
        (VALIDATE, json!({"code": "x", "validation_type": "everything"}), "validation_type"),
        (VALIDATE, json!({"code": "x", "strict_mode": "yes"}), "strict_mode"),
        (ANALYZE, json!({"code": long}), "code"),
        (ANALYZE, json!({"code": "x", "analysis_type": "magic"}), "analysis_type"),
        (BATCH, json!({}), "items"),
        (BATCH, json!({"items": []}), "items"),
        (BATCH, json!({"items": vec![json!({"code": "x"}); 11]}), "items"),
        (BATCH, json!({"items": [{"code": "x"}, {"code": " "}]}), "items[1].code"),
        (BATCH, json!({"items": [{"code": "x"}, {"language": "c"}]}), "items[1].code"),
    ] {
        let (status, answer) = server.post(path, &body).await;
        assert_eq!((status, &answer["error_code"]), (422, &json!("VALIDATION_ERROR")), "{path} {field}: {answer}");
        assert!(answer["error_details"][field][0].is_string(), "{path} {field}: {answer}");
    }
    assert_eq!(server.post(VALIDATE, &json!({"code": "가".repeat(50_000), "future": 1})).await.0, 200);
}

#[tokio::test]
async fn an_analysis_lists_functions_classes_imports_and_metrics() {
    let server = Server::start().await;
    let code = "import os\n\n\nclass 가:\n    def 나(self, x):\n        for i in x:\n            eval(i)\n";
    let (status, body) = server.post(ANALYZE, &json!({"code": code, "analysis_type": "security"})).await;
    assert_eq!((status, &body["status"], &body["analysis_type"]), (200, &json!("success"), &json!("security")));
    assert_eq!((&body["metrics"]["lines"], &body["metrics"]["max_nesting"]), (&json!(7), &json!(1)), "{body}");
    assert_eq!(
        body["functions"],
        json!([{"name": "가.나", "line": 5, "end_line": 7, "parameters": 2, "complexity": 2, "big_o_hint": "O(n)"}])
    );
    assert_eq!(body["classes"], json!([{"name": "가", "line": 4, "end_line": 7, "methods": 1}]));
    assert_eq!(body["imports"], json!([{"module": "os", "line": 1}]));
    assert_eq!(body["issues"][0]["code"], "S307");
    assert!(body["summary"].as_str().unwrap().contains("7줄"), "{body}");
    let (_, all) = server.post(ANALYZE, &json!({"code": code})).await;
    assert_eq!(all["analysis_type"], "all");
}

#[tokio::test]
async fn messages_are_in_the_requested_language() {
    let server = Server::start().await;
    for (language, expected) in [("ko", "검사하지 않았습니다"), ("en", "Not checked")] {
        let request = server.request(Method::POST, VALIDATE).header(ACCEPT_LANGUAGE, language);
        let (_, body) = json_of(request.json(&json!({"code": "ls", "language": "bash"})).send().await.unwrap()).await;
        assert!(body["recommendations"][0].as_str().unwrap().contains(expected), "{body}");
    }
}

#[tokio::test]
async fn the_alias_is_the_same_route_and_all_routes_need_a_key() {
    let server = Server::start().await;
    let body = json!({"code": "x = 1"});
    let (status, answer) = server.post("/api/v1/validation/validate", &body).await;
    assert_eq!((status, &answer["is_valid"]), (200, &json!(true)));
    for path in [VALIDATE, BATCH, ANALYZE, "/api/v1/validation/validate"] {
        let (status, answer) =
            json_of(server.unauthenticated(Method::POST, path).json(&body).send().await.unwrap()).await;
        assert_eq!((status, &answer["error_details"]["reason"]), (401, &json!("key_missing")), "{path}");
    }
}

#[tokio::test]
async fn submitted_code_is_never_run() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let code = format!("open({trace:?}, 'w').close()\n__import__('os').system('touch {}')\n", trace.display());
    assert_eq!(server.post(VALIDATE, &json!({"code": code, "validation_type": "all"})).await.0, 200);
    assert_eq!(server.post(ANALYZE, &json!({"code": code})).await.0, 200);
    assert!(!trace.exists());
}

#[tokio::test]
async fn the_server_answers_during_many_expensive_requests() {
    let server = Server::start().await;
    let body = json!({"code": "-".repeat(50_000), "validation_type": "all"});
    let send = || server.post(VALIDATE, &body);
    let (a, b, c, d, health) = tokio::join!(send(), send(), send(), send(), server.get("/health"));
    assert!([a.0, b.0, c.0, d.0].iter().all(|status| *status == 200), "{a:?}");
    assert_eq!(health["version"], "0.4.0");
}
