//! Code validation: syntax errors, lint diagnostics, quality score and execution safety.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::diagnostic::{CheckCategory, Diagnostic, Severity};
use crate::language::Language;
use crate::locale::Locale;
use crate::python::LintReport;
use crate::{big_stack, python, recommendations, score, tree};

/// A request to validate code.
#[derive(Debug, Clone, Copy)]
pub struct ValidationRequest<'a> {
    /// The code; callers limit it to [`crate::MAX_CODE_CHARS`].
    pub code: &'a str,
    /// Name of the programming language, as sent by the client.
    pub language: &'a str,
    /// Selects the categories to report.
    pub validation_type: ValidationType,
    /// Strict mode: warnings make the code invalid, too.
    pub strict: bool,
    /// Whether security is checked at all.
    pub security: bool,
    /// Whether performance is checked at all.
    pub performance: bool,
    /// Language of messages and recommendations.
    pub locale: Locale,
}

impl<'a> ValidationRequest<'a> {
    /// A request with the defaults of the API.
    #[must_use]
    pub fn new(code: &'a str, language: &'a str) -> Self {
        Self {
            code,
            language,
            validation_type: ValidationType::default(),
            strict: false,
            security: true,
            performance: true,
            locale: Locale::default(),
        }
    }
}

/// Selects the categories of a validation. Syntax is always checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValidationType {
    /// Syntax, security and performance: the default.
    #[default]
    Syntax,
    /// Syntax and security.
    Security,
    /// Syntax and performance.
    Performance,
    /// Syntax and style.
    Style,
    /// All categories.
    All,
}

/// The result of a validation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Validation {
    /// Whether the code has no syntax errors and, with `strict_mode`, no other error or warning in the requested categories.
    pub is_valid: bool,
    /// Syntax errors in source order; at most 100.
    #[schema(max_items = 100)]
    pub syntax_errors: Vec<Diagnostic>,
    /// Security issues; at most 200. `noqa` comments do not suppress them.
    #[schema(max_items = 200)]
    pub security_issues: Vec<Diagnostic>,
    /// Slow or overly complex code; at most 200.
    #[schema(max_items = 200)]
    pub performance_warnings: Vec<Diagnostic>,
    /// Likely bugs, outdated syntax and style violations; at most 200.
    #[schema(max_items = 200)]
    pub style_issues: Vec<Diagnostic>,
    /// Quality score from 0 to 10, by a documented table of penalties. 5 if nothing could be checked.
    #[schema(minimum = 0, maximum = 10)]
    pub code_quality_score: f64,
    /// Recommendations, most urgent first.
    pub recommendations: Vec<String>,
    /// How safe the code is to execute.
    pub execution_safety: ExecutionSafety,
    /// Requested categories that were not checked, because the language does not support them or the code has syntax errors.
    pub not_checked: Vec<CheckCategory>,
    /// Number of diagnostics omitted because a list was full.
    #[schema(minimum = 0)]
    pub omitted: usize,
}

/// How safe the code is to execute, judged by static analysis only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionSafety {
    /// Security was checked and no warning was found.
    Safe,
    /// There is a security warning, or security could not be checked.
    Warning,
    /// The code runs commands, executes code from data, or destroys data.
    Dangerous,
}

/// Maximum number of diagnostics per list; further ones are only counted.
const MAX_DIAGNOSTICS: usize = 200;

