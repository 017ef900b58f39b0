//! Metrics: Prometheus's `/metrics`, `/stats`, and the error dashboard.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};
use tests::{eventually, stream::Frames};

/// Scrapes `/metrics`: types by name, and values by series. Parses as strictly as Prometheus does.
async fn scrape(server: &Server) -> (BTreeMap<String, String>, BTreeMap<String, f64>) {
    let response = server.unauthenticated(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    assert!(text.ends_with('\n'));
    let (mut types, mut values) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "two types for {name}");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{line}"
            );
            let number = value.parse().unwrap_or_else(|_| panic!("not a number in {line}"));
            assert!(values.insert(series.to_owned(), number).is_none(), "{series} appears twice");
        }
    }
    (types, values)
}

const DOCUMENTED: [(&str, &str); 17] = [
    ("hapa_requests_total", "counter"),
    ("hapa_request_duration_seconds", "histogram"),
    ("hapa_active_connections", "gauge"),
    ("hapa_cache_hits_total", "counter"),
    ("hapa_cache_misses_total", "counter"),
    ("hapa_ai_model_requests_total", "counter"),
    ("hapa_ai_model_response_time_seconds", "histogram"),
    ("hapa_ai_tokens_used_total", "counter"),
    ("hapa_system_cpu_usage_percent", "gauge"),
    ("hapa_system_memory_usage_bytes", "gauge"),
    ("hapa_system_disk_usage_bytes", "gauge"),
    ("hapa_errors_total", "counter"),
    ("hapa_ttft_seconds", "histogram"),
    ("hapa_tokens_per_second", "histogram"),
    ("hapa_queue_depth", "gauge"),
    ("hapa_prefix_reused_tokens_total", "counter"),
    ("hapa_completions_total", "counter"),
];

#[tokio::test]
async fn every_documented_metric_is_present_from_the_first_scrape() {
    let server = Server::start().await;
    let (types, values) = scrape(&server).await;
    for (name, kind) in DOCUMENTED {
        let found = types.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(found, kind, "{name}");
        assert!(values.keys().any(|series| series.starts_with(name)), "{name} has no value");
    }
    assert!(values["hapa_system_memory_usage_bytes"] > 0.0);
}

#[tokio::test]
async fn metrics_count_requests_and_label_routes_by_pattern() {
    let server = Server::start().await;
    let question = json!({"user_question": "중복 제거"});
    for _ in 0..2 {
        assert_eq!(server.post("/api/v1/generate-code", &question).await.0, 200);
    }
    let frames = Frames::new(server.open_stream(&json!({"user_question": "break"})).await).rest().await;
    assert_eq!(frames.last().unwrap()["type"], "error");
    server.post("/api/v1/generate-code", &json!({"user_question": ""})).await;
    server.post("/api/v1/complete-code", &json!({"prefix": "def f("})).await;
    for id in ["a", "b", "c"] {
        server.request(Method::GET, &format!("/api/v1/conversations/{id}")).send().await.unwrap();
        server.request(Method::GET, &format!("/nothing/{id}")).send().await.unwrap();
    }
    let (_, values) = scrape(&server).await;
    let sum = |name: &str, labels: &[&str]| -> f64 {
        let fits = |series: &str| series.starts_with(name) && labels.iter().all(|label| series.contains(label));
        values.iter().filter(|(series, _)| fits(series)).map(|(_, value)| value).sum()
    };
    let generate = "endpoint=\"/api/v1/generate-code\"";
    assert_eq!(sum("hapa_requests_total", &["method=\"POST\"", generate, "status=\"200\""]), 2.0);
    assert_eq!(sum("hapa_requests_total", &[generate, "status=\"422\""]), 1.0);
    assert_eq!(sum("hapa_request_duration_seconds_count", &[generate]), 3.0);
    assert_eq!(sum("hapa_requests_total", &["endpoint=\"/api/v1/conversations/{id}\"", "status=\"404\""]), 3.0);
    assert_eq!(sum("hapa_requests_total", &["endpoint=\"unmatched\""]), 3.0);
    assert_eq!(sum("hapa_cache_hits_total", &[]), 1.0);
    assert!(sum("hapa_cache_misses_total", &[]) >= 2.0);
    assert!(sum("hapa_ai_model_requests_total", &["model_type=\"code_generation\"", "status=\"success\""]) >= 1.0);
    assert!(sum("hapa_ai_tokens_used_total", &["kind=\"completion\""]) > 0.0);
    assert_eq!(sum("hapa_errors_total", &["error_type=\"VALIDATION_ERROR\"", generate]), 1.0);
    let stream = "endpoint=\"/api/v1/generate-code-streaming\"";
    assert_eq!(
        sum("hapa_errors_total", &["error_type=\"INTERNAL_SERVER_ERROR\"", stream]),
        1.0,
        "an error in a stream counts"
    );
    assert!(!values.keys().any(|series| series.contains("/nothing/") || series.contains("conversations/a")));
}

