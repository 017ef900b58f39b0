//! The JSON body of a request to a remote server: the prompt, the sampling parameters and the model's name. Nothing else is sent.

use engine::{ChatMessage, Prompt, Request};
use serde::Serialize;

/// Which optional fields a request has. Servers that do not support a field reject the whole request, so it is retried with fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OptionalFields {
    /// Log probabilities if requested, the seed, and the token usage.
    All,
    /// The seed and the token usage.
    NoLogprobs,
    /// No optional field.
    Omitted,
}

impl OptionalFields {
    /// The next smaller set for this request; `None` if there is none.
    #[must_use]
    pub(crate) fn downgrade(self, request: &Request) -> Option<Self> {
        match self {
            Self::All if request.logprobs => Some(Self::NoLogprobs),
            Self::All | Self::NoLogprobs => Some(Self::Omitted),
            Self::Omitted => None,
        }
    }
}

/// The body of a request to a remote server.
#[derive(Debug, Serialize)]
pub(crate) struct RequestBody<'a> {
    model: &'a str,
    #[serde(flatten)]
    prompt: Input<'a>,
    stream: bool,
    temperature: f32,
    top_p: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Logprobs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Input<'a> {
    Messages(Vec<Message<'a>>),
    Prompt(&'a str),
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

/// In chat requests, whether to return log probabilities; in text requests, the number of alternatives.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Logprobs {
    Chat(bool),
    Text(u32),
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> RequestBody<'a> {
    /// The body of this request; `None` for FIM prompts, since remote servers have no common format for them.
    #[must_use]
    pub(crate) fn new(request: &'a Request, model: &'a str, fields: OptionalFields) -> Option<Self> {
        let message = |chat: &'a ChatMessage| Message { role: chat.role.as_str(), content: &chat.content };
        let (prompt, logprobs) = match &request.prompt {
            Prompt::Chat(messages) => (Input::Messages(messages.iter().map(message).collect()), Logprobs::Chat(true)),
            Prompt::Text(text) => (Input::Prompt(text), Logprobs::Text(0)),
            Prompt::Fim { .. } => return None,
        };
        Some(Self {
            model,
            prompt,
            stream: true,
            temperature: request.sampling.temperature,
            top_p: request.sampling.top_p,
            max_tokens: (request.max_tokens < u32::MAX).then_some(request.max_tokens),
            seed: (fields < OptionalFields::Omitted).then_some(request.sampling.seed & (u32::MAX >> 1)),
            logprobs: (request.logprobs && fields == OptionalFields::All).then_some(logprobs),
            stream_options: (fields < OptionalFields::Omitted).then_some(StreamOptions { include_usage: true }),
        })
    }
}

#[cfg(test)]
mod tests {
    use engine::{Role, Sampling};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_has_only_the_prompt_the_sampling_and_the_model() {
        let messages = vec![ChatMessage::new(Role::System, "Be brief."), ChatMessage::truncatable(Role::User, "안녕")];
        let sampling = Sampling { temperature: 0.5, top_p: 1.0, seed: u32::MAX };
        let mut request = Request::new(Prompt::Chat(messages), sampling, 7);
        request.logprobs = true;
        let json = |request: &Request, fields| serde_json::to_value(RequestBody::new(request, "m", fields)).unwrap();
        let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "안녕"}]);
        let minimal = json!({"model": "m", "messages": messages, "stream": true, "temperature": 0.5, "top_p": 1.0,
            "max_tokens": 7});
        assert_eq!(json(&request, OptionalFields::Omitted), minimal);
        let mut all = minimal;
        (all["seed"], all["stream_options"]) = (json!(2_147_483_647), json!({"include_usage": true}));
        assert_eq!(json(&request, OptionalFields::NoLogprobs), all);
        all["logprobs"] = json!(true);
        assert_eq!(json(&request, OptionalFields::All), all);
        let text = Request::new(Prompt::Text("def".into()), sampling, u32::MAX);
        let expected = json!({"model": "m", "prompt": "def", "stream": true, "temperature": 0.5, "top_p": 1.0});
        assert_eq!(json(&text, OptionalFields::Omitted), expected);
    }

    #[test]
    fn optional_fields_are_dropped_step_by_step() {
        let sampling = Sampling { temperature: 0.0, top_p: 1.0, seed: 0 };
        let mut request = Request::new(Prompt::Text(String::new()), sampling, 1);
        assert_eq!(OptionalFields::All.downgrade(&request), Some(OptionalFields::Omitted));
        request.logprobs = true;
        assert_eq!(OptionalFields::All.downgrade(&request), Some(OptionalFields::NoLogprobs));
        assert_eq!(OptionalFields::NoLogprobs.downgrade(&request), Some(OptionalFields::Omitted));
        assert_eq!(OptionalFields::Omitted.downgrade(&request), None);
    }
}
