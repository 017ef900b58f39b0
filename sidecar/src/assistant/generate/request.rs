//! The request for a generation: as a client sends it, and as it is validated.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::markdown_splitter;
use super::task::ModelType;
use crate::assistant::Error;
use crate::assistant::profiles::profile::{CodeStyle, Detail, ProfileFields};
use crate::base::i18n::LocalizedText;
use crate::base::validation::ValidationErrors;

/// The body of `POST /api/v1/generate-code` and its streaming form.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct GenerateRequest {
    /// What to write, in Korean or English: 1 to 10,000 characters.
    #[schema(min_length = 1, max_length = 10000, pattern = r"\S", example = "리스트에서 중복 제거하는 함수 만들어줘")]
    pub user_question: String,
    /// Code that the question is about: at most 50,000 characters.
    #[schema(max_length = 50000)]
    pub code_context: Option<String>,
    /// The programming language of the answer; `python` if absent.
    #[schema(max_length = 32, example = "python")]
    pub language: Option<String>,
    /// The file that is being edited, as context: at most 1,000 characters.
    #[schema(max_length = 1000)]
    pub file_path: Option<String>,
    /// Other files that the question is about: at most 20, with 100,000 characters together.
    #[schema(max_items = 20)]
    pub files: Option<Vec<ContextFile>>,
    /// The user's profile; what it leaves out comes from the saved profile.
    pub user_profile: Option<ProfileFields>,
    /// Another name of `user_profile`, which takes precedence.
    #[serde(rename = "userProfile")]
    pub user_profile_camel: Option<ProfileFields>,
    /// What to do; `code_generation` if absent.
    pub model_type: Option<ModelType>,
    /// Sampling temperature, 0 to 2: 0 always takes the most probable token; 0.3 if absent.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f32>,
    /// Nucleus sampling (top-p), 0 to 1; 0.95 if absent.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f32>,
    /// Maximum number of tokens of the answer; 1024 if absent.
    #[schema(minimum = 1, maximum = 4096)]
    pub max_tokens: Option<u32>,
    /// Whether the code should have comments; the model's choice if absent.
    pub include_comments: Option<bool>,
    /// Whether functions should have docstrings; the model's choice if absent.
    pub include_docstring: Option<bool>,
    /// Whether the code should have type hints; the profile's choice if absent.
    pub include_type_hints: Option<bool>,
    /// The conversation to continue; a new one if absent.
    pub conversation_id: Option<String>,
    /// The message of that conversation that this question replaces: it and all messages after it leave the thread, and
    /// remain as another version of it.
    pub replaces: Option<String>,
    /// The last message of that conversation's thread, whose answer was cut: the answer continues where it ended, and
    /// the question is that message's. A stream carries only what is new. Not together with `replaces`.
    pub continues: Option<String>,
    /// Random seed: the same seed, question and model give the same answer; random if absent.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    pub seed: Option<u32>,
    /// Whether a cached answer to the same question may be returned; true if absent, unless the question `replaces` a
    /// message.
    pub use_cache: Option<bool>,
    /// Accepted for older clients, without effect: the endpoint decides whether the answer is streamed.
    pub stream: Option<bool>,
}

/// A file that a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextFile {
    /// Its name or path, as context: 1 to 1,000 characters.
    #[schema(min_length = 1, max_length = 1000, example = "shop/cart.py")]
    pub path: String,
    /// Its text.
    #[schema(max_length = 100000)]
    pub content: String,
}

impl ContextFile {
    /// The files that are stored with a message.
    #[must_use]
    pub fn from_json(stored: Option<&str>) -> Vec<Self> {
        stored.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// The files as they are stored with a message; `None` where there are none.
    #[must_use]
    pub fn to_json(files: &[Self]) -> Option<String> {
        (!files.is_empty()).then(|| serde_json::to_string(files).expect("files are plain texts"))
    }
}

/// Maximum number of files of a question.
const MAX_FILES: usize = 20;

/// Maximum number of characters of a question's files together.
const MAX_FILE_CHARACTERS: usize = 100_000;

/// A validated request.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// The task.
    pub kind: ModelType,
    /// The question.
    pub question: String,
    /// Code that the question is about.
    pub code_context: Option<String>,
    /// The programming language of the answer, in lower case.
    pub language: String,
    /// The file that is being edited.
    pub file_path: Option<String>,
    /// Other files that the question is about.
    pub files: Vec<ContextFile>,
    /// The profile fields of the request.
    pub profile: ProfileFields,
    /// Sampling temperature, 0 to 2.
    pub temperature: f32,
    /// Nucleus sampling (top-p), 0 to 1.
    pub top_p: f32,
    /// Maximum number of tokens, 1 to 4096.
    pub max_tokens: u32,
    /// Options for the code.
    pub options: CodeOptions,
    /// The conversation to continue.
    pub conversation_id: Option<String>,
    /// The message that this question replaces.
    pub replaces: Option<String>,
    /// The message whose answer is continued.
    pub continues: Option<String>,
    /// The random seed, if the client chose one.
    pub seed: Option<u32>,
    /// Whether a cached answer may be returned.
    pub use_cache: bool,
}

