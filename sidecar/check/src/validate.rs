//! Validating: is the code well formed, what is risky, slow or untidy in it, and what is that worth.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::diagnostic::{CheckCategory, Diagnostic, Severity};
use crate::language::Language;
use crate::locale::Locale;
use crate::python::Report;
use crate::{advice, deep, python, score, tree};

/// Code to be validated, and what is wanted of it.
#[derive(Debug, Clone, Copy)]
pub struct ValidationRequest<'a> {
    /// The code; at most [`crate::MAX_CODE_CHARS`] characters make sense.
    pub code: &'a str,
    /// The name of its language, as clients write it.
    pub language: &'a str,
    /// Which findings are wanted.
    pub validation_type: ValidationType,
    /// Whether warnings make code invalid, too.
    pub strict: bool,
    /// Whether security is looked at.
    pub security: bool,
    /// Whether performance is looked at.
    pub performance: bool,
    /// The language of recommendations.
    pub locale: Locale,
}

impl<'a> ValidationRequest<'a> {
    /// Code with everything else as a client gets it that asks for nothing.
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

/// Which findings are wanted. Syntax is always checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValidationType {
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
    pub syntax_errors: Vec<Diagnostic>,
    /// What is risky to run; at most 200. `noqa` comments do not hide these.
    #[schema(max_items = 200)]
    pub security_issues: Vec<Diagnostic>,
    /// What is slower or more tangled than it needs to be; at most 200.
    #[schema(max_items = 200)]
    pub performance_warnings: Vec<Diagnostic>,
    /// What is likely a mistake, outdated or untidy; at most 200.
    #[schema(max_items = 200)]
    pub style_issues: Vec<Diagnostic>,
    /// 0 to 10, by a documented table of costs. 5 where nothing could be checked.
    #[schema(minimum = 0, maximum = 10)]
    pub code_quality_score: f64,
    /// What to do next, the most urgent first.
    pub recommendations: Vec<String>,
    /// What running the code could do.
    pub execution_safety: ExecutionSafety,
    /// What was asked for and could not be checked: for this language, or because the code is not well formed.
    pub not_checked: Vec<CheckCategory>,
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

/// Findings of a kind beyond these are counted, not listed.
const MOST: usize = 200;

/// How long tree-sitter may read; only code of hostile shape takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Checks code as a client asks for it. Takes tens of milliseconds at most for code of usual shape; never panics.
///
/// | `validation_type` | looks at |
/// |---|---|
/// | `syntax`, `all` | syntax, security, performance; `all` also style |
/// | `security`, `performance`, `style` | syntax, and that |
///
/// `security` and `performance` of the submission switch theirs off in any case.
#[must_use]
pub fn validate(submission: &ValidationRequest<'_>) -> Validation {
    let ValidationRequest { locale, .. } = *submission;
    let code = submission.code.strip_prefix('\u{feff}').unwrap_or(submission.code);
    let wanted = submission.wanted();
    // What running it could do is always judged, where security may be looked at.
    let looked_at = [&wanted[..], if submission.security { &[CheckCategory::Security] } else { &[] }].concat();
    let (mut report, checked) = match Language::from_name(submission.language) {
        Some(Language::Python) => python(code, &looked_at, locale),
        Some(language) => other(language, code, locale),
        None => (Report::default(), Vec::new()),
    };
    let execution_safety = score::safety(&report, checked.contains(&CheckCategory::Security));
    if !wanted.contains(&CheckCategory::Security) {
        report.security.clear();
    }
    let counted = [&report.syntax, &report.security, &report.performance, &report.style];
    let serious = counted.iter().any(|list| list.iter().any(|finding| finding.severity >= Severity::Warning));
    let is_valid = report.syntax.is_empty() && !(submission.strict && serious);
    let code_quality_score = if checked.is_empty() { score::UNKNOWN } else { score::score(&report) };
    let not_checked: Vec<CheckCategory> = wanted.into_iter().filter(|area| !checked.contains(area)).collect();
    let recommendations = advice::on_validation(&report, &not_checked, execution_safety, submission);
    let mut omitted = 0;
    for list in [&mut report.security, &mut report.performance, &mut report.style] {
        omitted += list.len().saturating_sub(MOST);
        list.truncate(MOST);
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
    /// What is to be looked at.
    fn wanted(&self) -> Vec<CheckCategory> {
        let (security, performance, style) = match self.validation_type {
            ValidationType::Syntax => (true, true, false),
            ValidationType::Security => (true, false, false),
            ValidationType::Performance => (false, true, false),
            ValidationType::Style => (false, false, true),
            ValidationType::All => (true, true, true),
        };
        let areas = [
            (CheckCategory::Syntax, true),
            (CheckCategory::Security, security && self.security),
            (CheckCategory::Performance, performance && self.performance),
            (CheckCategory::Style, style),
        ];
        areas.into_iter().filter_map(|(area, wanted)| wanted.then_some(area)).collect()
    }
}

/// What there is to say about Python, and what was looked at.
pub(crate) fn python(code: &str, wanted: &[CheckCategory], locale: Locale) -> (Report, Vec<CheckCategory>) {
    match python::look(code, wanted, locale) {
        Some(report) if report.rules_applied => (report, wanted.to_vec()),
        Some(report) => (report, vec![CheckCategory::Syntax]),
        None => (Report::default(), Vec::new()),
    }
}

/// What there is to say about code in another language: whether it is well formed.
fn other(language: Language, code: &str, locale: Locale) -> (Report, Vec<CheckCategory>) {
    let errors = deep::run(|| tree::parse(language, code, PATIENCE).map(|tree| tree::errors(&tree, code, locale)));
    match errors.flatten() {
        Some(syntax) => (Report { syntax, ..Report::default() }, vec![CheckCategory::Syntax]),
        None => (Report::default(), Vec::new()),
    }
}

/// Whether this is well-formed Python. About a millisecond for a hundred lines; never panics.
#[must_use]
pub fn is_valid_python(code: &str) -> bool {
    python::well_formed(code.strip_prefix('\u{feff}').unwrap_or(code))
}
