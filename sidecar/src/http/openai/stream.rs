//! Streams in OpenAI's format: one chunk for each delta, and `[DONE]`. The constant parts of a chunk are serialized once.

use std::convert::Infallible;
use std::io::Write;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::errors::OpenAiError;
use super::response::{Usage, dropped, finish_reason, now};
use crate::assistant::raw::{RawEnd, RawEvent, RawStream};
use crate::base::i18n::Language;
use crate::http::error::ApiError;
use crate::http::middleware::request_log::{ErrorReporter, ResponseError};

/// The kind of answer: a chat message or a text completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A chat message.
    Chat,
    /// A text completion.
    Text,
}

impl Form {
    /// A new id for an answer.
    pub(crate) fn id(self) -> String {
        let prefix = if self == Self::Chat { "chatcmpl" } else { "cmpl" };
        format!("{prefix}-{}", Uuid::new_v4().simple())
    }
}

/// How the client receives an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// In one response.
    Full,
    /// As a stream of chunks.
    Chunks,
    /// As a stream of chunks, the last of which has the token usage.
    ChunksWithUsage,
}

/// A stream of chunks as server-sent events. Events have only a `data` field.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "schema of what `Frames` writes")]
pub(crate) struct ChunkStream {
    /// One event: a `ChatChunk` or `TextChunk` as JSON on one line, an object with `error` if generation fails, or `[DONE]` as
    /// the last.
    data: String,
}

/// State of a stream.
enum State {
    Start(Box<RawStream>, Frames),
    Streaming(Box<RawStream>, Frames),
    Finished,
}

/// The response that streams `answer`. When the client disconnects, the body is dropped, which cancels the request.
pub(crate) fn response(
    answer: RawStream,
    form: Form,
    delivery: Delivery,
    reporter: ErrorReporter,
    language: Language,
) -> Response {
    let frames = Frames::new(&answer, form, delivery);
    let start = match form {
        Form::Chat => State::Start(Box::new(answer), frames),
        Form::Text => State::Streaming(Box::new(answer), frames),
    };
    let chunks = stream::unfold((start, reporter), move |(state, reporter)| async move {
        let (bytes, state) = match state {
            State::Start(answer, frames) => (frames.role(), State::Streaming(answer, frames)),
            State::Streaming(mut answer, frames) => match answer.next().await {
                RawEvent::Text(text) => (frames.text(&text), State::Streaming(answer, frames)),
                RawEvent::Done(end) => (frames.end(end, answer.dropped), State::Finished),
                RawEvent::Failed(error) => (failed(error.into(), &reporter, language), State::Finished),
            },
            State::Finished => return None,
        };
        Some((Ok::<_, Infallible>(Bytes::from(bytes)), (state, reporter)))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(chunks)).into_response()
}

/// The constant parts of the chunks of an answer, serialized in advance: a delta costs its own escaping and one copy.
struct Frames {
    form: Form,
    delivery: Delivery,
    /// Up to the choices.
    head: String,
    /// From the head to the text.
    before: &'static str,
    /// From the text to the end of the frame.
    after: &'static str,
}

impl Frames {
    fn new(answer: &RawStream, form: Form, delivery: Delivery) -> Self {
        let (object, before, after) = match (form, delivery == Delivery::ChunksWithUsage) {
            (Form::Chat, usage) => (
                "chat.completion.chunk",
                r#"[{"index":0,"delta":{"content":"#,
                if usage {
                    "},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n"
                } else {
                    "},\"logprobs\":null,\"finish_reason\":null}]}\n\n"
                },
            ),
            (Form::Text, usage) => (
                "text_completion",
                r#"[{"index":0,"text":"#,
                if usage {
                    ",\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n"
                } else {
                    ",\"logprobs\":null,\"finish_reason\":null}]}\n\n"
                },
            ),
        };
        let (id, model) = (json!(form.id()), json!(answer.identity.model));
        let (created, backend) = (now(), answer.identity.backend.as_str());
        let head = format!(
            r#"data: {{"id":{id},"object":"{object}","created":{created},"model":{model},"backend":"{backend}","choices":"#
        );
        Self { form, delivery, head, before, after }
    }

    /// The chunk of a text delta.
    fn text(&self, text: &str) -> Vec<u8> {
        let size = self.head.len() + self.before.len() + self.after.len() + text.len() + 16;
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(self.head.as_bytes());
        bytes.extend_from_slice(self.before.as_bytes());
        serde_json::to_writer(&mut bytes, text).expect("text can be written to memory");
        bytes.extend_from_slice(self.after.as_bytes());
        bytes
    }

    /// The first chunk of a chat message, with its role.
    fn role(&self) -> Vec<u8> {
        let delta = json!({"role": "assistant", "content": ""});
        self.chunk(&json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]), &[])
    }

    /// The last chunks: finish reason, token usage if requested, and `[DONE]`.
    fn end(&self, end: RawEnd, ends_dropped: usize) -> Vec<u8> {
        let finish_reason = finish_reason(end.finish);
        let choice = match self.form {
            Form::Chat => json!({"index": 0, "delta": {}, "logprobs": null, "finish_reason": finish_reason}),
            Form::Text => json!({"index": 0, "text": "", "logprobs": null, "finish_reason": finish_reason}),
        };
        let dropped = dropped(ends_dropped);
        let more = if dropped.is_empty() { vec![] } else { vec![("dropped", json!(dropped))] };
        let mut bytes = self.chunk(&json!([choice]), &more);
        if self.delivery == Delivery::ChunksWithUsage {
            bytes.extend(self.chunk(&json!([]), &[("usage", json!(Usage::from(end)))]));
        }
        bytes.extend_from_slice(b"data: [DONE]\n\n");
        bytes
    }

    fn chunk(&self, choices: &Value, more: &[(&str, Value)]) -> Vec<u8> {
        let mut bytes = format!("{}{choices}", self.head).into_bytes();
        for (name, value) in more {
            write!(bytes, ",\"{name}\":{value}").expect("memory can be written to");
        }
        if self.delivery == Delivery::ChunksWithUsage && !more.iter().any(|(name, _)| *name == "usage") {
            bytes.extend_from_slice(b",\"usage\":null");
        }
        bytes.extend_from_slice(b"}\n\n");
        bytes
    }
}

/// The last event of a stream that failed.
fn failed(error: ApiError, reporter: &ErrorReporter, language: Language) -> Vec<u8> {
    let problem = error.report(language);
    reporter.report(ResponseError { code: problem.error_code, incident_id: problem.incident_id() });
    let body = serde_json::to_string(&OpenAiError::from(&problem)).expect("an error has string keys");
    format!("data: {body}\n\n").into_bytes()
}
