//! `POST /api/v1/count-tokens`: how much room a question would take.

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

/// RequestFacts a question takes of the model's window.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountTokensResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Tokens of the whole prompt, with the conversation so far and without what would be left out of it.
    prompt_tokens: usize,
    /// Tokens that prompt and answer may have together; null where a remote server does not tell.
    limit: Option<usize>,
    /// Earlier messages that would be left out for want of room.
    dropped_messages: usize,
    /// Whether the question with its code and files has room at all; if not, asking it is an error.
    fits: bool,
    /// Whether the model itself has counted; tokens of a remote server are estimated.
    exact: bool,
    /// Tokens of each file, in their order.
    files: Vec<FileTokens>,
}

/// RequestFacts a file takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileTokens {
    path: String,
    tokens: usize,
}

/// Counts the tokens that a question would take, without asking it. It may be blank here, as one that is still being written.
#[utoipa::path(
    post, path = "/api/v1/count-tokens", tag = "generation", request_body = GenerateRequest,
    responses(
        (status = 200, description = "How much room it takes", body = CountTokensResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub async fn count_tokens(
    State(app): State<AppState>,
    caller: Caller,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Result<Json<CountTokensResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let ask = GenerationRequest::validate(request, &mut invalid);
    invalid.into_result()?;
    let paths: Vec<String> = ask.files.iter().map(|file| file.path.clone()).collect();
    let counted = app.assistant.count_tokens(&caller.owner, ask).await?;
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
