//! Answers in OpenAI's format: complete answers, and the schemas of stream chunks.

use engine::FinishReason;
use serde::Serialize;
use utoipa::ToSchema;

use crate::assistant::raw::{RawEnd, RawEvent, RawStream};
use crate::http::error::ApiError;
use crate::inference::ModelIdentity;

/// A complete chat answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatCompletion {
    id: String,
    /// Always `chat.completion`.
    #[schema(example = "chat.completion")]
    object: &'static str,
    /// Unix time in seconds.
    created: i64,
    /// The model that generated the answer, whatever name the request has in `model`.
    model: String,
    /// Where the model ran: `local` or `remote`.
    backend: &'static str,
    /// Exactly one answer.
    choices: [ChatChoice; 1],
    usage: Usage,
}

/// One answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatChoice {
    index: u32,
    message: AssistantMessage,
    /// Always null.
    logprobs: Option<bool>,
    /// `stop` or `length`.
    finish_reason: &'static str,
}

/// The message that the model generated.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssistantMessage {
    /// Always `assistant`.
    #[schema(example = "assistant")]
    role: &'static str,
    content: String,
}

/// A complete text completion.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TextCompletion)]
pub(crate) struct Completion {
    id: String,
    /// Always `text_completion`.
    #[schema(example = "text_completion")]
    object: &'static str,
    /// Unix time in seconds.
    created: i64,
    /// The model that generated the answer, whatever name the request has in `model`.
    model: String,
    /// Where the model ran: `local` or `remote`.
    backend: &'static str,
    /// Exactly one answer.
    choices: [TextChoice; 1],
    usage: Usage,
    /// What was truncated from the prompt to fit the context, in words.
    dropped: Vec<String>,
}

/// One text completion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TextChoice {
    index: u32,
    text: String,
    /// Always null.
    logprobs: Option<bool>,
    /// `stop` or `length`.
    finish_reason: &'static str,
}

/// Token usage of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    /// Absent if unknown: a stop sequence ended the answer before the model reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<PromptTokensDetails>,
}

/// Details of the prompt tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PromptTokensDetails {
    /// Prompt tokens that were served from the KV cache.
    cached_tokens: usize,
}

impl From<RawEnd> for Usage {
    fn from(end: RawEnd) -> Self {
        Self {
            prompt_tokens: end.prompt_tokens,
            completion_tokens: end.completion_tokens,
            total_tokens: end.prompt_tokens + end.completion_tokens,
            prompt_tokens_details: end.reused_tokens.map(|cached_tokens| PromptTokensDetails { cached_tokens }),
        }
    }
}

/// One event of a chat stream. The first chunk has the role. The last one has `finish_reason`; with
/// `stream_options.include_usage`, one more chunk without choices has `usage`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatChunk {
    id: String,
    /// Always `chat.completion.chunk`.
    object: String,
    created: i64,
    model: String,
    backend: String,
    choices: Vec<ChatDelta>,
    usage: Option<Usage>,
}

/// The choice of a chat chunk.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatDelta {
    index: u32,
    delta: Delta,
    finish_reason: Option<String>,
}

/// Part of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delta {
    role: Option<String>,
    content: Option<String>,
}

/// One event of a text completion stream. With `stream_options.include_usage`, the last chunk has `usage`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TextChunk)]
pub(crate) struct Chunk {
    id: String,
    /// Always `text_completion`.
    object: String,
    created: i64,
    model: String,
    backend: String,
    choices: Vec<TextDelta>,
    usage: Option<Usage>,
}

/// Part of a text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TextDelta {
    index: u32,
    text: String,
    finish_reason: Option<String>,
}

/// A complete answer.
pub(crate) struct Collected {
    identity: ModelIdentity,
    text: String,
    end: RawEnd,
    dropped: usize,
}

/// Collects a stream into a complete answer.
///
/// # Errors
/// The error that ended the stream.
pub(crate) async fn collect(mut stream: RawStream) -> Result<Collected, ApiError> {
    let mut text = String::new();
    loop {
        match stream.next().await {
            RawEvent::Text(piece) => text += &piece,
            RawEvent::Done(end) => {
                return Ok(Collected { identity: stream.identity, text, end, dropped: stream.dropped });
            }
            RawEvent::Failed(error) => return Err(error.into()),
        }
    }
}

impl ChatCompletion {
    /// The response with a complete answer.
    pub(crate) fn new(id: String, answer: Collected) -> Self {
        let message = AssistantMessage { role: "assistant", content: answer.text };
        Self {
            id,
            object: "chat.completion",
            created: now(),
            model: answer.identity.model,
            backend: answer.identity.backend.as_str(),
            choices: [ChatChoice {
                index: 0,
                message,
                logprobs: None,
                finish_reason: finish_reason(answer.end.finish),
            }],
            usage: answer.end.into(),
        }
    }
}

impl Completion {
    /// The response with a complete answer.
    pub(crate) fn new(id: String, answer: Collected) -> Self {
        let finish_reason = finish_reason(answer.end.finish);
        Self {
            id,
            object: "text_completion",
            created: now(),
            model: answer.identity.model,
            backend: answer.identity.backend.as_str(),
            choices: [TextChoice { index: 0, text: answer.text, logprobs: None, finish_reason }],
            usage: answer.end.into(),
            dropped: dropped(answer.dropped),
        }
    }
}

/// What was truncated from a fill-in-the-middle prompt, in words.
pub(crate) fn dropped(ends: usize) -> Vec<String> {
    (ends > 0).then(|| "the far ends of prompt and suffix".to_owned()).into_iter().collect()
}

/// OpenAI's `finish_reason`.
pub(crate) fn finish_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    }
}

/// Unix time in seconds.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
