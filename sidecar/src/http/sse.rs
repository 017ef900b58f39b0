//! A generation as server-sent events: frames of exactly `data: <JSON on one line>` and an empty line, each flushed at once.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::assistant::generate::{Event, Generation, GenerationRequest};
use crate::base::i18n::Language;
use crate::http::middleware::request_log::{ErrorReporter, ResponseError};
use crate::http::routes::enhanced;
use crate::http::routes::generate::{Additions, StartMetadata};

/// A pause in the stream that asks for a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FrameType)]
pub enum FrameType {
    /// The question was accepted.
    Start,
    /// A sign of life; its content is empty.
    Token,
    /// A piece of the code.
    Code,
    /// A piece of the explanation.
    Explanation,
    /// The answer is whole.
    Done,
    /// The answer breaks off.
    Error,
}

/// One event of a stream.
#[derive(Debug, Serialize, ToSchema)]
pub struct Frame {
    /// RequestFacts kind of event it is.
    #[serde(rename = "type")]
    kind: FrameType,
    /// The text of the piece.
    content: String,
    /// Counts the events of a stream from 0 without gaps.
    sequence: u64,
    /// When it was sent, RFC 3339.
    timestamp: String,
    /// For `start` and `done`, what is known of the answer; for `error`, the error's body; for the first `code` piece of a
    /// block, the block's number and language; otherwise null.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    metadata: Option<Value>,
}

/// A stream of events as its parser sees it: each event has data, and nothing else.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it only describes what `encode` writes")]
pub struct EventStream {
    /// One event: a `Frame` as JSON on one line.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Where a stream is.
enum State {
    Begin(Box<Generation>),
    Middle(Box<Generation>, u64),
    End,
}

/// The response that streams `generation`. When the client goes away, the body is dropped and with it the generation.
pub fn response(generation: Generation, reporter: ErrorReporter, language: Language) -> Response {
    stream(generation, None, reporter, language)
}

/// The response that streams `generation`, an answer to `ask`, and at its end tells what is known of its code.
pub fn with_review(
    generation: Generation,
    ask: GenerationRequest,
    reporter: ErrorReporter,
    language: Language,
) -> Response {
    stream(generation, Some(ask), reporter, language)
}

fn stream(
    generation: Generation,
    ask: Option<GenerationRequest>,
    reporter: ErrorReporter,
    language: Language,
) -> Response {
    let frames = stream::unfold(State::Begin(Box::new(generation)), move |state| {
        let (reporter, ask) = (reporter.clone(), ask.clone());
        async move {
            match state {
                State::Begin(generation) => {
                    let start = StartMetadata::new(&generation.start, &reporter.request_id);
                    let bytes = encode(FrameType::Start, String::new(), 0, Some(json(&start)));
                    Some((bytes, State::Middle(generation, 1)))
                }
                State::Middle(mut generation, sequence) => {
                    let (kind, content, metadata) = next(&mut generation, ask, &reporter, language).await;
                    let last = matches!(kind, FrameType::Done | FrameType::Error);
                    let state = if last { State::End } else { State::Middle(generation, sequence + 1) };
                    Some((encode(kind, content, sequence, metadata), state))
                }
                State::End => None,
            }
        }
    });
    events(frames)
}

/// The response that sends these events, each as soon as it is there.
pub fn events(frames: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}

async fn next(
    generation: &mut Generation,
    ask: Option<GenerationRequest>,
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
            let mut metadata = json(&Additions::new(&generation.start, &outcome, &reporter.request_id));
            if let Some(ask) = ask {
                let (review, _) = enhanced::review(ask, *outcome).await;
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
