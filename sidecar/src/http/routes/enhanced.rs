//! `POST /api/v1/code/enhanced-generate` and its streaming form: one use case for all model types.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use check::{CheckCategory, ExecutionSafety, Validation, ValidationRequest};
use serde::Serialize;
use utoipa::ToSchema;

use super::generate::Additions;
use crate::access::keys::Caller;
use crate::assistant::generate::enhanced::EnhancedRequest;
use crate::assistant::generate::review::Finding;
use crate::assistant::generate::{Event, GenerationRequest, GenerationResult, GenerationStart, ModelType, review};
use crate::base::i18n::Language;
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::JsonBody;
use crate::http::middleware::request_id::RequestId;
use crate::http::middleware::request_log::ErrorReporter;
use crate::http::sse;
use crate::http::state::AppState;

/// The answer to an enhanced question.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnhancedResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Always true; what fails is answered with an error.
    success: bool,
    /// Code alone, without fences; empty for an explanation and a review.
    generated_code: String,
    /// RequestFacts there is to say, in the question's language; markdown.
    explanation: String,
    #[serde(flatten)]
    review: Review,
    /// Always null here.
    error_message: Option<String>,
    /// When the answer was whole, RFC 3339.
    timestamp: String,
    #[serde(flatten)]
    additions: Additions,
}

/// RequestFacts is known of an answer after reading it; in a stream, part of the last event.
#[derive(Debug, Serialize, ToSchema)]
pub struct Review {
    /// The quality of the code, 0 to 1, as `validate-code` scores it; null without code.
    #[schema(minimum = 0, maximum = 1)]
    quality_score: Option<f64>,
    security_info: SecurityInfo,
    /// RequestFacts a review found, line by line, first by reading the code and then by the model; null for everything else.
    findings: Option<Vec<Finding>>,
}

/// RequestFacts the generated code would do. It is reported, never blocked.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecurityInfo {
    /// Whether the request was within its bounds; always true here.
    input_validated: bool,
    /// Whether the generated code was checked: false without code, and for languages whose security is not checked.
    code_validated: bool,
    /// Whether running the code could do harm.
    threat_detected: bool,
    /// 1 where nothing was found, 0.5 where something deserves a look, 0 where running the code could do harm; null where
    /// nothing was checked.
    #[schema(minimum = 0, maximum = 1)]
    safety_score: Option<f64>,
}

impl Review {
    /// Of a whole answer. Reads the code, so it is work for the processor.
    fn of(ask: &GenerationRequest, outcome: &GenerationResult) -> Self {
        let code = &outcome.generated_code;
        let validation = (!code.is_empty()).then(|| check::validate(&ValidationRequest::new(code, &ask.language)));
        let lines = ask.code_context.as_ref().map_or(0, |code| u32::try_from(code.lines().count()).unwrap_or(u32::MAX));
        Self {
            quality_score: validation.as_ref().map(|validation| validation.code_quality_score / 10.0),
            security_info: SecurityInfo::of(validation.as_ref()),
            findings: (ask.kind == ModelType::CodeReview).then(|| {
                let code = ask.code_context.as_deref().unwrap_or_default();
                let facts = review::lint(code, &ask.language);
                review::merge(facts, review::parse(&outcome.explanation, lines))
            }),
        }
    }
}

impl SecurityInfo {
    fn of(validation: Option<&Validation>) -> Self {
        let checked = validation.filter(|validation| !validation.not_checked.contains(&CheckCategory::Security));
        let safety = checked.map(|validation| validation.execution_safety);
        Self {
            input_validated: true,
            code_validated: checked.is_some(),
            threat_detected: safety == Some(ExecutionSafety::Dangerous),
            safety_score: safety.map(|safety| match safety {
                ExecutionSafety::Safe => 1.0,
                ExecutionSafety::Warning => 0.5,
                ExecutionSafety::Dangerous => 0.0,
            }),
        }
    }
}

/// The review of an answer, made where it does not hold other requests up.
pub async fn review(ask: GenerationRequest, outcome: GenerationResult) -> (Review, GenerationResult) {
    let read = tokio::task::spawn_blocking(move || (Review::of(&ask, &outcome), outcome));
    read.await.expect("checking code does not panic, and is not cancelled")
}

/// Does what the model type says: writes, completes, explains, reviews, corrects, speeds up, tests or documents code.
#[utoipa::path(
    post, path = "/api/v1/code/enhanced-generate", tag = "generation", request_body = EnhancedRequest,
    responses(
        (status = 200, description = "The answer, and what is known of its code", body = EnhancedResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub async fn enhanced_generate(
    State(app): State<AppState>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    JsonBody(request): JsonBody<EnhancedRequest>,
) -> Result<Json<EnhancedResponse>, ApiError> {
    let ask = GenerationRequest::try_from(request)?;
    let mut generation = app.assistant.generate(&caller.owner, ask.clone()).await?;
    loop {
        match generation.next().await {
            Event::Done(outcome) => {
                let (review, outcome) = review(ask, *outcome).await;
                return Ok(Json(EnhancedResponse::new(&generation.start, outcome, review, &request_id)));
            }
            Event::Failed(error) => return Err(error.into()),
            Event::Code { .. } | Event::Explanation(_) => {}
        }
    }
}

impl EnhancedResponse {
    fn new(start: &GenerationStart, outcome: GenerationResult, review: Review, request_id: &str) -> Self {
        let additions = Additions::new(start, &outcome, request_id);
        Self {
            status: "success",
            success: true,
            generated_code: outcome.generated_code,
            explanation: outcome.explanation,
            review,
            error_message: None,
            timestamp: jiff::Timestamp::now().to_string(),
            additions,
        }
    }
}

/// Does what the model type says, piece by piece, as server-sent events. The last one also has what is known of the code.
#[utoipa::path(
    post, path = "/api/v1/code/enhanced-stream-generate", tag = "generation", request_body = EnhancedRequest,
    responses(
        (status = 200, description = "Events: one `start`, then `explanation`, `code` and `token`, then one `done` or `error`",
         content_type = "text/event-stream", body = sse::EventStream),
        ClientErrors,
        ServerErrors,
    )
)]
pub async fn enhanced_stream_generate(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    Extension(reporter): Extension<ErrorReporter>,
    JsonBody(request): JsonBody<EnhancedRequest>,
) -> Result<Response, ApiError> {
    let ask = GenerationRequest::try_from(request)?;
    let generation = app.assistant.generate(&caller.owner, ask.clone()).await?;
    Ok(sse::with_review(generation, ask, reporter, language))
}
