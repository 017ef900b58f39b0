//! `POST /api/v1/count-tokens`: the prompt size of a question.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::keys::Caller;
use crate::assistant::generate::GenerationRequest;
use crate::assistant::generate::request::GenerateRequest;
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::JsonBody;
use crate::http::state::AppState;

/// The prompt size of a question, compared with the context of the model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountTokensResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Tokens of the prompt, with the messages of the conversation that fit.
    prompt_tokens: usize,
    /// The context size: maximum tokens of prompt and answer; null if a remote server does not report it.
    limit: Option<usize>,
    /// Number of earlier messages that do not fit and would be left out.
    dropped_messages: usize,
    /// Whether the question with its code and files fits; if not, generation fails with `context_too_long`.
    fits: bool,
    /// Whether the counts are exact. They are estimates for a remote server.
    exact: bool,
    /// Tokens of each file, in the order of the request.
    files: Vec<FileTokens>,
}

/// Tokens of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileTokens {
    path: String,
    tokens: usize,
}

/// Counts the tokens of a question without generating an answer. The question may be blank, as it may still be edited.
#[utoipa::path(
    post, path = "/api/v1/count-tokens", tag = "generation", request_body = GenerateRequest,
    responses(
        (status = 200, description = "The token counts", body = CountTokensResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn count_tokens(
    State(app): State<AppState>,
    caller: Caller,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Json<CountTokensResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let request = GenerationRequest::validate(request, &mut invalid);
    invalid.into_result()?;
    let paths: Vec<String> = request.files.iter().map(|file| file.path.clone()).collect();
    let counted = app.assistant.count_tokens(&caller.owner, request).await?;
    let files = paths.into_iter().zip(counted.files).map(|(path, tokens)| FileTokens { path, tokens }).collect();
    Ok(Json(CountTokensResponse {
        status: "success",
        prompt_tokens: counted.prompt_tokens,
        limit: counted.limit,
        dropped_messages: counted.dropped,
        fits: counted.fits,
        exact: counted.exact,
        files,
    }))
}
