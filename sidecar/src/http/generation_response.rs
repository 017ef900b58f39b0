//! What generation endpoints return beside the answer: request and model ids, token usage, timings and context usage.

use serde::Serialize;
use utoipa::ToSchema;

use crate::assistant::generate::{GenerationResult, GenerationStart};
use crate::store::Finish;

/// The `metadata` of a stream's `start` event.
#[derive(Debug, Serialize)]
pub(crate) struct StreamStart<'a> {
    request_id: &'a str,
    conversation_id: &'a str,
    message_id: &'a str,
    model_used: &'a str,
    backend: &'a str,
}

impl<'a> StreamStart<'a> {
    /// The metadata of an accepted request.
    pub(crate) fn new(start: &'a GenerationStart, request_id: &'a str) -> Self {
        Self {
            request_id,
            conversation_id: &start.conversation_id,
            message_id: &start.message_id,
            model_used: &start.identity.model,
            backend: start.identity.backend.as_str(),
        }
    }
}

/// Metadata of a completed answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Additions)]
pub(crate) struct ResponseMetadata {
    /// The request id, also sent in the header `X-Request-ID`.
    request_id: String,
    /// The model that generated the answer.
    model_used: String,
    /// Where the model ran: `local` or `remote`.
    backend: &'static str,
    /// Whether the answer comes from the response cache.
    cached: bool,
    token_usage: TokenUsage,
    /// Seconds from the request to the last token.
    processing_time: f64,
    /// Why generation ended: `stop`, `length` or `cancelled`.
    finish_reason: Finish,
    context: ContextInfo,
    /// The conversation that contains the message.
    conversation_id: String,
    /// The message's id.
    message_id: String,
    /// Generated tokens per second, measured from the first token.
    tokens_per_second: Option<f64>,
    /// Seconds from the request to the first token.
    time_to_first_token: Option<f64>,
    /// The complete answer as markdown.
    answer: String,
}

impl ResponseMetadata {
    /// The metadata of a completed answer.
    pub(crate) fn new(start: &GenerationStart, outcome: &GenerationResult, request_id: &str) -> Self {
        let total_tokens = outcome.prompt_tokens + outcome.completion_tokens;
        Self {
            request_id: request_id.to_owned(),
            model_used: start.identity.model.clone(),
            backend: start.identity.backend.as_str(),
            cached: outcome.cached,
            token_usage: TokenUsage {
                prompt_tokens: outcome.prompt_tokens,
                completion_tokens: outcome.completion_tokens,
                total_tokens,
            },
            processing_time: outcome.processing_time,
            finish_reason: outcome.finish,
            context: ContextInfo::of_conversation(total_tokens, outcome.limit, outcome.dropped),
            conversation_id: start.conversation_id.clone(),
            message_id: start.message_id.clone(),
            tokens_per_second: outcome.tokens_per_second,
            time_to_first_token: outcome.time_to_first_token,
            answer: outcome.answer.clone(),
        }
    }
}

/// Token usage of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenUsage {
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    pub total_tokens: usize,
}

/// Context usage of a request, and what was truncated to fit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Context)]
pub(crate) struct ContextInfo {
    /// Tokens of prompt and answer.
    pub used: usize,
    /// The context size in tokens; null if a remote server does not report it.
    pub limit: Option<usize>,
    /// What was truncated from the prompt to fit the context, in words. The question itself is never truncated.
    pub dropped: Vec<String>,
    /// Earlier messages of the conversation that were left out of the prompt.
    pub dropped_messages: usize,
}

impl ContextInfo {
    /// The context usage of a conversation from which `dropped_messages` earlier messages were left out.
    fn of_conversation(used: usize, limit: Option<usize>, dropped_messages: usize) -> Self {
        let dropped = match dropped_messages {
            0 => Vec::new(),
            1 => vec!["1 earlier message".into()],
            more => vec![format!("{more} earlier messages")],
        };
        Self { used, limit, dropped, dropped_messages }
    }
}
