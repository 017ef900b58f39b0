//! Answers as OpenAI's API gives them: whole ones, and the chunks of a stream.

use engine::FinishReason;
use serde::Serialize;
use utoipa::ToSchema;

use crate::assistant::raw::{RawEnd, RawEvent, RawStream};
use crate::http::error::ApiError;
use crate::inference::ModelIdentity;

/// The answer to a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletion {
    id: String,
    /// Always `chat.completion`.
    #[schema(example = "chat.completion")]
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    /// The model that answered, whatever the request named.
    model: String,
    /// Where it ran: `local` or `remote`.
    backend: &'static str,
    /// One answer.
    choices: [ChatChoice; 1],
    usage: Usage,
}

/// One answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatChoice {
    index: u32,
    message: AssistantMessage,
    /// Always null.
    logprobs: Option<bool>,
    /// `stop` or `length`.
    finish_reason: &'static str,
}

/// RequestFacts the model said.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssistantMessage {
    /// Always `assistant`.
    #[schema(example = "assistant")]
    role: &'static str,
    content: String,
}

/// How a text goes on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TextCompletion)]
pub struct Completion {
    id: String,
    /// Always `text_completion`.
    #[schema(example = "text_completion")]
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    /// The model that answered, whatever the request named.
    model: String,
    /// Where it ran: `local` or `remote`.
    backend: &'static str,
    /// One answer.
    choices: [TextChoice; 1],
    usage: Usage,
    /// RequestFacts was left out of the prompt for want of room.
    dropped: Vec<String>,
}

/// One way in which a text goes on.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextChoice {
    index: u32,
    text: String,
    /// Always null.
    logprobs: Option<bool>,
    /// `stop` or `length`.
    finish_reason: &'static str,
}

/// RequestFacts an answer cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    /// Absent where it is not known: a stop string has ended the answer before the model could tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<PromptTokensDetails>,
}

/// More about the prompt.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromptTokensDetails {
    /// Tokens that were in the model's memory already.
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

/// One event of a streamed conversation. The first has the role, the last but one has `finish_reason`, and the last has
/// `usage` and no choices, where `stream_options.include_usage` asks for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatChunk {
    id: String,
    /// Always `chat.completion.chunk`.
    object: String,
    created: i64,
    model: String,
    backend: String,
    choices: Vec<ChatDelta>,
    usage: Option<Usage>,
}

/// RequestFacts a chunk adds.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatDelta {
    index: u32,
    delta: Delta,
    finish_reason: Option<String>,
}

/// A piece of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delta {
    role: Option<String>,
    content: Option<String>,
}

/// One event of a streamed text; as with conversations, usage comes last where it is asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TextChunk)]
pub struct Chunk {
    id: String,
    /// Always `text_completion`.
    object: String,
    created: i64,
    model: String,
    backend: String,
    choices: Vec<TextDelta>,
    usage: Option<Usage>,
}

/// A piece of text.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextDelta {
    index: u32,
    text: String,
    finish_reason: Option<String>,
}

/// An answer that is answer.
pub struct Collected {
    identity: ModelIdentity,
    text: String,
    end: RawEnd,
    dropped: usize,
}

/// Hears an answer out.
///
/// # Errors
/// Why it broke off.
pub async fn collect(mut stream: RawStream) -> Result<Collected, ApiError> {
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
    /// Of a whole answer.
    pub fn new(id: String, answer: Collected) -> Self {
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
    /// Of a whole answer.
    pub fn new(id: String, answer: Collected) -> Self {
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

/// RequestFacts was left out of a prompt with a gap, in words.
pub fn dropped(ends: usize) -> Vec<String> {
    (ends > 0).then(|| "the far ends of prompt and suffix".to_owned()).into_iter().collect()
}

/// OpenAI's word for why an answer ended.
pub fn finish_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
