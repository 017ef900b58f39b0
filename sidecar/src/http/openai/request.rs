//! RequestFacts OpenAI's clients ask for, checked once, at the edge.

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

/// The greatest whole number that every JSON parser reads as it is.
const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// Tokens that may be asked for; the context is never so large.
const MAX_TOKENS: u32 = 2_147_483_647;

/// A text that goes on for at most so many tokens is what an editor asks for while somebody types, and goes first.
const SHORT: u32 = 64;

/// Stop strings at most.
pub const STOPS: usize = 4;

/// The body of `POST /v1/chat/completions`. RequestFacts it does not name, such as penalties, is ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatRequest {
    /// The conversation, oldest first.
    #[schema(min_items = 1)]
    messages: Vec<ChatMessage>,
    /// Functions that the model may call: none, for it calls no functions.
    #[schema(max_items = 0)]
    tools: Option<Vec<Tool>>,
    /// The form of the answer.
    #[expect(dead_code, reason = "there is one form only")]
    response_format: Option<ResponseFormat>,
    /// The answer ends after so many tokens; where the model's room ends if absent.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`, which counts where both are there.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    max_tokens: Option<u32>,
    /// Any name: the model that is loaded answers.
    #[schema(example = "default")]
    #[expect(dead_code, reason = "whatever it says, the loaded model answers")]
    model: Option<String>,
    /// 0 takes the likeliest word each time, 2 is wild; 1 if absent.
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f32>,
    /// Only the likeliest words that together have this probability are drawn from; 1 if absent.
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f32>,
    /// Answers to give: one.
    #[schema(minimum = 1, maximum = 1)]
    n: Option<u32>,
    /// The answer ends before the first of these, at most four.
    #[schema(schema_with = StringOrArray::stop)]
    stop: Option<StringOrArray>,
    /// The same seed, prompt and model give the same answer; a random one if absent.
    #[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    seed: Option<i64>,
    /// Probabilities of words are not told.
    #[schema(schema_with = must_be_false)]
    logprobs: Option<bool>,
    /// Whether the answer comes piece by piece.
    stream: Option<bool>,
    /// More about the stream.
    stream_options: Option<StreamOptions>,
    /// Whether the model must go on up to `max_tokens` when it has said all, as benchmarks ask for.
    ignore_eos: Option<bool>,
    /// Whether the answer may be guessed ahead, which changes its speed and not its words; true if absent.
    drafts: Option<bool>,
    /// How urgent it is; if absent, `completion` for gaps and for texts of at most 64 tokens, and `chat` for all else.
    lane: Option<RequestedPriority>,
}

/// The body of `POST /v1/completions`. RequestFacts it does not name, such as penalties, is ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TextCompletionRequest)]
pub struct CompletionRequest {
    /// The text to go on with, also as a list of one text. An empty one begins with an empty line.
    #[schema(schema_with = StringOrArray::prompt)]
    prompt: StringOrArray,
    /// RequestFacts stands after the gap that is to be filled, for models that can fill gaps.
    suffix: Option<String>,
    /// Whether the answer begins with the prompt: no.
    #[schema(schema_with = must_be_false)]
    echo: Option<bool>,
    /// The answer ends after so many tokens; where the model's room ends if absent.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    max_tokens: Option<u32>,
    /// Any name: the model that is loaded answers.
    #[schema(example = "default")]
    #[expect(dead_code, reason = "whatever it says, the loaded model answers")]
    model: Option<String>,
    /// 0 takes the likeliest word each time, 2 is wild; 1 if absent.
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f32>,
    /// Only the likeliest words that together have this probability are drawn from; 1 if absent.
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f32>,
    /// Answers to give: one.
    #[schema(minimum = 1, maximum = 1)]
    n: Option<u32>,
    /// The answer ends before the first of these, at most four.
    #[schema(schema_with = StringOrArray::stop)]
    stop: Option<StringOrArray>,
    /// The same seed, prompt and model give the same answer; a random one if absent.
    #[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    seed: Option<i64>,
    /// Probabilities of words are not told: null.
    #[schema(schema_with = must_be_null)]
    logprobs: Option<u32>,
    /// Whether the answer comes piece by piece.
    stream: Option<bool>,
    /// More about the stream.
    stream_options: Option<StreamOptions>,
    /// Whether the model must go on up to `max_tokens` when it has said all, as benchmarks ask for.
    ignore_eos: Option<bool>,
    /// Whether the answer may be guessed ahead, which changes its speed and not its words; true if absent.
    drafts: Option<bool>,
    /// How urgent it is; if absent, `completion` for gaps and for texts of at most 64 tokens, and `chat` for all else.
    lane: Option<RequestedPriority>,
}

/// One message of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatMessage {
    role: ChatRole,
    /// RequestFacts was said: a text, or a list of parts that are texts.
    content: Option<Content>,
}

/// Who said a message.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// Instructions.
    System,
    /// Another name for `system`.
    Developer,
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// More about a stream.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Whether the stream ends with what the answer cost.
    include_usage: Option<bool>,
}

/// The form of an answer.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ResponseFormat {
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "there is one form only")]
    kind: FormatType,
}

