//! The body of the enhanced endpoints, the form that the original client sends.

use serde::Deserialize;
use utoipa::ToSchema;

use super::markdown_splitter;
use super::request::{CodeOptions, GenerationRequest, non_blank, profile};
use super::task::ModelType;
use crate::assistant::Error;
use crate::assistant::profiles::profile::{CodeStyle, Detail, ProfileFields, SkillLevel};
use crate::base::i18n::LocalizedText;
use crate::base::validation::ValidationErrors;

/// The body of `POST /api/v1/code/enhanced-generate` and its streaming form.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct EnhancedRequest {
    /// What to do, in Korean or English: 1 to 10,000 characters. Older clients may call it `user_question`.
    #[schema(required, value_type = String, min_length = 1, max_length = 10000, pattern = r"\S", example = "이 함수의 버그를 고쳐줘")]
    pub prompt: Option<String>,
    /// Another name of `prompt`, which takes precedence.
    #[schema(ignore)]
    pub user_question: Option<String>,
    /// The code that it is about: at most 50,000 characters. Older clients may call it `code_context`.
    #[schema(max_length = 50000)]
    pub context: Option<String>,
    /// Another name of `context`, which takes precedence.
    #[schema(ignore)]
    pub code_context: Option<String>,
    /// What to do; `code_generation` if absent.
    pub model_type: Option<ModelType>,
    /// The programming language; `python` if absent.
    #[schema(max_length = 32, example = "python")]
    pub language: Option<String>,
    /// The file that is being worked on: at most 1,000 characters.
    #[schema(max_length = 1000)]
    pub file_path: Option<String>,
    /// Sampling temperature, 0 to 2: 0 always takes the most probable token; 0.3 if absent.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f32>,
    /// Nucleus sampling (top-p), 0 to 1; 0.95 if absent.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f32>,
    /// Maximum number of tokens of the answer; 1024 if absent.
    #[schema(minimum = 1, maximum = 4096)]
    pub max_tokens: Option<u32>,
    /// How well the reader knows programming; the profile's choice if absent.
    pub programming_level: Option<SkillLevel>,
    /// How much to explain; the profile's choice if absent.
    pub explanation_detail: Option<Detail>,
    /// The priority of the code style; `pythonic` if absent.
    pub code_style: Option<CodeStyle>,
    /// Whether the code should have comments; the model's choice if absent.
    pub include_comments: Option<bool>,
    /// Whether functions should have docstrings; the model's choice if absent.
    pub include_docstring: Option<bool>,
    /// Whether the code should have type hints; the profile's choice if absent.
    pub include_type_hints: Option<bool>,
    /// The project that the code belongs to, in a few words: at most 500 characters.
    #[schema(max_length = 500)]
    pub project_context: Option<String>,
    /// The user's profile; what it leaves out comes from the saved profile.
    pub user_profile: Option<ProfileFields>,
    /// Another name of `user_profile`, which takes precedence.
    #[serde(rename = "userProfile")]
    pub user_profile_camel: Option<ProfileFields>,
    /// The conversation to continue; a new one if absent.
    pub conversation_id: Option<String>,
    /// Random seed: the same seed, question and model give the same answer; random if absent.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    pub seed: Option<u32>,
    /// Whether a cached answer to the same question may be returned; true if absent.
    pub use_cache: Option<bool>,
    /// Accepted for older clients, without effect: the endpoint decides whether the answer is streamed.
    pub stream: Option<bool>,
}

impl TryFrom<EnhancedRequest> for GenerationRequest {
    type Error = Error;

    fn try_from(request: EnhancedRequest) -> Result<Self, Error> {
        let mut invalid = ValidationErrors::default();
        for (path, text) in [("prompt", &request.prompt), ("user_question", &request.user_question)] {
            if let Some(text) = text {
                invalid.require_not_blank(path, text);
            }
            invalid.max_length(path, text.as_deref(), 10_000);
        }
        if request.prompt.is_none() && request.user_question.is_none() {
            invalid.add("prompt", LocalizedText::new("필수 항목입니다", "is required"));
        }
        for (path, text) in [("context", &request.context), ("code_context", &request.code_context)] {
            invalid.max_length(path, text.as_deref(), 50_000);
        }
        invalid.max_length("project_context", request.project_context.as_deref(), 500);
        invalid.max_length("file_path", request.file_path.as_deref(), 1000);
        invalid.max_length("language", request.language.as_deref(), 32);
        let temperature = invalid.in_range("temperature", request.temperature, 0.0, 2.0).unwrap_or(0.3);
        let top_p = invalid.in_range("top_p", request.top_p, 0.0, 1.0).unwrap_or(0.95);
        let max_tokens = invalid.in_range("max_tokens", request.max_tokens, 1, 4096).unwrap_or(1024);
        let mut profile = profile(&mut invalid, request.user_profile, request.user_profile_camel);
        invalid.into_result()?;
        profile.python_skill_level = request.programming_level.or(profile.python_skill_level);
        Ok(Self {
            kind: request.model_type.unwrap_or_default(),
            question: request.prompt.or(request.user_question).unwrap_or_default(),
            code_context: non_blank(request.context).or_else(|| non_blank(request.code_context)),
            language: markdown_splitter::canonical(request.language.as_deref().unwrap_or("python")),
            file_path: non_blank(request.file_path),
            files: Vec::new(),
            profile,
            temperature,
            top_p,
            max_tokens,
            options: CodeOptions {
                comments: request.include_comments,
                docstrings: request.include_docstring,
                type_hints: request.include_type_hints,
                style: request.code_style.unwrap_or_default(),
                detail: request.explanation_detail.unwrap_or_default(),
                project: non_blank(request.project_context),
            },
            conversation_id: request.conversation_id,
            replaces: None,
            continues: None,
            seed: request.seed,
            use_cache: request.use_cache.unwrap_or(true),
        })
    }
}
