//! `/v1`: the OpenAI-compatible API.

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

pub(crate) use self::errors::OpenAiError;
pub(crate) use self::models::{__path_list_models, __path_retrieve_model, list_models, retrieve_model};

/// Generates the next message of a conversation, compatible with OpenAI's `POST /v1/chat/completions`.
///
/// With `stream`, the answer is sent as server-sent events: `chat.completion.chunk` objects, and `[DONE]` at the end. Nothing is
/// stored in the history.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "openai", request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer", content((ChatCompletion = "application/json"), (ChunkStream = "text/event-stream"))),
        (status = "4XX", description = "The request was rejected", body = OpenAiError),
        (status = "5XX", description = "The request failed", body = OpenAiError),
    )
)]
pub(crate) async fn chat_completions(
    State(app): State<AppState>,
    language: Language,
    Extension(reporter): Extension<ErrorReporter>,
    JsonBody(request): JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let delivery = request.delivery();
    let stream = start_stream(&app, request.into_raw_request(&app).await).await?;
    respond(stream, Form::Chat, delivery, reporter, language).await
}

/// Continues a text, or fills in the middle before `suffix`, compatible with OpenAI's `POST /v1/completions`.
///
/// With `stream`, the answer is sent as server-sent events: `text_completion` objects, and `[DONE]` at the end. Nothing is stored
/// in the history.
#[utoipa::path(
    post, path = "/v1/completions", tag = "openai", request_body = CompletionRequest,
    responses(
        (status = 200, description = "The answer", content((Completion = "application/json"), (ChunkStream = "text/event-stream"))),
        (status = "4XX", description = "The request was rejected", body = OpenAiError),
        (status = "5XX", description = "The request failed", body = OpenAiError),
    )
)]
pub(crate) async fn completions(
    State(app): State<AppState>,
    language: Language,
    Extension(reporter): Extension<ErrorReporter>,
    JsonBody(request): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    let delivery = request.delivery();
    let stream = start_stream(&app, request.into_raw_request(&app).await).await?;
    respond(stream, Form::Text, delivery, reporter, language).await
}

async fn start_stream(app: &AppState, request: Result<RawRequest, ApiError>) -> Result<RawStream, ApiError> {
    Ok(app.assistant.stream_raw(request?).await?)
}

/// The response in the requested delivery: streamed or complete.
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
    let answer = response::collect(stream).await?;
    Ok(match form {
        Form::Chat => Json(ChatCompletion::new(id, answer)).into_response(),
        Form::Text => Json(Completion::new(id, answer)).into_response(),
    })
}

/// Schemas of `/v1` that no route refers to: the chunks of streams.
#[derive(OpenApi)]
#[openapi(components(schemas(response::Chunk, response::ChatChunk)))]
pub(crate) struct Schemas;
