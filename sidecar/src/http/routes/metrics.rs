//! `GET /metrics`: metrics in Prometheus's text format.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::state::AppState;

/// The priorities of the engine, highest first.
const PRIORITIES: [&str; 3] = ["completion", "chat", "background"];

/// Returns all metrics in Prometheus's text format. Needs no key from this machine: the metrics contain no user data.
#[utoipa::path(
    get, path = "/metrics", tag = "system", security(()),
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain; version=0.0.4; charset=utf-8"))
)]
pub(crate) async fn metrics(State(app): State<AppState>) -> Response {
    let metrics = &app.metrics;
    let (sample, load, cache) = (*app.system.borrow(), app.models.queue_depth(), app.assistant.cache.stats());
    metrics.set("hapa_system_cpu_usage_percent", &[], sample.cpu.into());
    metrics.set("hapa_system_memory_usage_bytes", &[], sample.memory_bytes as f64);
    metrics.set("hapa_system_disk_usage_bytes", &[], sample.disk_bytes as f64);
    for (priority, waiting) in PRIORITIES.into_iter().zip(load.waiting_by_priority) {
        metrics.set("hapa_queue_depth", &[("lane", priority)], waiting as f64);
    }
    metrics.counted("hapa_cache_hits_total", cache.hits);
    metrics.counted("hapa_cache_misses_total", cache.misses);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.render()).into_response()
}
