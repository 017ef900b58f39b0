//! A diagnostic: position, rule code, message, severity and an optional fix.

use serde::Serialize;
use utoipa::ToSchema;

/// A diagnostic at a range of the code. Lines and columns are 1-based, columns count characters, and the end is exclusive. A
/// leading byte order mark is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Finding)]
pub struct Diagnostic {
    /// First line, 1-based.
    #[schema(minimum = 1)]
    pub line: u32,
    /// First column, 1-based, in characters.
    #[schema(minimum = 1)]
    pub column: u32,
    /// Last line, 1-based.
    #[schema(minimum = 1)]
    pub end_line: u32,
    /// Column after the last character.
    #[schema(minimum = 1)]
    pub end_column: u32,
    /// Rule code: Ruff's, such as `S307`; `invalid-syntax` for a syntax error; HAPA's own start with `HAPA`.
    #[schema(example = "S307")]
    pub code: String,
    /// Human-readable message. Messages of Ruff's rules are in English.
    pub message: String,
    /// Severity.
    pub severity: Severity,
    /// Text of the first line, truncated to 200 characters.
    pub source_line: String,
    /// Suggested fix, if there is one.
    pub fix: Option<Fix>,
}

/// Severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A hint or a matter of taste.
    Info,
    /// Should be changed.
    Warning,
    /// Incorrect, or dangerous to execute.
    Error,
}

/// A code change that resolves a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fix {
    /// Human-readable description of the change.
    pub message: String,
    /// Whether it can be applied automatically.
    pub applicability: Applicability,
    /// Edits, in the order of the code and without overlap.
    pub edits: Vec<Edit>,
}

/// Whether a fix can be applied automatically, as defined by Ruff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// The fix preserves the meaning of the code.
    Safe,
    /// The fix may change the meaning of the code.
    Unsafe,
    /// For display only: the fix may even introduce syntax errors.
    Display,
}

/// Replacement of a range of the code. Positions are as in a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Edit {
    /// First line of the replaced text, 1-based.
    #[schema(minimum = 1)]
    pub start_line: u32,
    /// First column of the replaced text, 1-based, in characters.
    #[schema(minimum = 1)]
    pub start_column: u32,
    /// Last line of the replaced text, 1-based.
    #[schema(minimum = 1)]
    pub end_line: u32,
    /// Column after the replaced text.
    #[schema(minimum = 1)]
    pub end_column: u32,
    /// The replacement; empty for a deletion.
    pub content: String,
}

/// A category of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Area)]
pub enum CheckCategory {
    /// Syntax errors.
    Syntax,
    /// Security risks when the code is executed.
    Security,
    /// Slow or overly complex code.
    Performance,
    /// Likely bugs, outdated syntax and style violations.
    Style,
}
