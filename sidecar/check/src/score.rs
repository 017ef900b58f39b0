//! What findings cost, and what they make of running the code: the tables behind the score and the safety.

use crate::diagnostic::{Diagnostic, Severity};
use crate::python::{DANGEROUS, Report};
use crate::validate::ExecutionSafety;

/// The best score.
const BEST: f64 = 10.0;

/// The score where nothing could be checked: the middle, which says nothing.
pub(crate) const UNKNOWN: f64 = 5.0;

/// What findings of one kind cost.
struct Cost {
    /// Points for an error.
    error: f64,
    /// Points for a warning.
    warning: f64,
    /// Points for a note.
    info: f64,
    /// All findings of this kind together cost no more.
    most: f64,
}

const SYNTAX: Cost = Cost { error: 4.0, warning: 0.0, info: 0.0, most: 8.0 };
const SECURITY: Cost = Cost { error: 3.0, warning: 1.0, info: 0.2, most: 6.0 };
const PERFORMANCE: Cost = Cost { error: 1.0, warning: 0.5, info: 0.1, most: 3.0 };
const STYLE: Cost = Cost { error: 1.0, warning: 0.3, info: 0.1, most: 4.0 };

impl Cost {
    fn of(&self, findings: &[Diagnostic]) -> f64 {
        let cost = |finding: &Diagnostic| match finding.severity {
            Severity::Error => self.error,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        };
        findings.iter().map(cost).sum::<f64>().min(self.most)
    }
}

/// Ten, less what the findings cost; not below zero, to one decimal.
pub(crate) fn score(report: &Report) -> f64 {
    let costs = SYNTAX.of(&report.syntax)
        + SECURITY.of(&report.security)
        + PERFORMANCE.of(&report.performance)
        + STYLE.of(&report.style);
    ((BEST - costs).max(0.0) * 10.0).round() / 10.0
}

/// Dangerous with a finding that is named so; a warning with another warning about security, or where security was not checked.
pub(crate) fn safety(report: &Report, security_checked: bool) -> ExecutionSafety {
    if report.security.iter().any(|finding| DANGEROUS.contains(&finding.code.as_str())) {
        ExecutionSafety::Dangerous
    } else if !security_checked || report.security.iter().any(|finding| finding.severity >= Severity::Warning) {
        ExecutionSafety::Warning
    } else {
        ExecutionSafety::Safe
    }
}