#[tokio::test]
async fn stats_report_requests_tokens_and_resources() {
    let server = Server::start().await;
    for _ in 0..2 {
        server.post("/api/v1/generate-code", &json!({"user_question": "중복 제거"})).await;
    }
    let stats = server.get("/stats").await;
    let times = &stats["response_times"];
    let number = |name: &str| times[name].as_f64().unwrap_or_else(|| panic!("{name}: {times}"));
    assert!(number("total_requests") >= 2.0 && number("last_24h_requests") >= 2.0);
    assert!(number("min") <= number("p50") && number("p50") <= number("p95") && number("p95") <= number("max"));
    assert!(number("average") > 0.0);
    assert!(stats["tokens"]["total_tokens"].as_i64().unwrap() > 0);
    assert_eq!(stats["cache"]["hits"], 1, "{stats}");
    assert!(stats["performance"]["application"]["memory_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(stats["performance"]["system"]["cpu_usage"].is_number() && stats["uptime"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn errors_are_recorded_for_the_owner_without_the_question() {
    let server = Server::start().await;
    let frames = Frames::new(server.open_stream(&json!({"user_question": "break 비밀"})).await).rest().await;
    let incident = frames.last().unwrap()["metadata"]["error_details"]["incident_id"].clone();
    assert!(incident.as_str().unwrap().starts_with("INC-"), "{incident}");
    for _ in 0..2 {
        server.post("/api/v1/generate-code", &json!({"user_question": "비밀", "max_tokens": 0})).await;
    }
    server.request(Method::GET, "/nothing").send().await.unwrap();
    let dashboard = eventually("three errors are recorded", async || {
        let dashboard = server.get("/api/v1/errors/dashboard").await;
        (dashboard["total_errors"] == 3).then_some(dashboard)
    })
    .await;
    assert_eq!(dashboard["errors_last_24h"], 3);
    assert_eq!(dashboard["top_error_codes"][0], json!({"error_code": "VALIDATION_ERROR", "count": 2}));
    assert_eq!(dashboard["recent_incidents"][0]["incident_id"], incident);
    assert!(!dashboard.to_string().contains("비밀"));
    let rate = dashboard["error_rate"].as_f64().unwrap();
    assert!(rate > 0.0 && rate <= 1.0);
    let patterns = server.get("/api/v1/errors/patterns?period=24h").await;
    assert_eq!((&patterns["period"], &patterns["total_errors"]), (&json!("24h"), &json!(3)));
    let first: &Value = &patterns["patterns"][0];
    assert_eq!((&first["endpoint"], &first["count"]), (&json!("/api/v1/generate-code"), &json!(2)));
    let request = server.request(Method::GET, "/api/v1/errors/patterns?period=1y").send().await.unwrap();
    let (status, body) = json_of(request).await;
    assert_eq!((status, body["error_details"].get("period").is_some()), (422, true), "{body}");
}
