//! `/api/v1/cache`: statistics of the response cache, and clearing it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::i18n::{Language, LocalizedText};
use crate::http::error::ClientErrors;
use crate::http::extract::{OptionalJsonBody, QueryParams};
use crate::http::state::AppState;
use crate::inference::response_cache::CacheKind;

/// Statistics of the response cache.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CacheStatsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    cache: CacheFigures,
}

/// Statistics of the response cache since the process started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CacheFigures {
    /// Requests that were served without running the model: from the cache, or coalesced with a request in progress.
    hits: u64,
    /// Of those, requests that were coalesced with an identical request in progress.
    shared: u64,
    /// Requests that ran the model.
    misses: u64,
    /// Hits divided by all requests, 0 to 1.
    hit_rate: f64,
    /// Cached answers.
    entries: u64,
    /// Of those, generated answers.
    code_generation: u64,
    /// Of those, completions.
    completion: u64,
    /// Maximum number of cached answers of each kind.
    max_entries: u32,
    /// Seconds until a cached answer expires.
    ttl_seconds: u32,
}

impl CacheFigures {
    /// The current statistics.
    pub(crate) fn of(app: &AppState) -> Self {
        let (stats, settings) = (app.assistant.cache.stats(), app.settings.current());
        let total = stats.hits + stats.misses;
        Self {
            hits: stats.hits,
            shared: stats.coalesced,
            misses: stats.misses,
            hit_rate: if total == 0 { 0.0 } else { stats.hits as f64 / total as f64 },
            entries: stats.generations + stats.completions,
            code_generation: stats.generations,
            completion: stats.completions,
            max_entries: settings.cache_size,
            ttl_seconds: settings.cache_ttl,
        }
    }
}

/// Returns statistics of the response cache.
#[utoipa::path(
    get, path = "/api/v1/cache/stats", tag = "cache",
    responses(
        (status = 200, description = "The statistics", body = CacheStatsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn cache_stats(State(app): State<AppState>) -> Json<CacheStatsResponse> {
    Json(CacheStatsResponse { status: "success", cache: CacheFigures::of(&app) })
}

/// The part of the cache to clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CacheType {
    /// All answers.
    All,
    /// Generated answers.
    CodeGeneration,
    /// Completions.
    Completion,
}

/// What to clear, as query parameters or in the body. The body overrides the query.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClearRequest {
    /// The part of the cache to clear; `all` if absent.
    #[param(inline)]
    cache_type: Option<CacheType>,
    /// If false, nothing is cleared, for clients that ask the user for confirmation.
    confirm: Option<bool>,
}

/// The result of clearing the cache.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClearResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The result, for users.
    message: String,
    /// Whether the memory of the database cache was released.
    system_cache_cleared: bool,
    /// Whether cached answers were removed.
    ai_cache_cleared: bool,
    /// Number of removed answers.
    entries_cleared: u64,
}

/// Clears the response cache. The history is not affected.
#[utoipa::path(
    delete, path = "/api/v1/cache/clear", tag = "cache", params(ClearRequest), request_body = Option<ClearRequest>,
    responses(
        (status = 200, description = "The result", body = ClearResponse),
        ClientErrors,
    )
)]
pub(crate) async fn clear_cache(
    State(app): State<AppState>,
    language: Language,
    QueryParams(query): QueryParams<ClearRequest>,
    OptionalJsonBody(body): OptionalJsonBody<ClearRequest>,
) -> Json<ClearResponse> {
    let kind = match body.cache_type.or(query.cache_type).unwrap_or(CacheType::All) {
        CacheType::All => None,
        CacheType::CodeGeneration => Some(CacheKind::Generation),
        CacheType::Completion => Some(CacheKind::Completion),
    };
    if !body.confirm.or(query.confirm).unwrap_or(true) {
        let message =
            LocalizedText::new("confirm이 false여서 캐시를 비우지 않았습니다", "confirm is false; nothing was cleared");
        return Json(ClearResponse::new(message.text(language), false, false, 0));
    }
    let entries = app.assistant.cache.clear(kind);
    if kind != Some(CacheKind::Generation) {
        app.assistant.suggestions.clear();
    }
    let system = kind.is_none() && app.store.release_memory().await.is_ok();
    let message = LocalizedText::new(
        format!("캐시된 답변 {entries}개를 삭제했습니다"),
        format!("{entries} cached answers were removed"),
    );
    Json(ClearResponse::new(message.text(language), system, true, entries))
}

impl ClearResponse {
    fn new(message: &str, system_cache_cleared: bool, ai_cache_cleared: bool, entries_cleared: u64) -> Self {
        Self { status: "success", message: message.into(), system_cache_cleared, ai_cache_cleared, entries_cleared }
    }
}
