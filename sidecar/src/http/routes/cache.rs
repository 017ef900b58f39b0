//! `/api/v1/cache`: how many answers were given without the model, and forgetting them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::i18n::{Language, LocalizedText};
use crate::http::error::ClientErrors;
use crate::http::extract::{OptionalJsonBody, QueryParams};
use crate::http::state::AppState;
use crate::inference::response_cache::CacheKind;

/// How the cache does.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheStatsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    cache: CacheFigures,
}

/// The cache in figures, since the process started.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheFigures {
    /// Questions and completions that were answered without the model.
    hits: u64,
    /// Of those, how many waited for an answer that the model was making for somebody else.
    shared: u64,
    /// Questions and completions that were put to the model.
    misses: u64,
    /// The share of hits, 0 to 1.
    hit_rate: f64,
    /// Answers that are kept now.
    entries: u64,
    /// Of those, answers to questions.
    code_generation: u64,
    /// Of those, completions.
    completion: u64,
    /// Answers of each kind that are kept at most.
    max_entries: u32,
    /// Seconds that an answer is kept.
    ttl_seconds: u32,
}

impl CacheFigures {
    /// As they are now.
    pub fn of(app: &AppState) -> Self {
        let (stats, settings) = (app.assistant.cache.stats(), app.settings.current());
        let asked = stats.hits + stats.misses;
        Self {
            hits: stats.hits,
            shared: stats.coalesced,
            misses: stats.misses,
            hit_rate: if asked == 0 { 0.0 } else { stats.hits as f64 / asked as f64 },
            entries: stats.generations + stats.completions,
            code_generation: stats.generations,
            completion: stats.completions,
            max_entries: settings.cache_size,
            ttl_seconds: settings.cache_ttl,
        }
    }
}

/// Shows how the cache does.
#[utoipa::path(
    get, path = "/api/v1/cache/stats", tag = "cache",
    responses(
        (status = 200, description = "The figures", body = CacheStatsResponse),
        ClientErrors,
    )
)]
pub async fn cache_stats(State(app): State<AppState>) -> Json<CacheStatsResponse> {
    Json(CacheStatsResponse { status: "success", cache: CacheFigures::of(&app) })
}

/// Which part of the cache to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheType {
    /// Everything.
    All,
    /// Answers to questions.
    CodeGeneration,
    /// Completions.
    Completion,
}

/// RequestFacts to forget, in the address or in the body; the body counts where both say something.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub struct ClearRequest {
    /// Which part; `all` if absent.
    #[param(inline)]
    cache_type: Option<CacheType>,
    /// False forgets nothing, for clients that ask their user first.
    confirm: Option<bool>,
}

/// RequestFacts was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClearResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// RequestFacts was done, for a person.
    message: String,
    /// Whether the memory that the database uses for speed was given back.
    system_cache_cleared: bool,
    /// Whether answers of the model were forgotten.
    ai_cache_cleared: bool,
    /// How many answers there were.
    entries_cleared: u64,
}

/// Forgets answers that could be given again. The history stays.
#[utoipa::path(
    delete, path = "/api/v1/cache/clear", tag = "cache", params(ClearRequest), request_body = Option<ClearRequest>,
    responses(
        (status = 200, description = "RequestFacts was forgotten", body = ClearResponse),
        ClientErrors,
    )
)]
pub async fn clear_cache(
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
        let message = LocalizedText::new(
            "confirm이 false라서 아무것도 지우지 않았습니다",
            "confirm is false: nothing was forgotten",
        );
        return Json(ClearResponse::new(message.text(language), false, false, 0));
    }
    let entries = app.assistant.cache.clear(kind);
    if kind != Some(CacheKind::Generation) {
        app.assistant.suggestions.clear();
    }
    let system = kind.is_none() && app.store.release_memory().await.is_ok();
    let message =
        LocalizedText::new(format!("답변 {entries}개를 지웠습니다"), format!("{entries} answers were forgotten"));
    Json(ClearResponse::new(message.text(language), system, true, entries))
}

impl ClearResponse {
    fn new(message: &str, system_cache_cleared: bool, ai_cache_cleared: bool, entries_cleared: u64) -> Self {
        Self { status: "success", message: message.into(), system_cache_cleared, ai_cache_cleared, entries_cleared }
    }
}
