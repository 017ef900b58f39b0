//! `/api/v1/user/history`: the stored questions and answers of a user.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use super::conversations::DoneResponse;
use crate::access::keys::Caller;
use crate::assistant::generate::{ContextFile, ModelType};
use crate::base::i18n::{Language, LocalizedText};
use crate::base::time::timestamp;
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::{JsonBody, PathId, QueryParams};
use crate::http::state::AppState;
use crate::store;
use crate::store::Query;

/// Page and filters of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryParameters {
    /// Maximum number of messages, 1 to 100; 10 if absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// Number of messages to skip; 0 if absent.
    #[param(minimum = 0)]
    offset: Option<i64>,
    /// Only messages with all these words in question or answer. Matches parts of words and ignores case.
    #[param(max_length = 200)]
    search: Option<String>,
    /// Only messages in this programming language.
    language: Option<String>,
    /// Only messages since this time, RFC 3339.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only messages before this time, RFC 3339.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Only messages with a rating of 4 or 5 (`positive`), or of 1 or 2 (`negative`).
    #[param(inline)]
    opinion: Option<Opinion>,
}

/// The rating of an answer.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Opinion {
    /// Rated 4 or 5.
    Positive,
    /// Rated 1 or 2.
    Negative,
}

/// A page of the history, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    items: Vec<HistoryItem>,
    /// Number of messages on all pages.
    total_count: i64,
    /// Whether there is a next page.
    has_more: bool,
}

/// A question with its answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryItem {
    id: String,
    question: String,
    /// The answer as markdown; partial if generation did not complete.
    response: String,
    /// When the question was sent, RFC 3339.
    timestamp: String,
    /// Whether generation completed.
    success: bool,
    /// Seconds from the request to the last token.
    duration: f64,
    /// Tokens of prompt and answer.
    tokens: i64,
    language: String,
    conversation_id: String,
    /// Rating from 1 to 5; null if not rated.
    rating: Option<i64>,
    model_used: String,
    /// Where the model ran: `local` or `remote`.
    backend: String,
    /// Generated tokens per second, measured from the first token.
    tokens_per_second: Option<f64>,
    /// `stop`, `length`, `cancelled`, `interrupted` or `failed`; null during generation.
    finish_reason: Option<String>,
    generated_code: String,
    explanation: String,
    /// The code that was sent with the question.
    code_context: Option<String>,
    /// The files that were sent with the question.
    files: Vec<ContextFile>,
    model_type: ModelType,
    /// Number of earlier messages that were left out of the prompt to fit the context.
    dropped_messages: i64,
    /// The ids of all versions of this question, oldest first, including this one. A request with `replaces` creates a version;
    /// `shown` of a conversation switches to another one.
    versions: Vec<String>,
    /// Whether another version is shown instead of this one.
    replaced: bool,
}

impl From<store::Message> for HistoryItem {
    fn from(message: store::Message) -> Self {
        Self {
            success: matches!(message.finish.as_deref(), Some("stop" | "length")),
            timestamp: timestamp(message.created_at),
            duration: message.duration_ms as f64 / 1000.0,
            tokens: message.prompt_tokens + message.completion_tokens,
            id: message.id,
            question: message.question,
            response: message.answer,
            language: message.language,
            conversation_id: message.conversation_id,
            rating: message.rating,
            model_used: message.model,
            backend: message.backend,
            tokens_per_second: message.tokens_per_second,
            finish_reason: message.finish,
            generated_code: message.generated_code,
            explanation: message.explanation,
            code_context: message.code_context,
            files: ContextFile::from_json(message.files.as_deref()),
            model_type: ModelType::of(&message.kind).unwrap_or_default(),
            dropped_messages: message.dropped,
            versions: message.versions.split(',').map(str::to_owned).collect(),
            replaced: message.superseded,
        }
    }
}

/// Lists the user's questions and answers, newest first.
#[utoipa::path(
    get, path = "/api/v1/user/history", tag = "history", params(HistoryParameters),
    responses(
        (status = 200, description = "A page of the history", body = HistoryResponse),
        ClientErrors,
    )
)]
pub(crate) async fn history(
    State(app): State<AppState>,
    caller: Caller,
    QueryParams(parameters): QueryParams<HistoryParameters>,
) -> Result<Json<HistoryResponse>, ApiError> {
    let query = query(parameters)?;
    let found = app.store.history(&caller.owner, &query).await;
    let (messages, total_count) = found?;
    let items: Vec<HistoryItem> = messages.into_iter().map(HistoryItem::from).collect();
    let has_more = has_more(query.offset, items.len(), total_count);
    Ok(Json(HistoryResponse { status: "success", items, total_count, has_more }))
}

