//! Bodies of `/v1/chat/completions` and `/v1/completions`, and their validation.

use engine::{EosPolicy, Priority, Prompt, Request, Role, Sampling, Speculation};
use serde::Deserialize;
use utoipa::ToSchema;

use super::stream::Delivery;
use super::string_or_array::{Content, StringOrArray};
use crate::assistant::generate::ModelType;
use crate::assistant::raw::RawRequest;
use crate::base::i18n::LocalizedText;
use crate::base::validation::ValidationErrors;
use crate::http::error::ApiError;
use crate::http::state::AppState;

/// 2^53 - 1: the largest integer that every JSON parser reads exactly.
const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// Maximum of `max_tokens`; no context is that large.
const MAX_TOKENS: u32 = 2_147_483_647;

/// Text completions of at most this many tokens come from editors while the user types, so that they get the priority of
/// completions.
const MAX_EDITOR_COMPLETION: u32 = 64;

/// Maximum number of stop sequences.
pub(crate) const MAX_STOPS: usize = 4;

/// The body of `POST /v1/chat/completions`. Other fields, such as penalties, are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ChatRequest {
    /// The messages of the conversation, oldest first.
    #[schema(min_items = 1)]
    messages: Vec<ChatMessage>,
    /// Must be empty: function calling is not supported.
    #[schema(max_items = 0)]
    tools: Option<Vec<Tool>>,
    /// The format of the answer.
    #[expect(dead_code, reason = "there is only one format")]
    response_format: Option<ResponseFormat>,
    /// Maximum number of generated tokens; limited by the context only if absent.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`. If both are present, this one applies.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    max_tokens: Option<u32>,
    /// Ignored: the configured model serves the request.
    #[schema(example = "default")]
    #[expect(dead_code, reason = "the configured model serves every request")]
    model: Option<String>,
    /// Sampling temperature; 0 always selects the most likely token. 1 if absent.
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f32>,
    /// Nucleus sampling: samples from the most likely tokens whose probabilities sum up to this. 1 if absent.
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f32>,
    /// Number of answers; must be 1.
    #[schema(minimum = 1, maximum = 1)]
    n: Option<u32>,
    /// Stop sequences, at most 4. The answer ends before the first one that occurs.
    #[schema(schema_with = StringOrArray::stop)]
    stop: Option<StringOrArray>,
    /// Seed of the sampler: the same seed, prompt and model give the same answer. Random if absent.
    #[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    seed: Option<i64>,
    /// Must be false: log probabilities are not supported.
    #[schema(schema_with = must_be_false)]
    logprobs: Option<bool>,
    /// Whether to stream the answer as server-sent events.
    stream: Option<bool>,
    /// Options of the stream.
    stream_options: Option<StreamOptions>,
    /// Whether to ignore the end-of-sequence token and generate up to `max_tokens`, for benchmarks.
    ignore_eos: Option<bool>,
    /// Whether to use speculative decoding (prompt lookup). It changes the speed of the answer, not its text. True if absent.
    drafts: Option<bool>,
    /// Priority of the request; if absent, `completion` for fill-in-the-middle and for text completions of at most 64 tokens,
    /// otherwise `chat`.
    lane: Option<RequestedPriority>,
}

/// The body of `POST /v1/completions`. Other fields, such as penalties, are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TextCompletionRequest)]
pub(crate) struct CompletionRequest {
    /// The text to continue, as a string or an array of one string. An empty text is replaced by a newline.
    #[schema(schema_with = StringOrArray::prompt)]
    prompt: StringOrArray,
    /// The text after the gap, for models that support fill-in-the-middle.
    suffix: Option<String>,
    /// Must be false: repeating the prompt is not supported.
    #[schema(schema_with = must_be_false)]
    echo: Option<bool>,
    /// Maximum number of generated tokens; limited by the context only if absent.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    max_tokens: Option<u32>,
    /// Ignored: the configured model serves the request.
    #[schema(example = "default")]
    #[expect(dead_code, reason = "the configured model serves every request")]
    model: Option<String>,
    /// Sampling temperature; 0 always selects the most likely token. 1 if absent.
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f32>,
    /// Nucleus sampling: samples from the most likely tokens whose probabilities sum up to this. 1 if absent.
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f32>,
    /// Number of answers; must be 1.
    #[schema(minimum = 1, maximum = 1)]
    n: Option<u32>,
    /// Stop sequences, at most 4. The answer ends before the first one that occurs.
    #[schema(schema_with = StringOrArray::stop)]
    stop: Option<StringOrArray>,
    /// Seed of the sampler: the same seed, prompt and model give the same answer. Random if absent.
    #[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    seed: Option<i64>,
    /// Must be null: log probabilities are not supported.
    #[schema(schema_with = must_be_null)]
    logprobs: Option<u32>,
    /// Whether to stream the answer as server-sent events.
    stream: Option<bool>,
    /// Options of the stream.
    stream_options: Option<StreamOptions>,
    /// Whether to ignore the end-of-sequence token and generate up to `max_tokens`, for benchmarks.
    ignore_eos: Option<bool>,
    /// Whether to use speculative decoding (prompt lookup). It changes the speed of the answer, not its text. True if absent.
    drafts: Option<bool>,
    /// Priority of the request; if absent, `completion` for fill-in-the-middle and for text completions of at most 64 tokens,
    /// otherwise `chat`.
    lane: Option<RequestedPriority>,
}

