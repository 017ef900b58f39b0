//! `POST /api/v1/complete-code`, and `POST /api/v1/completions/{id}/events` for the outcomes of completions.

use axum::extract::State;
use axum::{Extension, Json};
use check::{CompletionCategory, CompletionComplexity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conversations::DoneResponse;
use crate::access::keys::Caller;
use crate::assistant::complete::request::CompleteRequest;
use crate::assistant::complete::{CompletionRequest, Completions, Method, Suggestion};
use crate::base::i18n::{Language, LocalizedText};
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::{JsonBody, PathId};
use crate::http::generation_response::{ContextInfo, TokenUsage};
use crate::http::middleware::request_id::RequestId;
use crate::http::state::AppState;
use crate::store::{Finish, SuggestionOutcome};

/// The completions at the cursor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompleteResponse {
    /// By confidence, highest first; empty if the model suggests nothing.
    completions: Vec<CompletionItem>,
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Number of completions.
    total_suggestions: usize,
    context_analysis: ContextAnalysis,
    /// The request id, also sent in the header `X-Request-ID`.
    request_id: String,
    /// The model that generated the completions.
    model_used: String,
    /// Where the model ran: `local` or `remote`.
    backend: &'static str,
    /// Whether all completions come from the response cache.
    cached: bool,
    token_usage: TokenUsage,
    /// Seconds from the request to the last token.
    processing_time: f64,
    /// `stop`, or `cancelled` if a newer request of the same session superseded this one.
    finish_reason: Finish,
    context: ContextInfo,
}

/// One completion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompletionItem {
    /// The id, for reporting its outcome.
    id: String,
    /// The text to insert at the cursor.
    code: String,
    /// The same as `code`, for older clients.
    insertion_text: String,
    /// A short label for lists.
    label: String,
    /// The first line of the completion.
    detail: String,
    /// Category and number of lines, for users.
    description: String,
    /// The same as `description`, for older clients.
    explanation: String,
    /// The geometric mean of the token probabilities; 0.5 if a remote server does not report them.
    #[schema(minimum = 0, maximum = 1)]
    confidence: f64,
    category: CompletionCategory,
    complexity: CompletionComplexity,
}

/// How the code around the cursor was completed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContextAnalysis {
    language: String,
    /// `fim` (fill-in-the-middle) if the model supports it, otherwise `chat`.
    method: &'static str,
    /// Whether completions of several lines were allowed.
    multiline: bool,
}

/// Completes the code before the cursor.
#[utoipa::path(
    post, path = "/api/v1/complete-code", tag = "completion", request_body = CompleteRequest,
    responses(
        (status = 200, description = "The completions", body = CompleteResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn complete_code(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    Extension(RequestId(request_id)): Extension<RequestId>,
    JsonBody(request): JsonBody<CompleteRequest>,
) -> Result<Json<CompleteResponse>, ApiError> {
    let request = CompletionRequest::try_from(request)?;
    let position = Position { prefix: request.prefix.clone(), language: request.language.clone(), locale: language };
    let multiline = request.multiline;
    let completions = app.assistant.complete(&caller.owner, request).await?;
    Ok(Json(CompleteResponse::new(completions, &position, multiline, request_id)))
}

/// The code before the cursor with its programming language, and the language of descriptions.
struct Position {
    prefix: String,
    language: String,
    locale: Language,
}

impl CompleteResponse {
    fn new(completions: Completions, position: &Position, multiline: bool, request_id: String) -> Self {
        let total_tokens = completions.prompt_tokens + completions.completion_tokens;
        let items: Vec<CompletionItem> =
            completions.suggestions.into_iter().map(|suggestion| CompletionItem::new(suggestion, position)).collect();
        Self {
            total_suggestions: items.len(),
            completions: items,
            status: "success",
            context_analysis: ContextAnalysis {
                language: position.language.clone(),
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
            context: ContextInfo {
                used: total_tokens,
                limit: completions.limit,
                dropped: completions.dropped,
                dropped_messages: 0,
            },
        }
    }
}

impl CompletionItem {
    fn new(suggestion: Suggestion, position: &Position) -> Self {
        let confidence = suggestion.confidence();
        let Suggestion { id, code, .. } = suggestion;
        let described = check::describe_completion(&code, &position.language, &position.prefix);
        let lines = code.lines().count();
        let text = LocalizedText::new(
            format!("{}, {lines}줄", category_name(described.category)),
            format!("{} of {lines} lines", format!("{:?}", described.category).to_lowercase()),
        );
        let description = text.text(position.locale).to_owned();
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

/// The outcome of a completion.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CompletionEvent {
    event: EventKind,
    /// Number of accepted characters of an accepted completion; all if absent.
    #[schema(minimum = 0, maximum = 1_000_000)]
    accepted_characters: Option<i64>,
}

/// The type of outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    /// The completion was shown to the user.
    Shown,
    /// The user accepted the completion or part of it.
    Accepted,
    /// The user rejected the completion.
    Rejected,
}

/// Reports the outcome of a completion. It is stored on this machine only.
#[utoipa::path(
    post, path = "/api/v1/completions/{id}/events", tag = "completion", request_body = CompletionEvent,
    params(("id" = String, Path, description = "The completion's id")),
    responses(
        (status = 200, description = "The outcome was recorded", body = DoneResponse),
        ClientErrors,
    )
)]
pub(crate) async fn completion_event(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    PathId(id): PathId,
    JsonBody(event): JsonBody<CompletionEvent>,
) -> Result<Json<DoneResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    invalid.in_range("accepted_characters", event.accepted_characters, 0, 1_000_000);
    invalid.into_result()?;
    let outcome = match event.event {
        EventKind::Shown => SuggestionOutcome::Shown,
        EventKind::Accepted => SuggestionOutcome::Accepted(event.accepted_characters),
        EventKind::Rejected => SuggestionOutcome::Rejected,
    };
    let found = app.store.mark_completion(&caller.owner, &id, outcome).await?;
    if !found {
        return Err(ApiError::NotFound);
    }
    app.metrics.completion(match event.event {
        EventKind::Shown => "shown",
        EventKind::Accepted => "accepted",
        EventKind::Rejected => "rejected",
    });
    let message = LocalizedText::new("기록했습니다", "the outcome was recorded");
    Ok(Json(DoneResponse { status: "success", message: message.text(language).into() }))
}
