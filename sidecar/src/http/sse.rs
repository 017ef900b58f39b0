//! Streams a generation as server-sent events. Each event is `data: <JSON on one line>` and an empty line, flushed at once.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answer_review;
use super::error::ApiError;
use super::generation_response::{ResponseMetadata, StreamStart};
use crate::assistant::generate::{Event, Generation, GenerationRequest};
use crate::base::i18n::Language;
use crate::http::middleware::request_log::{ErrorReporter, ResponseError};

/// Keep-alive interval: a stream without events for this long gets an empty `token` event.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The type of a stream event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FrameType)]
pub(crate) enum FrameType {
    /// The request was accepted.
    Start,
    /// Keep-alive; `content` is empty.
    Token,
    /// Part of the code.
    Code,
    /// Part of the explanation.
    Explanation,
    /// The answer is complete.
    Done,
    /// Generation failed.
    Error,
}

/// One event of a generation stream.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Frame {
    /// The type of the event.
    #[serde(rename = "type")]
    kind: FrameType,
    /// The text of a `code` or `explanation` event.
    content: String,
    /// Number of the event in its stream, from 0 without gaps.
    sequence: u64,
    /// When the event was sent, RFC 3339.
    timestamp: String,
    /// `start` and `done`: metadata of the answer. `error`: the error body. First `code` event of a code block: the block's
    /// number and language. Otherwise null.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    metadata: Option<Value>,
}

/// A stream of server-sent events. Events have only a `data` field.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "schema of what `encode` writes")]
pub(crate) struct EventStream {
    /// One event: a `Frame` as JSON on one line.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// State of a stream, with the number of the next event.
enum State {
    Start(Box<Generation>),
    Streaming(Box<Generation>, u64),
    Finished,
}

/// The response that streams `generation`. When the client disconnects, the body is dropped, which cancels the generation.
pub(crate) fn response(generation: Generation, reporter: ErrorReporter, language: Language) -> Response {
    stream(generation, None, reporter, language)
}

/// The response that streams `generation`, the answer to `request`, and adds the checks of its code to the `done` event.
pub(crate) fn with_review(
    generation: Generation,
    request: GenerationRequest,
    reporter: ErrorReporter,
    language: Language,
) -> Response {
    stream(generation, Some(request), reporter, language)
}

fn stream(
    generation: Generation,
    request: Option<GenerationRequest>,
    reporter: ErrorReporter,
    language: Language,
) -> Response {
    let frames = stream::unfold(State::Start(Box::new(generation)), move |state| {
        let (reporter, request) = (reporter.clone(), request.clone());
        async move {
            match state {
                State::Start(generation) => {
                    let start = StreamStart::new(&generation.start, &reporter.request_id);
                    let bytes = encode(FrameType::Start, String::new(), 0, Some(json(&start)));
                    Some((bytes, State::Streaming(generation, 1)))
                }
                State::Streaming(mut generation, sequence) => {
                    let (kind, content, metadata) = next(&mut generation, request, &reporter, language).await;
                    let last = matches!(kind, FrameType::Done | FrameType::Error);
                    let state = if last { State::Finished } else { State::Streaming(generation, sequence + 1) };
                    Some((encode(kind, content, sequence, metadata), state))
                }
                State::Finished => None,
            }
        }
    });
    events(frames)
}

/// The response that sends `frames` as server-sent events, each as soon as it is available.
pub(crate) fn events(frames: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}

async fn next(
    generation: &mut Generation,
    request: Option<GenerationRequest>,
    reporter: &ErrorReporter,
    language: Language,
) -> (FrameType, String, Option<Value>) {
    let Ok(event) = tokio::time::timeout(KEEP_ALIVE, generation.next()).await else {
        return (FrameType::Token, String::new(), None);
    };
    match event {
        Event::Code { text, opens } => (FrameType::Code, text, opens.as_ref().map(json)),
        Event::Explanation(text) => (FrameType::Explanation, text, None),
        Event::Done(outcome) => {
            let mut metadata = json(&ResponseMetadata::new(&generation.start, &outcome, &reporter.request_id));
            if let Some(request) = request {
                let (review, _) = answer_review::review(request, *outcome).await;
                merge(&mut metadata, json(&review));
            }
            (FrameType::Done, String::new(), Some(metadata))
        }
        Event::Failed(error) => {
            let problem = ApiError::from(error).report(language);
            reporter.report(ResponseError { code: problem.error_code, incident_id: problem.incident_id() });
            (FrameType::Error, String::new(), Some(json(&problem)))
        }
    }
}

fn encode(kind: FrameType, content: String, sequence: u64, metadata: Option<Value>) -> Result<Bytes, Infallible> {
    let timestamp = jiff::Timestamp::now().to_string();
    let frame = Frame { kind, content, sequence, timestamp, metadata };
    let line = serde_json::to_string(&frame).expect("a frame has string keys and finite numbers");
    Ok(Bytes::from(format!("data: {line}\n\n")))
}

/// Adds the fields of one object to another.
fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("these types have string keys and finite numbers")
}