/// One message of the history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryItemResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    item: HistoryItem,
}

/// Returns a message.
#[utoipa::path(
    get, path = "/api/v1/user/history/{id}", tag = "history", params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "The message", body = HistoryItemResponse),
        ClientErrors,
    )
)]
pub(crate) async fn history_item(
    State(app): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<HistoryItemResponse>, ApiError> {
    let found = app.store.message(&caller.owner, &id).await?;
    let item = found.ok_or(ApiError::NotFound)?.into();
    Ok(Json(HistoryItemResponse { status: "success", item }))
}

/// Deletes a message, and its conversation if it has no other messages.
#[utoipa::path(
    delete, path = "/api/v1/user/history/{id}", tag = "history", params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "The message was deleted", body = DoneResponse),
        ClientErrors,
    )
)]
pub(crate) async fn delete_history_item(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<DoneResponse>, ApiError> {
    if !app.store.delete_message(&caller.owner, &id).await? {
        return Err(ApiError::NotFound);
    }
    app.models.clear_kv_cache();
    Ok(Json(DoneResponse::new(language, "기록을 삭제했습니다", "the message was deleted")))
}

/// The confirmation that the history is to be deleted.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DeleteRequest {
    /// Must be true.
    #[schema(schema_with = confirmed)]
    confirm: bool,
}

/// The schema of a field that must be true.
fn confirmed() -> utoipa::openapi::Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).description(Some("Must be true.")).build()
}

/// Deletes all questions and answers of the user.
#[utoipa::path(
    delete, path = "/api/v1/user/history", tag = "history", request_body = DeleteRequest,
    responses(
        (status = 200, description = "The history was deleted", body = DoneResponse),
        ClientErrors,
    )
)]
pub(crate) async fn delete_history(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    JsonBody(request): JsonBody<DeleteRequest>,
) -> Result<Json<DoneResponse>, ApiError> {
    if !request.confirm {
        let message = LocalizedText::new("삭제하려면 true여야 합니다", "must be true to delete the history");
        return Err(ApiError::Invalid(ValidationErrors::field("confirm", message)));
    }
    let deleted = app.store.delete_history(&caller.owner).await?;
    // The response cache and the KV caches contain user data, too.
    app.assistant.cache.clear(None);
    app.assistant.suggestions.clear();
    app.models.clear_kv_cache();
    let (ko, en) = (format!("기록 {deleted}개를 삭제했습니다"), format!("{deleted} messages were deleted"));
    Ok(Json(DoneResponse::new(language, &ko, &en)))
}

/// Whether there is a page after one that starts at `offset` and has `shown` entries.
pub(crate) fn has_more(offset: i64, shown: usize, total: i64) -> bool {
    i64::try_from(shown).is_ok_and(|shown| offset.saturating_add(shown) < total)
}

fn query(parameters: HistoryParameters) -> Result<Query, ApiError> {
    let mut invalid = ValidationErrors::default();
    let (limit, offset) = page(&mut invalid, parameters.limit, parameters.offset, 10);
    invalid.max_length("search", parameters.search.as_deref(), 200);
    let mut time = |name: &str, value: Option<String>| {
        let parsed = value.map(|value| value.parse::<jiff::Timestamp>());
        match parsed {
            Some(Err(_)) => {
                let example = "2024-12-28T10:00:00Z";
                invalid.add(
                    name,
                    LocalizedText::new(format!("{example} 형식이어야 합니다"), format!("must look like {example}")),
                );
                None
            }
            Some(Ok(time)) => Some(time.as_millisecond()),
            None => None,
        }
    };
    let (from, to) = (time("from", parameters.from), time("to", parameters.to));
    invalid.into_result()?;
    let non_blank = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let rated = parameters.opinion.map(|opinion| match opinion {
        Opinion::Positive => (4, 5),
        Opinion::Negative => (1, 2),
    });
    Ok(Query {
        limit,
        offset,
        search: non_blank(parameters.search),
        language: non_blank(parameters.language),
        from,
        to,
        rated,
    })
}

/// Limit and offset of a page; values out of range are added to `invalid`.
pub(crate) fn page(
    invalid: &mut ValidationErrors,
    limit: Option<i64>,
    offset: Option<i64>,
    default_limit: i64,
) -> (i64, i64) {
    let (limit, offset) = (limit.unwrap_or(default_limit), offset.unwrap_or(0));
    if !(1..=100).contains(&limit) {
        invalid.add("limit", LocalizedText::new("1에서 100 사이여야 합니다", "must be from 1 to 100"));
    }
    if offset < 0 {
        invalid.add("offset", LocalizedText::new("0 이상이어야 합니다", "must not be negative"));
    }
    (limit, offset)
}
