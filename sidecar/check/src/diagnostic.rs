//! One thing that was found in code: where it is, what it is, and how it could be put right.

use serde::Serialize;
use utoipa::ToSchema;

/// What was found at one place. Lines and columns count from 1, columns in characters; the end is the column after the last.
/// A byte order mark at the beginning is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Finding)]
pub struct Diagnostic {
    /// The line where it begins, from 1.
    #[schema(minimum = 1)]
    pub line: u32,
    /// The column where it begins, in characters from 1.
    #[schema(minimum = 1)]
    pub column: u32,
    /// The line where it ends.
    #[schema(minimum = 1)]
    pub end_line: u32,
    /// The column after its last character.
    #[schema(minimum = 1)]
    pub end_column: u32,
    /// Ruff's code of the rule, such as `S307`; `invalid-syntax` for a syntax error; ours begin with `HAPA`.
    #[schema(example = "S307")]
    pub code: String,
    /// What is wrong, for a person. Ruff's sentences are in English.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
    /// The text of the line where it begins, at most 200 characters of it.
    pub source_line: String,
    /// How it could be put right, where that is known.
    pub fix: Option<Fix>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth changing.
    Warning,
    /// Wrong, or dangerous to run.
    Error,
}

/// A change that puts a finding right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fix {
    /// What the change does, for a person.
    pub message: String,
    /// Whether it may be made without looking.
    pub applicability: Applicability,
    /// The parts of the change. They do not overlap, and are in the order of the text.
    pub edits: Vec<Edit>,
}

/// Whether a fix may be made without looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// The code means the same afterwards.
    Safe,
    /// The code may mean something else afterwards.
    Unsafe,
    /// Only to show: the code may not even be well formed afterwards.
    Display,
}

/// Text to put in place of other text. Positions as in a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Edit {
    /// The line where the old text begins, from 1.
    #[schema(minimum = 1)]
    pub start_line: u32,
    /// The column where the old text begins, in characters from 1.
    #[schema(minimum = 1)]
    pub start_column: u32,
    /// The line where the old text ends.
    #[schema(minimum = 1)]
    pub end_line: u32,
    /// The column after the old text.
    #[schema(minimum = 1)]
    pub end_column: u32,
    /// The new text; empty to delete.
    pub content: String,
}

/// What can be checked about code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Area)]
pub enum CheckCategory {
    /// Whether it is well formed.
    Syntax,
    /// What is risky to run.
    Security,
    /// What is slower or more tangled than it needs to be.
    Performance,
    /// What is likely a mistake, outdated or untidy.
    Style,
}
