//! `/v1`: the API that OpenAI's clients speak, so that any of them can drive HAPA.

mod errors;
mod models;
mod request;
mod response;
mod stream;
mod string_or_array;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa::OpenApi;

use self::request::{ChatRequest, CompletionRequest};
use self::response::{ChatCompletion, Completion};
use self::stream::{ChunkStream, Delivery, Form};
use super::extract::JsonBody;
use super::state::AppState;
use crate::assistant::raw::{RawRequest, RawStream};
use crate::base::i18n::Language;
use crate::http::error::ApiError;
use crate::http::middleware::request_log::ErrorReporter;

pub use self::errors::OpenAiError;
pub use self::models::{__path_list_models, __path_retrieve_model, list_models, retrieve_model};

/// Goes on with a conversation, as `POST /v1/chat/completions` of OpenAI's API. With `stream`, the answer comes piece by piece:
/// `chat.completion.chunk` objects as server-sent events, and `[DONE]` at the end. Nothing is kept in the history.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "openai", request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer", content((ChatCompletion = "application/json"), (ChunkStream = "text/event-stream"))),
        (status = "4XX", description = "The request was refused", body = OpenAiError),
        (status = "5XX", description = "The request could not be answered", body = OpenAiError),
    )
)]
pub async fn chat_completions(
    State(app): State<AppState>,
    language: Language,
    Extension(reporter): Extension<ErrorReporter>,
    JsonBody(request): JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let delivery = request.delivery();
    let stream = begin(&app, request.into_raw_request(&app).await).await?;
    respond(stream, Form::Chat, delivery, reporter, language).await
}

/// Goes on with a text, or fills the gap before `suffix`, as `POST /v1/completions` of OpenAI's API. With `stream`, the answer
/// comes piece by piece: `text_completion` objects as server-sent events, and `[DONE]` at the end. Nothing is kept in the history.
#[utoipa::path(
    post, path = "/v1/completions", tag = "openai", request_body = CompletionRequest,
    responses(
        (status = 200, description = "The answer", content((Completion = "application/json"), (ChunkStream = "text/event-stream"))),
        (status = "4XX", description = "The request was refused", body = OpenAiError),
        (status = "5XX", description = "The request could not be answered", body = OpenAiError),
    )
)]
pub async fn completions(
    State(app): State<AppState>,
    language: Language,
    Extension(reporter): Extension<ErrorReporter>,
    JsonBody(request): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    let delivery = request.delivery();
    let stream = begin(&app, request.into_raw_request(&app).await).await?;
    respond(stream, Form::Text, delivery, reporter, language).await
}

async fn begin(app: &AppState, wish: Result<RawRequest, ApiError>) -> Result<RawStream, ApiError> {
    Ok(app.assistant.stream_raw(wish?).await?)
}

/// The answer as it was asked for: piece by piece, or whole.
async fn respond(
    stream: RawStream,
    form: Form,
    delivery: Delivery,
    reporter: ErrorReporter,
    language: Language,
) -> Result<Response, ApiError> {
    if delivery != Delivery::Full {
        return Ok(stream::response(stream, form, delivery, reporter, language));
    }
    let id = form.id();
    let whole = response::collect(stream).await?;
    Ok(match form {
        Form::Chat => Json(ChatCompletion::new(id, whole)).into_response(),
        Form::Text => Json(Completion::new(id, whole)).into_response(),
    })
}

/// The schemas of this tongue.
#[derive(OpenApi)]
#[openapi(components(schemas(response::Chunk, response::ChatChunk)))]
pub struct Schemas;
