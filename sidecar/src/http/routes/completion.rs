//! `POST /api/v1/complete-code`, and what became of completions.

use axum::extract::State;
use axum::{Extension, Json};
use check::{CompletionCategory, CompletionComplexity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conversations::DoneResponse;
use super::generate::{Context, TokenUsage};
use crate::access::keys::Caller;
use crate::assistant::complete::request::CompleteRequest;
use crate::assistant::complete::{CompletionRequest, Completions, Method, Suggestion};
use crate::base::i18n::{Language, LocalizedText};
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::{JsonBody, PathId};
use crate::http::middleware::request_id::RequestId;
use crate::http::state::AppState;
use crate::store::{Finish, SuggestionOutcome};

/// RequestFacts can be inserted at the cursor.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompleteResponse {
    /// The surest first; empty where the model has nothing to say.
    completions: Vec<CompletionItem>,
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// How many there are.
    total_suggestions: usize,
    context_analysis: ContextAnalysis,
    /// The id of the request, also in the header `X-Request-ID`.
    request_id: String,
    /// The model that answered.
    model_used: String,
    /// Where it ran: `local` or `remote`.
    backend: &'static str,
    /// Whether all completions come from the cache.
    cached: bool,
    token_usage: TokenUsage,
    /// Seconds from the request to its end.
    processing_time: f64,
    /// `stop`, or `cancelled` where a newer request of the same session took this one's place.
    finish_reason: Finish,
    context: Context,
}

/// One completion.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompletionItem {
    /// Its id, for telling what became of it.
    id: String,
    /// RequestFacts to insert at the cursor, and nothing that is there already.
    code: String,
    /// The same as `code`, for older clients.
    insertion_text: String,
    /// A few words for a list.
    label: String,
    /// Its first line.
    detail: String,
    /// RequestFacts it is, in a sentence.
    description: String,
    /// The same as `description`, for older clients.
    explanation: String,
    /// How sure the model is: the geometric mean of the probabilities of its tokens; 0.5 where a remote server does not tell them.
    #[schema(minimum = 0, maximum = 1)]
    confidence: f64,
    category: CompletionCategory,
    complexity: CompletionComplexity,
}

/// RequestFacts was understood of the place.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContextAnalysis {
    language: String,
    /// `fim` where the model was trained to fill gaps, `chat` where it was asked in words.
    method: &'static str,
    /// Whether a completion could have several lines.
    multiline: bool,
}

/// Completes the code before the cursor.
#[utoipa::path(
    post, path = "/api/v1/complete-code", tag = "completion", request_body = CompleteRequest,
    responses(
        (status = 200, description = "RequestFacts can be inserted", body = CompleteResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub async fn complete_code(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    Extension(RequestId(request_id)): Extension<RequestId>,
    JsonBody(request): JsonBody<CompleteRequest>,
) -> Result<Json<CompleteResponse>, ApiError> {
    let cursor = CompletionRequest::try_from(request)?;
    let place = Place { prefix: cursor.prefix.clone(), language: cursor.language.clone(), words: language };
    let multiline = cursor.multiline;
    let completions = app.assistant.complete(&caller.owner, cursor).await?;
    Ok(Json(CompleteResponse::new(completions, &place, multiline, request_id)))
}

/// RequestFacts a completion is described by.
struct Place {
    prefix: String,
    language: String,
    words: Language,
}

impl CompleteResponse {
    fn new(completions: Completions, place: &Place, multiline: bool, request_id: String) -> Self {
        let total_tokens = completions.prompt_tokens + completions.completion_tokens;
        let items: Vec<CompletionItem> =
            completions.suggestions.into_iter().map(|suggestion| CompletionItem::new(suggestion, place)).collect();
        Self {
            total_suggestions: items.len(),
            completions: items,
            status: "success",
            context_analysis: ContextAnalysis {
                language: place.language.clone(),
                method: match completions.method {
                    Method::Fill => "fim",
                    Method::Chat => "chat",
                },
                multiline,
            },
            request_id,
            model_used: completions.identity.model,
            backend: completions.identity.backend.as_str(),
            cached: completions.cached,
            token_usage: TokenUsage {
                prompt_tokens: completions.prompt_tokens,
                completion_tokens: completions.completion_tokens,
                total_tokens,
            },
            processing_time: completions.processing_time,
            finish_reason: if completions.cancelled { Finish::Cancelled } else { Finish::Stop },
            context: Context {
                used: total_tokens,
                limit: completions.limit,
                dropped: completions.dropped,
                dropped_messages: 0,
            },
        }
    }
}

impl CompletionItem {
    fn new(suggestion: Suggestion, place: &Place) -> Self {
        let confidence = suggestion.confidence();
        let Suggestion { id, code, .. } = suggestion;
        let described = check::describe_completion(&code, &place.language, &place.prefix);
        let lines = code.lines().count();
        let sentence = LocalizedText::new(
            format!("{}, {lines}줄", category_name(described.category)),
            format!("{} of {lines} lines", format!("{:?}", described.category).to_lowercase()),
        );
        let description = sentence.text(place.words).to_owned();
        Self {
            id,
            insertion_text: code.clone(),
            label: described.label,
            detail: code.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned(),
            explanation: description.clone(),
            description,
            confidence,
            category: described.category,
            complexity: described.complexity,
            code,
        }
    }
}

/// A category in Korean.
fn category_name(category: CompletionCategory) -> &'static str {
    match category {
        CompletionCategory::Function => "함수",
        CompletionCategory::Class => "클래스",
        CompletionCategory::Variable => "변수",
        CompletionCategory::Import => "임포트",
        CompletionCategory::Method => "메서드",
        CompletionCategory::Property => "속성",
        CompletionCategory::Keyword => "구문",
    }
}

/// RequestFacts became of a completion.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CompletionEvent {
    event: EventKind,
    /// Of an accepted completion, how many characters were taken; all of them if absent.
    #[schema(minimum = 0, maximum = 1_000_000)]
    accepted_characters: Option<i64>,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Somebody saw it.
    Shown,
    /// It was taken, or a part of it.
    Accepted,
    /// It was turned down.
    Rejected,
}

/// Tells what became of a completion. This is kept on this machine only.
#[utoipa::path(
    post, path = "/api/v1/completions/{id}/events", tag = "completion", request_body = CompletionEvent,
    params(("id" = String, Path, description = "The completion's id")),
    responses(
        (status = 200, description = "It is noted", body = DoneResponse),
        ClientErrors,
    )
)]
pub async fn completion_event(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    PathId(id): PathId,
    JsonBody(event): JsonBody<CompletionEvent>,
) -> Result<Json<DoneResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    invalid.in_range("accepted_characters", event.accepted_characters, 0, 1_000_000);
    invalid.into_result()?;
    let fate = match event.event {
        EventKind::Shown => SuggestionOutcome::Shown,
        EventKind::Accepted => SuggestionOutcome::Accepted(event.accepted_characters),
        EventKind::Rejected => SuggestionOutcome::Rejected,
    };
    let known = app.store.mark_completion(&caller.owner, &id, fate).await?;
    if !known {
        return Err(ApiError::NotFound);
    }
    app.metrics.completion(match event.event {
        EventKind::Shown => "shown",
        EventKind::Accepted => "accepted",
        EventKind::Rejected => "rejected",
    });
    let message = LocalizedText::new("기록했습니다", "it is noted");
    Ok(Json(DoneResponse { status: "success", message: message.text(language).into() }))
}
