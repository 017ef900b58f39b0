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
use self::stream::{ChunkStream, Form, Heard};
use super::error::Rejection;
use super::extract::Body;
use super::state::App;
use crate::assistant::raw::{Speech, Wish};
use crate::base::i18n::Language;
use crate::error::Error;
use crate::http::middleware::request_log::Witness;

pub use self::errors::{OpenAiError, translated};
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
    State(app): State<App>,
    language: Language,
    Extension(witness): Extension<Witness>,
    Body(request): Body<ChatRequest>,
) -> Result<Response, Rejection> {
    let heard = request.heard();
    let speech = begin(&app, request.wish(&app).await).await.map_err(language.rejection())?;
    respond(speech, Form::Chat, heard, witness, language).await
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
    State(app): State<App>,
    language: Language,
    Extension(witness): Extension<Witness>,
    Body(request): Body<CompletionRequest>,
) -> Result<Response, Rejection> {
    let heard = request.heard();
    let speech = begin(&app, request.wish(&app).await).await.map_err(language.rejection())?;
    respond(speech, Form::Text, heard, witness, language).await
}

async fn begin(app: &App, wish: Result<Wish, Error>) -> Result<Speech, Error> {
    app.speak(wish?).await
}

/// The answer as it was asked for: piece by piece, or whole.
async fn respond(
    speech: Speech,
    form: Form,
    heard: Heard,
    witness: Witness,
    language: Language,
) -> Result<Response, Rejection> {
    if heard != Heard::Whole {
        return Ok(stream::response(speech, form, heard, witness, language));
    }
    let id = form.id();
    let whole = answer::whole(speech).await.map_err(language.rejection())?;
    Ok(match form {
        Form::Chat => Json(ChatCompletion::new(id, whole)).into_response(),
        Form::Text => Json(Completion::new(id, whole)).into_response(),
    })
}

/// The schemas of this tongue.
#[derive(OpenApi)]
#[openapi(components(schemas(answer::Chunk, answer::ChatChunk)))]
pub struct Schemas;