/// Time limit for parsing with tree-sitter; only hostile code takes that long.
pub(crate) const PARSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Validates code. Takes tens of milliseconds at most for ordinary code; never panics.
///
/// | `validation_type` | categories |
/// |---|---|
/// | `syntax`, `all` | syntax, security, performance; `all` also style |
/// | `security`, `performance`, `style` | syntax and the named one |
///
/// `security` and `performance` of the request disable the category in any case.
#[must_use]
pub fn validate(request: &ValidationRequest<'_>) -> Validation {
    let ValidationRequest { locale, .. } = *request;
    let code = request.code.strip_prefix('\u{feff}').unwrap_or(request.code);
    let requested = request.categories();
    // Execution safety is always judged unless security checks are disabled.
    let checks = [&requested[..], if request.security { &[CheckCategory::Security] } else { &[] }].concat();
    let (mut report, checked) = match Language::from_name(request.language) {
        Some(Language::Python) => lint_python(code, &checks, locale),
        Some(language) => check_syntax(language, code, locale),
        None => (LintReport::default(), Vec::new()),
    };
    let execution_safety = score::safety(&report, checked.contains(&CheckCategory::Security));
    if !requested.contains(&CheckCategory::Security) {
        report.security.clear();
    }
    let lists = [&report.syntax, &report.security, &report.performance, &report.style];
    let has_warnings = lists.iter().any(|list| list.iter().any(|diagnostic| diagnostic.severity >= Severity::Warning));
    let is_valid = report.syntax.is_empty() && !(request.strict && has_warnings);
    let code_quality_score = if checked.is_empty() { score::UNKNOWN } else { score::score(&report) };
    let not_checked: Vec<CheckCategory> =
        requested.into_iter().filter(|category| !checked.contains(category)).collect();
    let recommendations = recommendations::for_validation(&report, &not_checked, execution_safety, request);
    let mut omitted = 0;
    for list in [&mut report.security, &mut report.performance, &mut report.style] {
        omitted += list.len().saturating_sub(MAX_DIAGNOSTICS);
        list.truncate(MAX_DIAGNOSTICS);
    }
    Validation {
        is_valid,
        syntax_errors: report.syntax,
        security_issues: report.security,
        performance_warnings: report.performance,
        style_issues: report.style,
        code_quality_score,
        recommendations,
        execution_safety,
        not_checked,
        omitted,
    }
}

impl ValidationRequest<'_> {
    /// The requested categories.
    fn categories(&self) -> Vec<CheckCategory> {
        let (security, performance, style) = match self.validation_type {
            ValidationType::Syntax => (true, true, false),
            ValidationType::Security => (true, false, false),
            ValidationType::Performance => (false, true, false),
            ValidationType::Style => (false, false, true),
            ValidationType::All => (true, true, true),
        };
        let categories = [
            (CheckCategory::Syntax, true),
            (CheckCategory::Security, security && self.security),
            (CheckCategory::Performance, performance && self.performance),
            (CheckCategory::Style, style),
        ];
        categories.into_iter().filter_map(|(category, included)| included.then_some(category)).collect()
    }
}

/// Lints Python. Returns the report and the categories that were checked.
pub(crate) fn lint_python(code: &str, requested: &[CheckCategory], locale: Locale) -> (LintReport, Vec<CheckCategory>) {
    match python::lint(code, requested, locale) {
        Some(report) if report.rules_applied => (report, requested.to_vec()),
        Some(report) => (report, vec![CheckCategory::Syntax]),
        None => (LintReport::default(), Vec::new()),
    }
}

/// Checks the syntax of code in another language. Returns the report and the categories that were checked.
fn check_syntax(language: Language, code: &str, locale: Locale) -> (LintReport, Vec<CheckCategory>) {
    let errors = big_stack::run(|| {
        tree::parse(language, code, PARSE_TIMEOUT).map(|tree| tree::syntax_errors(&tree, code, locale))
    });
    match errors.flatten() {
        Some(syntax) => (LintReport { syntax, ..LintReport::default() }, vec![CheckCategory::Syntax]),
        None => (LintReport::default(), Vec::new()),
    }
}

/// Whether the code is syntactically valid Python. Takes about a millisecond for a hundred lines; never panics.
#[must_use]
pub fn is_valid_python(code: &str) -> bool {
    python::has_valid_syntax(code.strip_prefix('\u{feff}').unwrap_or(code))
}
