//! The code quality score and the execution safety of a lint report: penalty tables and their evaluation.

use crate::diagnostic::{Diagnostic, Severity};
use crate::python::{DANGEROUS_CODES, LintReport};
use crate::validate::ExecutionSafety;

/// The best score: code without diagnostics.
const MAX_SCORE: f64 = 10.0;

/// The score of code that could not be checked: the middle of the scale.
pub(crate) const UNKNOWN: f64 = 5.0;

/// Points that the diagnostics of one category subtract from the score.
struct Penalty {
    /// Points per error.
    error: f64,
    /// Points per warning.
    warning: f64,
    /// Points per info.
    info: f64,
    /// Maximum number of points for the whole category.
    max: f64,
}

// The same numbers are documented for clients at `POST /api/v1/validate-code`.
const SYNTAX: Penalty = Penalty { error: 4.0, warning: 0.0, info: 0.0, max: 8.0 };
const SECURITY: Penalty = Penalty { error: 3.0, warning: 1.0, info: 0.2, max: 6.0 };
const PERFORMANCE: Penalty = Penalty { error: 1.0, warning: 0.5, info: 0.1, max: 3.0 };
const STYLE: Penalty = Penalty { error: 1.0, warning: 0.3, info: 0.1, max: 4.0 };

impl Penalty {
    /// Total points for the diagnostics of the category.
    fn total(&self, diagnostics: &[Diagnostic]) -> f64 {
        let points = |diagnostic: &Diagnostic| match diagnostic.severity {
            Severity::Error => self.error,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        };
        diagnostics.iter().map(points).sum::<f64>().min(self.max)
    }
}

/// The code quality score: [`MAX_SCORE`] minus all penalties, at least 0, with one decimal.
pub(crate) fn score(report: &LintReport) -> f64 {
    let penalty = SYNTAX.total(&report.syntax)
        + SECURITY.total(&report.security)
        + PERFORMANCE.total(&report.performance)
        + STYLE.total(&report.style);
    ((MAX_SCORE - penalty).max(0.0) * 10.0).round() / 10.0
}

/// The execution safety: `Dangerous` if any diagnostic has one of the [`DANGEROUS_CODES`]; `Warning` if there is another security
/// warning or error, or if security was not checked; otherwise `Safe`.
pub(crate) fn safety(report: &LintReport, security_checked: bool) -> ExecutionSafety {
    if report.security.iter().any(|diagnostic| DANGEROUS_CODES.contains(&diagnostic.code.as_str())) {
        ExecutionSafety::Dangerous
    } else if !security_checked || report.security.iter().any(|diagnostic| diagnostic.severity >= Severity::Warning) {
        ExecutionSafety::Warning
    } else {
        ExecutionSafety::Safe
    }
}
