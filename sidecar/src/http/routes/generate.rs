//! `POST /api/v1/generate-code` and its streaming form.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::keys::Caller;
use crate::assistant::generate::request::GenerateRequest;
use crate::assistant::generate::{Event, GenerationRequest, GenerationResult, GenerationStart};
use crate::base::i18n::Language;
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::JsonBody;
use crate::http::middleware::request_id::RequestId;
use crate::http::middleware::request_log::ErrorReporter;
use crate::http::sse;
use crate::http::state::AppState;
use crate::store::Finish;

/// Writes code that answers a question, and waits until it is whole.
#[utoipa::path(
    post, path = "/api/v1/generate-code", tag = "generation", request_body = GenerateRequest,
    responses(
        (status = 200, description = "The code, and what there is to say about it", body = GenerateResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub async fn generate_code(
    State(app): State<AppState>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Json<GenerateResponse>, ApiError> {
    let ask = GenerationRequest::try_from(request)?;
    let mut generation = app.assistant.generate(&caller.owner, ask).await?;
    loop {
        match generation.next().await {
            Event::Done(outcome) => {
                let additions = Additions::new(&generation.start, &outcome, &request_id);
                let GenerationResult { generated_code, explanation, .. } = *outcome;
                return Ok(Json(GenerateResponse { generated_code, explanation, status: "success", additions }));
            }
            Event::Failed(error) => return Err(error.into()),
            Event::Code { .. } | Event::Explanation(_) => {}
        }
    }
}

/// Writes code that answers a question, piece by piece, as server-sent events.
#[utoipa::path(
    post, path = "/api/v1/generate-code-streaming", tag = "generation", request_body = GenerateRequest,
    responses(
        (status = 200, description = "Events: one `start`, then `explanation`, `code` and `token`, then one `done` or `error`",
         content_type = "text/event-stream", body = sse::EventStream),
        ClientErrors,
        ServerErrors,
    )
)]
pub async fn generate_code_streaming(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    Extension(reporter): Extension<ErrorReporter>,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Response, ApiError> {
    let ask = GenerationRequest::try_from(request)?;
    let generation = app.assistant.generate(&caller.owner, ask).await?;
    Ok(sse::response(generation, reporter, language))
}

/// The answer to a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenerateResponse {
    /// Code alone, without fences.
    pub generated_code: String,
    /// RequestFacts there is to say about it, in the question's language; markdown.
    pub explanation: String,
    /// Always `success`.
    #[schema(example = "success")]
    pub status: &'static str,
    /// RequestFacts else is known.
    #[serde(flatten)]
    pub additions: Additions,
}

/// RequestFacts the first event of a stream tells.
#[derive(Debug, Serialize)]
pub struct StartMetadata<'a> {
    request_id: &'a str,
    conversation_id: &'a str,
    message_id: &'a str,
    model_used: &'a str,
    backend: &'a str,
}

impl<'a> StartMetadata<'a> {
    /// Of an accepted question.
    pub fn new(start: &'a GenerationStart, request_id: &'a str) -> Self {
        Self {
            request_id,
            conversation_id: &start.conversation_id,
            message_id: &start.message_id,
            model_used: &start.identity.model,
            backend: start.identity.backend.as_str(),
        }
    }
}

/// RequestFacts is told of every finished answer, beside the answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Additions {
    /// The id of the request, also in the header `X-Request-ID`.
    request_id: String,
    /// The model that answered.
    model_used: String,
    /// Where it ran: `local` or `remote`.
    backend: &'static str,
    /// Whether the answer comes from the cache.
    cached: bool,
    token_usage: TokenUsage,
    /// Seconds from the question to the last token.
    processing_time: f64,
    /// Why the answer ended: `stop`, `length` or `cancelled`.
    finish_reason: Finish,
    context: Context,
    /// The conversation that the question became part of.
    conversation_id: String,
    /// The question's own id.
    message_id: String,
    /// Tokens per second, once the answer had begun.
    tokens_per_second: Option<f64>,
    /// Seconds from the question to the first token.
    time_to_first_token: Option<f64>,
    /// The whole answer, markdown.
    answer: String,
}

/// RequestFacts an answer cost, in tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenUsage {
    pub(super) prompt_tokens: usize,
    pub(super) completion_tokens: usize,
    pub(super) total_tokens: usize,
}

/// How much of the model's window was used, and what did not fit.
#[derive(Debug, Serialize, ToSchema)]
pub struct Context {
    /// Tokens in use.
    pub(super) used: usize,
    /// Tokens there are; null where a remote server does not tell.
    pub(super) limit: Option<usize>,
    /// RequestFacts was left out of the prompt for want of room; never the question itself.
    pub(super) dropped: Vec<String>,
    /// Earlier messages of the conversation that were left out.
    pub(super) dropped_messages: usize,
}

impl Context {
    /// Of a conversation from which so many earlier messages were left out.
    fn of_conversation(used: usize, limit: Option<usize>, dropped_messages: usize) -> Self {
        let dropped = match dropped_messages {
            0 => Vec::new(),
            1 => vec!["1 earlier message".into()],
            more => vec![format!("{more} earlier messages")],
        };
        Self { used, limit, dropped, dropped_messages }
    }
}

impl Additions {
    /// Of a finished answer.
    pub fn new(start: &GenerationStart, outcome: &GenerationResult, request_id: &str) -> Self {
        let total_tokens = outcome.prompt_tokens + outcome.completion_tokens;
        Self {
            request_id: request_id.to_owned(),
            model_used: start.identity.model.clone(),
            backend: start.identity.backend.as_str(),
            cached: outcome.cached,
            token_usage: TokenUsage {
                prompt_tokens: outcome.prompt_tokens,
                completion_tokens: outcome.completion_tokens,
                total_tokens,
            },
            processing_time: outcome.processing_time,
            finish_reason: outcome.finish,
            context: Context::of_conversation(total_tokens, outcome.limit, outcome.dropped),
            conversation_id: start.conversation_id.clone(),
            message_id: start.message_id.clone(),
            tokens_per_second: outcome.tokens_per_second,
            time_to_first_token: outcome.time_to_first_token,
            answer: outcome.answer.clone(),
        }
    }
}
