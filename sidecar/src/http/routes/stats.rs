//! `GET /stats`: statistics of the server.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::cache::CacheFigures;
use super::health::{QueueHealth, SystemInfo};
use crate::http::error::{ApiError, ClientErrors};
use crate::http::state::AppState;
use crate::models::Memory;
use crate::store::AcceptanceStats;

/// Statistics of the server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatsResponse {
    performance: Performance,
    response_times: ResponseTimeFigures,
    cache: CacheFigures,
    tokens: TokenFigures,
    queue: QueueHealth,
    completions: AcceptanceStats,
    memory: Memory,
    /// Seconds since the process started.
    uptime: f64,
}

/// Load of the machine and of the process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Performance {
    system: SystemInfo,
    application: ApplicationFigures,
}

/// Load of the process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicationFigures {
    /// Memory of the process in bytes, including models.
    memory_bytes: u64,
    /// Percent of one core.
    cpu_usage: f32,
}

/// Response times in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResponseTimeFigures {
    /// Requests since the process started.
    total_requests: u64,
    average: f64,
    min: f64,
    max: f64,
    /// Median.
    p50: f64,
    /// 95th percentile.
    p95: f64,
    /// Requests in the last 24 hours, to the hour.
    last_24h_requests: u64,
}

/// Tokens of all messages in the history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenFigures {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    /// Mean tokens per second of the latest 100 answers; null without answers.
    tokens_per_second: Option<f64>,
}

/// Returns statistics of the server.
#[utoipa::path(
    get, path = "/stats", tag = "system",
    responses(
        (status = 200, description = "The statistics", body = StatsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn stats(State(app): State<AppState>) -> Result<Json<StatsResponse>, ApiError> {
    let (times, sample) = (app.latency.response_times(), *app.system.borrow());
    let tokens = app.store.token_totals().await?;
    let completions = app.store.acceptance_stats().await?;
    Ok(Json(StatsResponse {
        performance: Performance {
            system: SystemInfo::of(&sample),
            application: ApplicationFigures { memory_bytes: sample.process_memory, cpu_usage: sample.process_cpu },
        },
        response_times: ResponseTimeFigures {
            total_requests: times.total,
            average: times.average,
            min: times.min,
            max: times.max,
            p50: times.p50,
            p95: times.p95,
            last_24h_requests: times.last_day,
        },
        cache: CacheFigures::of(&app),
        tokens: TokenFigures {
            prompt_tokens: tokens.prompt,
            completion_tokens: tokens.completion,
            total_tokens: tokens.prompt + tokens.completion,
            tokens_per_second: tokens.speed,
        },
        queue: QueueHealth::of(&app),
        completions,
        memory: app.models.memory(),
        uptime: app.started.elapsed().as_secs_f64(),
    }))
}
