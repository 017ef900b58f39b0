//! `POST /api/v1/generate-code` and `POST /api/v1/generate-code-streaming`.

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::keys::Caller;
use crate::assistant::generate::request::GenerateRequest;
use crate::assistant::generate::{Event, GenerationRequest, GenerationResult};
use crate::base::i18n::Language;
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::JsonBody;
use crate::http::generation_response::ResponseMetadata;
use crate::http::middleware::request_id::RequestId;
use crate::http::middleware::request_log::ErrorReporter;
use crate::http::sse;
use crate::http::state::AppState;

/// Generates code for a question and returns the complete answer.
#[utoipa::path(
    post, path = "/api/v1/generate-code", tag = "generation", request_body = GenerateRequest,
    responses(
        (status = 200, description = "The code and its explanation", body = GenerateResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn generate_code(
    State(app): State<AppState>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Json<GenerateResponse>, ApiError> {
    let request = GenerationRequest::try_from(request)?;
    let mut generation = app.assistant.generate(&caller.owner, request).await?;
    loop {
        match generation.next().await {
            Event::Done(outcome) => {
                let metadata = ResponseMetadata::new(&generation.start, &outcome, &request_id);
                let GenerationResult { generated_code, explanation, .. } = *outcome;
                return Ok(Json(GenerateResponse { generated_code, explanation, status: "success", metadata }));
            }
            Event::Failed(error) => return Err(error.into()),
            Event::Code { .. } | Event::Explanation(_) => {}
        }
    }
}

/// Generates code for a question and streams the answer as server-sent events.
#[utoipa::path(
    post, path = "/api/v1/generate-code-streaming", tag = "generation", request_body = GenerateRequest,
    responses(
        (status = 200, description = "Events: one `start`, then `explanation`, `code` and `token`, then one `done` or `error`",
         content_type = "text/event-stream", body = sse::EventStream),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn generate_code_streaming(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    Extension(reporter): Extension<ErrorReporter>,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Response, ApiError> {
    let request = GenerationRequest::try_from(request)?;
    let generation = app.assistant.generate(&caller.owner, request).await?;
    Ok(sse::response(generation, reporter, language))
}

/// The answer to a question.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GenerateResponse {
    /// The code, without markdown fences.
    pub generated_code: String,
    /// The explanation as markdown, in the language of the question.
    pub explanation: String,
    /// Always `success`.
    #[schema(example = "success")]
    pub status: &'static str,
    /// Metadata of the answer.
    #[serde(flatten)]
    pub metadata: ResponseMetadata,
}
