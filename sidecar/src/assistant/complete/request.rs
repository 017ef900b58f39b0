//! The request for a completion: as a client sends it, and as it is validated.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::assistant::Error;
use crate::assistant::generate::markdown_splitter;
use crate::base::validation::ValidationErrors;

/// The body of `POST /api/v1/complete-code`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CompleteRequest {
    /// All the text before the cursor: 1 to 50,000 characters. Indentation counts.
    #[schema(min_length = 1, max_length = 50000, example = "def fibonacci(")]
    pub prefix: String,
    /// The text after the cursor: at most 50,000 characters.
    #[schema(max_length = 50000)]
    pub suffix: Option<String>,
    /// The programming language; `python` if absent.
    #[schema(max_length = 32, example = "python")]
    pub language: Option<String>,
    /// The position of the cursor, for information only: the completion is inserted after `prefix`.
    #[schema(minimum = 0, example = 13)]
    pub cursor_position: Option<i64>,
    /// Extra context, such as what the project is: at most 50,000 characters.
    #[schema(max_length = 50000)]
    pub context: Option<String>,
    /// The file that is being edited: at most 1,000 characters.
    #[schema(max_length = 1000)]
    pub file_path: Option<String>,
    /// The text that triggered the request, such as `.`: at most 10 characters.
    #[schema(max_length = 10)]
    pub trigger_character: Option<String>,
    /// Maximum number of different suggestions; 1 if absent.
    #[schema(minimum = 1, maximum = 5)]
    pub max_suggestions: Option<u32>,
    /// Whether a completion may have several lines; `auto` if absent.
    pub multiline: Option<Multiline>,
    /// The editor session: a newer request of a session supersedes the older one.
    #[schema(max_length = 100)]
    pub session_id: Option<String>,
    /// Other open files or recent edits, the most useful first: at most 20.
    #[schema(max_items = 20)]
    pub files: Option<Vec<OpenFile>>,
    /// Whether a cached completion of the same text may be returned; true if absent.
    pub use_cache: Option<bool>,
}

/// Whether a completion may have several lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Multiline {
    /// Up to the end of the block where nothing follows on the cursor's line; otherwise up to the end of the line.
    #[default]
    Auto,
    /// Up to the end of the block.
    Always,
    /// Up to the end of the line.
    Never,
}

/// A file that is open in the editor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
pub struct OpenFile {
    /// Its path: at most 1,000 characters.
    #[schema(max_length = 1000)]
    pub path: String,
    /// Its text, or the relevant part: at most 20,000 characters.
    #[schema(max_length = 20000)]
    pub content: String,
}

/// A validated request: a cursor with its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletionRequest {
    /// The text before the cursor, never empty.
    pub prefix: String,
    /// The text after the cursor.
    pub suffix: String,
    /// The programming language, in lower case.
    pub language: String,
    /// Extra context.
    pub context: Option<String>,
    /// The file that is being edited.
    pub file_path: Option<String>,
    /// Other open files.
    pub files: Vec<OpenFile>,
    /// Maximum number of different suggestions, 1 to 5.
    pub max_suggestions: u32,
    /// Whether a completion may have several lines.
    pub multiline: bool,
    /// The editor session.
    pub session: Option<String>,
    /// Whether a cached completion may be returned.
    pub use_cache: bool,
}

impl TryFrom<CompleteRequest> for CompletionRequest {
    type Error = Error;

    fn try_from(request: CompleteRequest) -> Result<Self, Error> {
        let mut invalid = ValidationErrors::default();
        if request.prefix.is_empty() {
            invalid.require_not_blank("prefix", "");
        }
        invalid.max_length("prefix", Some(&request.prefix), 50_000);
        invalid.max_length("suffix", request.suffix.as_deref(), 50_000);
        invalid.max_length("context", request.context.as_deref(), 50_000);
        invalid.max_length("language", request.language.as_deref(), 32);
        invalid.max_length("file_path", request.file_path.as_deref(), 1000);
        invalid.max_length("trigger_character", request.trigger_character.as_deref(), 10);
        invalid.max_length("session_id", request.session_id.as_deref(), 100);
        invalid.in_range("cursor_position", request.cursor_position, 0, i64::MAX);
        let suggestions = invalid.in_range("max_suggestions", request.max_suggestions, 1, 5).unwrap_or(1);
        let files = request.files.unwrap_or_default();
        invalid.max_items("files", files.len(), 20);
        for (index, file) in files.iter().take(20).enumerate() {
            invalid.max_length(&format!("files.{index}.path"), Some(&file.path), 1000);
            invalid.max_length(&format!("files.{index}.content"), Some(&file.content), 20_000);
        }
        invalid.into_result()?;
        let suffix = request.suffix.unwrap_or_default();
        let line_goes_on = !suffix.lines().next().unwrap_or_default().trim().is_empty();
        let member = request.trigger_character.as_deref() == Some(".");
        let multiline = match request.multiline.unwrap_or_default() {
            Multiline::Auto => !line_goes_on && !member,
            Multiline::Always => true,
            Multiline::Never => false,
        };
        let non_blank = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Ok(Self {
            prefix: request.prefix,
            suffix,
            language: markdown_splitter::canonical(request.language.as_deref().unwrap_or("python")),
            context: non_blank(request.context),
            file_path: non_blank(request.file_path),
            files,
            max_suggestions: suggestions,
            multiline,
            session: request.session_id,
            use_cache: request.use_cache.unwrap_or(true),
        })
    }
}