/// Options for the code: `true` for what it should have, `false` for what it should not have, and its style.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeOptions {
    /// Comments.
    pub comments: Option<bool>,
    /// Docstrings.
    pub docstrings: Option<bool>,
    /// Type hints.
    pub type_hints: Option<bool>,
    /// The priority of the code style.
    pub style: CodeStyle,
    /// How much to explain, where it differs from the profile.
    pub detail: Detail,
    /// The project that the code belongs to, as the client describes it.
    pub project: Option<String>,
}

impl TryFrom<GenerateRequest> for GenerationRequest {
    type Error = Error;

    fn try_from(request: GenerateRequest) -> Result<Self, Error> {
        let mut invalid = ValidationErrors::default();
        invalid.require_not_blank("user_question", &request.user_question);
        let validated = Self::validate(request, &mut invalid);
        invalid.into_result()?;
        Ok(validated)
    }
}

impl GenerationRequest {
    /// Validates a request; problems are added to `invalid`. The question may be blank here, since it may still be
    /// being written.
    pub fn validate(request: GenerateRequest, invalid: &mut ValidationErrors) -> Self {
        invalid.max_length("user_question", Some(&request.user_question), 10_000);
        invalid.max_length("code_context", request.code_context.as_deref(), 50_000);
        invalid.max_length("file_path", request.file_path.as_deref(), 1000);
        invalid.max_length("language", request.language.as_deref(), 32);
        let temperature = invalid.in_range("temperature", request.temperature, 0.0, 2.0).unwrap_or(0.3);
        let top_p = invalid.in_range("top_p", request.top_p, 0.0, 1.0).unwrap_or(0.95);
        let max_tokens = invalid.in_range("max_tokens", request.max_tokens, 1, 4096).unwrap_or(1024);
        let files = request.files.unwrap_or_default();
        check_files(invalid, &files);
        let profile = profile(invalid, request.user_profile, request.user_profile_camel);
        Self {
            kind: request.model_type.unwrap_or_default(),
            question: request.user_question,
            code_context: non_blank(request.code_context),
            language: markdown_splitter::canonical(request.language.as_deref().unwrap_or("python")),
            file_path: non_blank(request.file_path),
            files,
            profile,
            temperature,
            top_p,
            max_tokens,
            options: CodeOptions {
                comments: request.include_comments,
                docstrings: request.include_docstring,
                type_hints: request.include_type_hints,
                ..CodeOptions::default()
            },
            conversation_id: request.conversation_id,
            // A question that replaces another is asked again to get another answer.
            use_cache: request.use_cache.unwrap_or(request.replaces.is_none()) && request.continues.is_none(),
            replaces: request.replaces,
            continues: request.continues,
            seed: request.seed,
        }
    }
}

fn check_files(invalid: &mut ValidationErrors, files: &[ContextFile]) {
    invalid.max_items("files", files.len(), MAX_FILES);
    for (index, file) in files.iter().take(MAX_FILES).enumerate() {
        let path = format!("files.{index}.path");
        invalid.require_not_blank(&path, &file.path);
        invalid.max_length(&path, Some(&file.path), 1000);
    }
    let characters: usize = files.iter().map(|file| file.content.chars().count()).sum();
    if characters > MAX_FILE_CHARACTERS {
        invalid.add(
            "files",
            LocalizedText::new(
                format!("모두 합쳐 {MAX_FILE_CHARACTERS}자 이하여야 합니다"),
                format!("must have at most {MAX_FILE_CHARACTERS} characters together"),
            ),
        );
    }
}

/// The text, unless it is blank.
pub(super) fn non_blank(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// The profile fields of a request, under either of their two names.
pub(super) fn profile(
    invalid: &mut ValidationErrors,
    snake: Option<ProfileFields>,
    camel: Option<ProfileFields>,
) -> ProfileFields {
    let name = if snake.is_some() { "user_profile" } else { "userProfile" };
    let fields = snake.or(camel).unwrap_or_default();
    if fields.is_too_long() {
        invalid.max_items(&format!("{name}.preferredLanguageFeatures"), usize::MAX, 8);
    }
    fields
}
