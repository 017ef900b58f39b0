//! `POST /api/v1/code/enhanced-generate` and `POST /api/v1/code/enhanced-stream-generate`: generation for all model types.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::keys::Caller;
use crate::assistant::generate::enhanced::EnhancedRequest;
use crate::assistant::generate::{Event, GenerationRequest, GenerationResult, GenerationStart};
use crate::base::i18n::Language;
use crate::http::answer_review::{Review, review};
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::JsonBody;
use crate::http::generation_response::ResponseMetadata;
use crate::http::middleware::request_id::RequestId;
use crate::http::middleware::request_log::ErrorReporter;
use crate::http::sse;
use crate::http::state::AppState;

/// The answer to an enhanced generation request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnhancedResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Always true; failures return an error response.
    success: bool,
    /// The code, without markdown fences; empty for explanations and reviews.
    generated_code: String,
    /// The explanation as markdown, in the language of the question.
    explanation: String,
    #[serde(flatten)]
    review: Review,
    /// Always null here.
    error_message: Option<String>,
    /// When the answer was completed, RFC 3339.
    timestamp: String,
    #[serde(flatten)]
    metadata: ResponseMetadata,
}

/// Generates, completes, explains, reviews, fixes, optimizes, tests or documents code, depending on `model_type`.
#[utoipa::path(
    post, path = "/api/v1/code/enhanced-generate", tag = "generation", request_body = EnhancedRequest,
    responses(
        (status = 200, description = "The answer and the checks of its code", body = EnhancedResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn enhanced_generate(
    State(app): State<AppState>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    JsonBody(request): JsonBody<EnhancedRequest>,
) -> Result<Json<EnhancedResponse>, ApiError> {
    let request = GenerationRequest::try_from(request)?;
    let mut generation = app.assistant.generate(&caller.owner, request.clone()).await?;
    loop {
        match generation.next().await {
            Event::Done(outcome) => {
                let (review, outcome) = review(request, *outcome).await;
                return Ok(Json(EnhancedResponse::new(&generation.start, outcome, review, &request_id)));
            }
            Event::Failed(error) => return Err(error.into()),
            Event::Code { .. } | Event::Explanation(_) => {}
        }
    }
}

impl EnhancedResponse {
    fn new(start: &GenerationStart, outcome: GenerationResult, review: Review, request_id: &str) -> Self {
        let metadata = ResponseMetadata::new(start, &outcome, request_id);
        Self {
            status: "success",
            success: true,
            generated_code: outcome.generated_code,
            explanation: outcome.explanation,
            review,
            error_message: None,
            timestamp: jiff::Timestamp::now().to_string(),
            metadata,
        }
    }
}

/// Streams the answer of `enhanced-generate` as server-sent events. The `done` event also contains the checks of the code.
#[utoipa::path(
    post, path = "/api/v1/code/enhanced-stream-generate", tag = "generation", request_body = EnhancedRequest,
    responses(
        (status = 200, description = "Events: one `start`, then `explanation`, `code` and `token`, then one `done` or `error`",
         content_type = "text/event-stream", body = sse::EventStream),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn enhanced_stream_generate(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    Extension(reporter): Extension<ErrorReporter>,
    JsonBody(request): JsonBody<EnhancedRequest>,
) -> Result<Response, ApiError> {
    let request = GenerationRequest::try_from(request)?;
    let generation = app.assistant.generate(&caller.owner, request.clone()).await?;
    Ok(sse::with_review(generation, request, reporter, language))
}
