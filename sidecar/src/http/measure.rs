//! `POST /api/v1/count-tokens`: how much room a question would take.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Body;
use super::problem::Rejection;
use crate::app::App;
use crate::error::{Error, Invalid, Language, Problem};
use crate::generate::Ask;
use crate::generate::ask::GenerateRequest;
use crate::keys::Caller;

/// What a question takes of the model's window.
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

/// What a file takes.
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
        (status = "4XX", description = "The request was refused", body = Problem),
        (status = "5XX", description = "No model can count", body = Problem),
    )
)]
pub async fn count_tokens(
    State(app): State<App>,
    caller: Caller,
    language: Language,
    Body(request): Body<GenerateRequest>,
) -> Result<Json<CountTokensResponse>, Rejection> {
    let mut invalid = Invalid::default();
    let ask = Ask::checked(request, &mut invalid);
    invalid.into_result().map_err(language.rejection())?;
    let paths: Vec<String> = ask.files.iter().map(|file| file.path.clone()).collect();
    let counted = app.measure(&caller.owner, ask).await.map_err(language.rejection::<Error>())?;
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
