//! `GET /stats`: how HAPA does, in figures for its owner.

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

/// How HAPA does.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatsResponse {
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

/// The machine and the process.
#[derive(Debug, Serialize, ToSchema)]
pub struct Performance {
    system: SystemInfo,
    application: ApplicationFigures,
}

/// The process itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApplicationFigures {
    /// Bytes of memory that the process holds, model included.
    memory_bytes: u64,
    /// Percent of one core.
    cpu_usage: f32,
}

/// How long requests took, in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseTimeFigures {
    /// Requests since the process started.
    total_requests: u64,
    average: f64,
    min: f64,
    max: f64,
    /// Half of the requests took no longer.
    p50: f64,
    /// 95 % of the requests took no longer.
    p95: f64,
    /// Requests in the last 24 hours, to the hour.
    last_24h_requests: u64,
}

/// RequestFacts the history holds, in tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenFigures {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    /// Mean speed of the latest 100 answers, in tokens per second; null before the first.
    tokens_per_second: Option<f64>,
}

/// Shows how HAPA does.
#[utoipa::path(
    get, path = "/stats", tag = "system",
    responses(
        (status = 200, description = "The figures", body = StatsResponse),
        ClientErrors,
    )
)]
pub async fn stats(State(app): State<AppState>) -> Result<Json<StatsResponse>, ApiError> {
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