/// One message of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ChatMessage {
    role: ChatRole,
    /// The text of the message, as a string or an array of text parts.
    content: Option<Content>,
}

/// The author of a message.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// Instructions.
    System,
    /// Another name for `system`.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
}

/// Options of a stream.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct StreamOptions {
    /// Whether the last chunk has the token usage.
    include_usage: Option<bool>,
}

/// The format of the answer.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ResponseFormat {
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "there is only one format")]
    kind: FormatType,
}

/// The only format of an answer.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FormatType {
    /// Text.
    Text,
}

/// A function. Function calling is not supported.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Tool {
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "function calling is not supported")]
    kind: String,
}

/// The parameters that both bodies have.
struct SharedParams {
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    n: Option<u32>,
    stop: Option<StringOrArray>,
    seed: Option<i64>,
    ignore_eos: Option<bool>,
    drafts: Option<bool>,
    priority: Option<RequestedPriority>,
}

/// Priority of a request. Higher priorities are scheduled first; the lower ones keep a share.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Lane)]
pub enum RequestedPriority {
    /// The user waits for a completion while typing.
    Completion,
    /// The user reads the answer while it is generated.
    Chat,
    /// No user waits for the answer.
    Background,
}

impl From<RequestedPriority> for Priority {
    fn from(priority: RequestedPriority) -> Self {
        match priority {
            RequestedPriority::Completion => Self::Completion,
            RequestedPriority::Chat => Self::Chat,
            RequestedPriority::Background => Self::Background,
        }
    }
}

impl ChatRequest {
    /// How the answer is delivered.
    pub(crate) fn delivery(&self) -> Delivery {
        delivery(self.stream, self.stream_options.as_ref())
    }

    /// Validates the body.
    ///
    /// # Errors
    /// Invalid or unsupported fields, or no available model.
    pub(crate) async fn into_raw_request(self, app: &AppState) -> Result<RawRequest, ApiError> {
        let mut invalid = ValidationErrors::default();
        if self.messages.is_empty() {
            invalid.add("messages", LocalizedText::new("비어 있을 수 없습니다", "must not be empty"));
        }
        if self.tools.is_some_and(|tools| !tools.is_empty()) {
            invalid
                .add("tools", LocalizedText::new("함수 호출은 지원하지 않습니다", "function calling is not supported"));
        }
        if self.logprobs == Some(true) {
            reject_logprobs(&mut invalid);
        }
        invalid.in_range("max_completion_tokens", self.max_completion_tokens, 1, MAX_TOKENS);
        let mut messages = Vec::with_capacity(self.messages.len());
        for (index, message) in self.messages.into_iter().enumerate() {
            let text = message.content.map_or(Ok(String::new()), Content::into_text);
            let text = text.unwrap_or_else(|part| {
                let problem = LocalizedText::new("텍스트만 지원합니다", "only text is supported");
                invalid.add(format!("messages[{index}].content[{part}]"), problem);
                String::new()
            });
            messages.push(engine::ChatMessage::new(message.role.into(), text));
        }
        let params = SharedParams {
            max_tokens: self.max_tokens,
            max_completion_tokens: self.max_completion_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            n: self.n,
            stop: self.stop,
            seed: self.seed,
            ignore_eos: self.ignore_eos,
            drafts: self.drafts,
            priority: self.lane,
        };
        params.into_raw_request(app, invalid, ModelType::CodeGeneration, Prompt::Chat(messages)).await
    }
}

impl CompletionRequest {
    /// How the answer is delivered.
    pub(crate) fn delivery(&self) -> Delivery {
        delivery(self.stream, self.stream_options.as_ref())
    }

