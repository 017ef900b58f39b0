//! A question as it was typed by a client, and as it is meant: checked once, at the edge.

use serde::Deserialize;
use utoipa::ToSchema;

use super::profile::Profile;
use super::split;
use crate::error::{Error, Invalid, Message};

/// The body of `POST /api/v1/generate-code` and its streaming form.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct GenerateRequest {
    /// What to write, in Korean or English: 1 to 10,000 characters.
    #[schema(min_length = 1, max_length = 10000, example = "리스트에서 중복 제거하는 함수 만들어줘")]
    pub user_question: String,
    /// Code that the question is about: at most 50,000 characters.
    #[schema(max_length = 50000)]
    pub code_context: Option<String>,
    /// The programming language of the answer; `python` if absent.
    #[schema(max_length = 32, example = "python")]
    pub language: Option<String>,
    /// The file that is being worked on, for the model to know: at most 1,000 characters.
    #[schema(max_length = 1000)]
    pub file_path: Option<String>,
    /// Who asks, and how they like their answers.
    #[serde(alias = "userProfile")]
    pub user_profile: Option<Profile>,
    /// 0 takes the likeliest word each time, 2 is wild; 0.3 if absent.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f32>,
    /// Only the likeliest words that together have this probability are drawn from; 0.95 if absent.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f32>,
    /// The answer ends after so many tokens; 1024 if absent.
    #[schema(minimum = 1, maximum = 4096)]
    pub max_tokens: Option<u32>,
    /// Whether the code should have comments; the model's choice if absent.
    pub include_comments: Option<bool>,
    /// Whether functions should have docstrings; the model's choice if absent.
    pub include_docstring: Option<bool>,
    /// Whether the code should have type hints; the profile's choice if absent.
    pub include_type_hints: Option<bool>,
    /// The conversation to go on with; a new one if absent.
    pub conversation_id: Option<String>,
    /// A message of that conversation whose place this question takes: it and all after it leave the thread.
    pub replaces: Option<String>,
    /// The same seed, question and model give the same answer; a random one if absent.
    pub seed: Option<u32>,
}

/// A question whose every part is within its bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// What to write.
    pub question: String,
    /// Code that the question is about.
    pub code_context: Option<String>,
    /// The programming language of the answer, in lower case.
    pub language: String,
    /// The file that is being worked on.
    pub file_path: Option<String>,
    /// Who asks.
    pub profile: Profile,
    /// 0 to 2.
    pub temperature: f32,
    /// 0 to 1.
    pub top_p: f32,
    /// 1 to 4096.
    pub max_tokens: u32,
    /// Wishes about the code, where they were uttered.
    pub wishes: Wishes,
    /// The conversation to go on with.
    pub conversation_id: Option<String>,
    /// The message whose place this takes.
    pub replaces: Option<String>,
    /// What the dice begin with.
    pub seed: u32,
}

/// What the code should have (`true`), should not have (`false`), or may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Comments.
    pub comments: Option<bool>,
    /// Docstrings.
    pub docstrings: Option<bool>,
    /// Type hints.
    pub type_hints: Option<bool>,
}

impl TryFrom<GenerateRequest> for Ask {
    type Error = Error;

    fn try_from(request: GenerateRequest) -> Result<Self, Error> {
        let mut invalid = Invalid::default();
        if request.user_question.trim().is_empty() {
            invalid.add("user_question", Message::new("비어 있을 수 없습니다", "must not be empty"));
        }
        let longest = |invalid: &mut Invalid, path: &str, text: Option<&str>, limit: usize| {
            if text.is_some_and(|text| text.chars().count() > limit) {
                invalid.add(
                    path,
                    Message::new(
                        format!("최대 {limit}자까지 가능합니다"),
                        format!("must have at most {limit} characters"),
                    ),
                );
            }
        };
        longest(&mut invalid, "user_question", Some(&request.user_question), 10_000);
        longest(&mut invalid, "code_context", request.code_context.as_deref(), 50_000);
        longest(&mut invalid, "file_path", request.file_path.as_deref(), 1000);
        longest(&mut invalid, "language", request.language.as_deref(), 32);
        let temperature = within(&mut invalid, "temperature", request.temperature, 0.0, 2.0).unwrap_or(0.3);
        let top_p = within(&mut invalid, "top_p", request.top_p, 0.0, 1.0).unwrap_or(0.95);
        let max_tokens = within(&mut invalid, "max_tokens", request.max_tokens, 1, 4096).unwrap_or(1024);
        if request.replaces.is_some() && request.conversation_id.is_none() {
            invalid.add("replaces", Message::new("conversation_id가 필요합니다", "needs a conversation_id"));
        }
        invalid.into_result()?;
        Ok(Self {
            question: request.user_question,
            code_context: request.code_context.filter(|code| !code.trim().is_empty()),
            language: split::canonical(request.language.as_deref().unwrap_or("python")),
            file_path: request.file_path.filter(|path| !path.trim().is_empty()),
            profile: request.user_profile.unwrap_or_default(),
            temperature,
            top_p,
            max_tokens,
            wishes: Wishes {
                comments: request.include_comments,
                docstrings: request.include_docstring,
                type_hints: request.include_type_hints,
            },
            conversation_id: request.conversation_id,
            replaces: request.replaces,
            seed: request.seed.unwrap_or_else(|| getrandom::u32().unwrap_or(0)),
        })
    }
}

/// Notes a value that is outside its bounds.
fn within<T: PartialOrd + std::fmt::Display + Copy>(
    invalid: &mut Invalid,
    path: &str,
    value: Option<T>,
    least: T,
    most: T,
) -> Option<T> {
    if value.is_some_and(|value| !(least..=most).contains(&value)) {
        invalid.add(
            path,
            Message::new(format!("{least}에서 {most} 사이여야 합니다"), format!("must be from {least} to {most}")),
        );
    }
    value
}
