//! Observability: metrics over time and by endpoint, the log, disk usage, and the doctor's report.

use serde_json::{Value, json};
use tests::eventually;
use tests::server::Server;

async fn points(server: &Server, parameters: &str) -> Vec<Value> {
    server.get(&format!("/api/v1/metrics/series{parameters}")).await["points"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_metrics_history_counts_requests_and_survives_a_restart() {
    let server = Server::start().await;
    let first = eventually("there is a data point", || async { points(&server, "").await.first().cloned() }).await;
    assert!(first["memory_total"].as_u64().unwrap() > 0 && first["budget_limit"].as_u64().unwrap() > 0, "{first}");
    let (status, _) = server.post("/api/v1/generate-code", &json!({"user_question": "중복 제거"})).await;
    assert_eq!(status, 200);
    let since = format!("?since={}", first["at"]);
    let counted = eventually("the answer is counted", || async {
        points(&server, &since).await.into_iter().find(|point| point["completion_tokens"].as_u64() > Some(0))
    })
    .await;
    assert!(counted["requests"].as_u64().unwrap() > 0, "{counted}");
    assert_eq!(counted["cache_misses"], 1);
    assert!(counted["tokens_per_second"].is_number() && counted["time_to_first_token"].is_number(), "{counted}");
    assert!(counted["at"].as_i64().unwrap() > first["at"].as_i64().unwrap());
    let server = Server::start_in(server.stop().await, |_| {}).await;
    let restored = points(&server, "").await;
    assert!(restored.contains(&first) && restored.contains(&counted), "{restored:?}");
}

#[tokio::test]
async fn each_endpoint_has_latency_and_error_counts() {
    let server = Server::start().await;
    server.post("/api/v1/validate-code", &json!({"code": "x = 1"})).await;
    server.post("/api/v1/validate-code", &json!({"code": ""})).await;
    let endpoints = server.get("/api/v1/metrics/endpoints").await;
    let found =
        endpoints["endpoints"].as_array().unwrap().iter().find(|one| one["endpoint"] == "/api/v1/validate-code");
    let found = found.unwrap();
    assert_eq!(
        (&found["method"], &found["requests"], &found["errors"]),
        (&json!("POST"), &json!(2), &json!(1)),
        "{endpoints}"
    );
    assert!(found["average_ms"].as_f64().unwrap() > 0.0 && found["p95_ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn the_log_is_paged_from_its_end() {
    let server = Server::start().await;
    let log = server.data().join("logs").join("app.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let line = |level: &str, message: &str| {
        format!(
            "{}\n",
            json!({"timestamp": "2024-12-28T10:00:00Z", "level": level, "message": message, "target": "test", "duration_ms": 5})
        )
    };
    std::fs::write(&log, [line("INFO", "하나"), line("ERROR", "둘"), line("WARN", "셋")].concat()).unwrap();
    let messages = |page: &Value| -> Vec<String> {
        page["lines"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    };
    let page = server.get("/api/v1/logs?limit=2").await;
    assert_eq!(messages(&page), ["둘", "셋"]);
    assert_eq!(page["lines"][0]["fields"], json!({"duration_ms": 5}));
    let before = server.get(&format!("/api/v1/logs?before={}", page["next"])).await;
    assert_eq!((messages(&before), &before["next"]), (vec!["하나".to_owned()], &Value::Null));
    assert_eq!(messages(&server.get("/api/v1/logs?level=error").await), ["둘"]);
    assert_eq!(messages(&server.get("/api/v1/logs?search=%EC%85%8B").await), ["셋"]);
}

#[tokio::test]
async fn the_doctor_checks_the_installation_on_request() {
    let server = Server::start().await;
    let report = server.get("/api/v1/doctor").await;
    assert!(report["findings"].as_array().unwrap().len() > 3, "{report}");
    assert!(report["findings"].as_array().unwrap().iter().any(|finding| finding["id"] == "database"), "{report}");
    assert!(["healthy", "degraded"].contains(&report["status"].as_str().unwrap()), "{report}");
}

#[tokio::test]
async fn disk_usage_lists_the_parts_of_the_data_folder() {
    let server = Server::start().await;
    std::fs::create_dir_all(server.data().join("models")).unwrap();
    std::fs::write(server.data().join("models").join("a.gguf"), [0; 1234]).unwrap();
    let storage = server.get("/api/v1/storage").await;
    assert_eq!(storage["folder"], server.data().display().to_string());
    let bytes = |name: &str| {
        let parts = storage["parts"].as_array().unwrap();
        parts.iter().find(|part| part["name"] == name).unwrap()["bytes"].as_u64().unwrap()
    };
    assert_eq!(bytes("models"), 1234);
    assert!(bytes("database") > 4096 && storage["free_bytes"].as_u64().unwrap() > 0, "{storage}");
}