    /// Validates the body.
    ///
    /// # Errors
    /// Invalid or unsupported fields, or no available model.
    pub(crate) async fn into_raw_request(self, app: &AppState) -> Result<RawRequest, ApiError> {
        let mut invalid = ValidationErrors::default();
        if self.echo == Some(true) {
            invalid.add("echo", LocalizedText::new("false여야 합니다", "must be false"));
        }
        if self.logprobs.is_some() {
            reject_logprobs(&mut invalid);
        }
        let prompt = self.prompt.one().unwrap_or_else(|| {
            invalid.add("prompt", LocalizedText::new("문자열 하나여야 합니다", "must be one string"));
            String::new()
        });
        let suffix = self.suffix.filter(|suffix| !suffix.is_empty());
        if suffix.is_some() && !app.assistant.router.select(Priority::Completion).await?.model.supports_fim {
            let problem = LocalizedText::new(
                "이 모델은 FIM(중간 채우기)을 지원하지 않습니다",
                "this model does not support fill-in-the-middle",
            );
            invalid.add("suffix", problem);
        }
        let (kind, prompt) = match suffix {
            Some(suffix) => {
                (ModelType::CodeCompletion, Prompt::Fim { files: Vec::new(), path: None, prefix: prompt, suffix })
            }
            None if prompt.is_empty() => (ModelType::CodeGeneration, Prompt::Text("\n".into())),
            None => (ModelType::CodeGeneration, Prompt::Text(prompt)),
        };
        let params = SharedParams {
            max_tokens: self.max_tokens,
            max_completion_tokens: None,
            temperature: self.temperature,
            top_p: self.top_p,
            n: self.n,
            stop: self.stop,
            seed: self.seed,
            ignore_eos: self.ignore_eos,
            drafts: self.drafts,
            priority: self.lane,
        };
        params.into_raw_request(app, invalid, kind, prompt).await
    }
}

impl SharedParams {
    async fn into_raw_request(
        self,
        app: &AppState,
        mut invalid: ValidationErrors,
        kind: ModelType,
        prompt: Prompt,
    ) -> Result<RawRequest, ApiError> {
        let temperature = invalid.in_range("temperature", self.temperature, 0.0, 2.0).unwrap_or(1.0);
        let top_p = invalid.in_range("top_p", self.top_p, 0.0, 1.0).unwrap_or(1.0);
        invalid.in_range("n", self.n, 1, 1);
        invalid.in_range("max_tokens", self.max_tokens, 1, MAX_TOKENS);
        invalid.in_range("seed", self.seed, -MAX_SAFE_INTEGER, MAX_SAFE_INTEGER);
        let stops = self.stop.map(StringOrArray::all).unwrap_or_default();
        invalid.max_items("stop", stops.len(), MAX_STOPS);
        invalid.into_result()?;
        let seed = self.seed.map_or_else(|| getrandom::u32().unwrap_or(0), low_half);
        let max_tokens = self.max_tokens.or(self.max_completion_tokens);
        let from_editor =
            matches!(prompt, Prompt::Text(_)) && max_tokens.is_some_and(|max| max <= MAX_EDITOR_COMPLETION);
        let priority = match self.priority {
            Some(priority) => priority.into(),
            None if from_editor || kind == ModelType::CodeCompletion => Priority::Completion,
            None => Priority::Chat,
        };
        let target = app.assistant.router.select(priority).await?;
        // An answer is never longer than the context.
        let context = target.model.context.unwrap_or(u32::MAX);
        let max_tokens = max_tokens.map_or(context, |max| max.min(context));
        let mut request = Request::new(prompt, Sampling { temperature, top_p, seed }, max_tokens);
        request.priority = priority;
        if self.drafts.unwrap_or(true) {
            request.speculation = Speculation::PromptLookup;
        }
        if self.ignore_eos == Some(true) {
            request.eos_policy = EosPolicy::Ignore;
        }
        Ok(RawRequest { kind, target, request, stop: stops })
    }
}

impl From<ChatRole> for Role {
    fn from(role: ChatRole) -> Self {
        match role {
            ChatRole::System | ChatRole::Developer => Self::System,
            ChatRole::User => Self::User,
            ChatRole::Assistant => Self::Assistant,
        }
    }
}

fn delivery(stream: Option<bool>, options: Option<&StreamOptions>) -> Delivery {
    match (stream, options.and_then(|options| options.include_usage)) {
        (Some(true), Some(true)) => Delivery::ChunksWithUsage,
        (Some(true), _) => Delivery::Chunks,
        _ => Delivery::Full,
    }
}

fn reject_logprobs(invalid: &mut ValidationErrors) {
    let problem = LocalizedText::new("logprobs는 지원하지 않습니다", "logprobs are not supported");
    invalid.add("logprobs", problem);
}

/// The seed of the engine: the low 32 of the 64 bits that OpenAI accepts.
fn low_half(seed: i64) -> u32 {
    (seed & i64::from(u32::MAX)) as u32
}

/// Schema of a flag that must be false or null.
fn must_be_false() -> utoipa::openapi::schema::Object {
    use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
    let kinds = SchemaType::Array(vec![Type::Boolean, Type::Null]);
    ObjectBuilder::new().schema_type(kinds).enum_values(Some([Some(false), None])).build()
}

/// Schema of a field that must be null.
fn must_be_null() -> utoipa::openapi::schema::Object {
    use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null)).build()
}