/// The only form of an answer.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormatType {
    /// Text.
    Text,
}

/// A function that the model could call.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Tool {
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "functions are not called")]
    kind: String,
}

/// RequestFacts both bodies have in params.
struct SharedParams {
    max_tokens: Option<u32>,
    /// By its newer name.
    most_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    n: Option<u32>,
    stop: Option<StringOrArray>,
    seed: Option<i64>,
    ignore_eos: Option<bool>,
    drafts: Option<bool>,
    lane: Option<RequestedPriority>,
}

/// How urgent a request is. Each lane overtakes those below it; none of them starves.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Lane)]
pub enum RequestedPriority {
    /// Somebody has stopped typing and waits for the next words.
    Completion,
    /// Somebody reads along.
    Chat,
    /// Nobody waits.
    Background,
}

impl From<RequestedPriority> for Priority {
    fn from(lane: RequestedPriority) -> Self {
        match lane {
            RequestedPriority::Completion => Self::Completion,
            RequestedPriority::Chat => Self::Chat,
            RequestedPriority::Background => Self::Background,
        }
    }
}

impl ChatRequest {
    /// How the answer is wanted.
    pub fn delivery(&self) -> Delivery {
        delivery(self.stream, self.stream_options.as_ref())
    }

    /// RequestFacts is asked for.
    ///
    /// # Errors
    /// Fields that cannot be done as they say.
    pub async fn into_raw_request(self, app: &AppState) -> Result<RawRequest, ApiError> {
        let mut invalid = ValidationErrors::default();
        if self.messages.is_empty() {
            invalid.add("messages", LocalizedText::new("비어 있을 수 없습니다", "must not be empty"));
        }
        if self.tools.is_some_and(|tools| !tools.is_empty()) {
            invalid.add("tools", LocalizedText::new("함수 호출은 지원하지 않습니다", "functions cannot be called"));
        }
        if self.logprobs == Some(true) {
            refuse_probabilities(&mut invalid);
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
            most_tokens: self.max_completion_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            n: self.n,
            stop: self.stop,
            seed: self.seed,
            ignore_eos: self.ignore_eos,
            drafts: self.drafts,
            lane: self.lane,
        };
        params.into_raw_request(app, invalid, ModelType::CodeGeneration, Prompt::Chat(messages)).await
    }
}

impl CompletionRequest {
    /// How the answer is wanted.
    pub fn delivery(&self) -> Delivery {
        delivery(self.stream, self.stream_options.as_ref())
    }

    /// RequestFacts is asked for.
    ///
    /// # Errors
    /// Fields that cannot be done as they say.
    pub async fn into_raw_request(self, app: &AppState) -> Result<RawRequest, ApiError> {
        let mut invalid = ValidationErrors::default();
        if self.echo == Some(true) {
            invalid.add("echo", LocalizedText::new("false여야 합니다", "must be false"));
        }
        if self.logprobs.is_some() {
            refuse_probabilities(&mut invalid);
        }
        let prompt = self.prompt.one().unwrap_or_else(|| {
            invalid.add("prompt", LocalizedText::new("하나의 글이어야 합니다", "must be one text"));
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
            most_tokens: None,
            temperature: self.temperature,
            top_p: self.top_p,
            n: self.n,
            stop: self.stop,
            seed: self.seed,
            ignore_eos: self.ignore_eos,
            drafts: self.drafts,
            lane: self.lane,
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
        invalid.max_items("stop", stops.len(), STOPS);
        invalid.into_result()?;
        let seed = self.seed.map_or_else(|| getrandom::u32().unwrap_or(0), low_half);
        // Nothing is longer than the context, whatever is asked for.
        let most = self.max_tokens.or(self.most_tokens);
        let short = matches!(prompt, Prompt::Text(_)) && most.is_some_and(|most| most <= SHORT);
        let lane = match self.lane {
            Some(lane) => lane.into(),
            None if short || kind == ModelType::CodeCompletion => Priority::Completion,
            None => Priority::Chat,
        };
        let target = app.assistant.router.select(lane).await?;
        let room = target.model.context.unwrap_or(u32::MAX);
        let max_tokens = most.map_or(room, |most| most.min(room));
        let mut request = Request::new(prompt, Sampling { temperature, top_p, seed }, max_tokens);
        request.priority = lane;
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

fn refuse_probabilities(invalid: &mut ValidationErrors) {
    let problem = LocalizedText::new("logprobs는 지원하지 않습니다", "logprobs are not supported");
    invalid.add("logprobs", problem);
}

/// The engine's dice take half of what OpenAI's do.
fn low_half(seed: i64) -> u32 {
    (seed & i64::from(u32::MAX)) as u32
}

/// A switch that can only be off.
fn must_be_false() -> utoipa::openapi::schema::Object {
    use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
    let kinds = SchemaType::Array(vec![Type::Boolean, Type::Null]);
    ObjectBuilder::new().schema_type(kinds).enum_values(Some([Some(false), None])).build()
}

/// A field that can only be null.
fn must_be_null() -> utoipa::openapi::schema::Object {
    use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null)).build()
}
