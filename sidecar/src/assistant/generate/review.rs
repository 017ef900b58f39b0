//! Parses a review in prose into findings, each with its line of code.

use check::{Severity, ValidationRequest, ValidationType};
use serde::Serialize;
use utoipa::ToSchema;

/// The source of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The checks of `validate-code`, which read the code.
    Check,
    /// The model, whose findings may be wrong.
    Model,
}

/// A finding of a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReviewFinding)]
pub struct Finding {
    /// The line of the submitted code, from 1; null where the review names none that exists.
    pub line: Option<u32>,
    /// The source of the finding.
    pub source: Source,
    /// The problem.
    pub message: String,
    /// How to fix it, where the review suggests something.
    pub suggestion: Option<String>,
}

/// Maximum number of findings from each source.
const MAX_FINDINGS: usize = 100;

/// The linter's findings, without a model: errors, then security, performance and style. CPU-bound.
#[must_use]
pub fn lint(code: &str, language: &str) -> Vec<Finding> {
    let found = check::validate(&ValidationRequest {
        validation_type: ValidationType::All,
        ..ValidationRequest::new(code, language)
    });
    let lists = [found.syntax_errors, found.security_issues, found.performance_warnings, found.style_issues];
    let problems = lists.into_iter().flatten().filter(|finding| finding.severity > Severity::Info);
    let diagnostics = problems.map(|finding| Finding {
        line: Some(finding.line),
        source: Source::Check,
        message: finding.message,
        suggestion: finding.fix.map(|fix| fix.message),
    });
    diagnostics.take(MAX_FINDINGS).collect()
}

/// Parses the findings of `review`, for code of `lines` lines.
#[must_use]
pub fn parse(review: &str, lines: u32) -> Vec<Finding> {
    review.lines().filter_map(|line| finding(line, lines)).filter(is_problem).take(MAX_FINDINGS).collect()
}

/// The linter's findings, then those of the review that are new: small models repeat the diagnostics in their prompt.
#[must_use]
pub fn merge(diagnostics: Vec<Finding>, review: Vec<Finding>) -> Vec<Finding> {
    let is_known = |finding: &Finding| {
        diagnostics.iter().any(|diagnostic| {
            diagnostic.line == finding.line && diagnostic.message.eq_ignore_ascii_case(&finding.message)
        })
    };
    let new: Vec<Finding> = review.into_iter().filter(|finding| !is_known(finding)).collect();
    diagnostics.into_iter().chain(new).collect()
}

/// Whether a finding is more than the statement that there is none.
fn is_problem(finding: &Finding) -> bool {
    let nothing = |text: &str| {
        let text = text.to_lowercase();
        ["no problem", "no issue", "문제 없음", "문제없음", "문제가 없"].iter().any(|words| text.contains(words))
    };
    !nothing(&finding.message) && !finding.suggestion.as_deref().is_some_and(nothing)
}

fn finding(line: &str, lines: u32) -> Option<Finding> {
    let item = line.trim().trim_start_matches(['-', '*', '•', '`', ' ']);
    let item =
        item.trim_start_matches(|character: char| character.is_ascii_digit()).trim_start_matches(['.', ')', ' ']);
    let (number, rest) = numbered(item.trim_start_matches(['*', '`'])).or_else(|| numbered(line.trim()))?;
    let text = rest.trim_start_matches(['*', '`', ':', '：', ' ', '-', ')', ']']).trim_end_matches(['`']).trim();
    if text.is_empty() {
        return None;
    }
    let (message, suggestion) = match text.split_once('→').or_else(|| text.split_once("->")) {
        Some((message, suggestion)) => (message.trim(), Some(suggestion.trim())),
        None => (text, None),
    };
    Some(Finding {
        line: number.filter(|number| (1..=lines).contains(number)),
        source: Source::Model,
        message: message.to_owned(),
        suggestion: suggestion.filter(|text| !text.is_empty()).map(str::to_owned),
    })
}

/// The line number at the start of an item, such as `줄 3`, `3번째 줄`, `3행`, `Line 3` or `L3`, and the rest of it.
fn numbered(item: &str) -> Option<(Option<u32>, &str)> {
    let lower = item.to_ascii_lowercase();
    for word in ["줄", "행", "라인", "lines", "line", "l"] {
        if lower.starts_with(word) {
            let rest = item[word.len()..].trim_start_matches([' ', '#', '*', '`']);
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0 {
                // Of a range, the first line counts.
                let after = rest[digits..].trim_start_matches(|character: char| {
                    matches!(character, '-' | '–' | '~') || character.is_ascii_digit()
                });
                return Some((rest[..digits].parse().ok(), after));
            }
        }
    }
    let digits = item.bytes().take_while(u8::is_ascii_digit).count();
    let after = item[digits..].trim_start();
    let unit = ["번째 줄", "번 줄", "번 라인", "줄", "행"].into_iter().find(|unit| after.starts_with(unit))?;
    (digits > 0).then(|| (item[..digits].parse().ok(), &after[unit.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_read_from_the_forms_that_models_write() {
        for (text, line, message, suggestion) in [
            (
                "- 줄 3: 0으로 나눌 수 있습니다 → 먼저 검사하세요",
                Some(3),
                "0으로 나눌 수 있습니다",
                Some("먼저 검사하세요"),
            ),
            ("- Line 2: unused import -> remove it", Some(2), "unused import", Some("remove it")),
            ("* **Line 4:** shadowed name", Some(4), "shadowed name", None),
            ("1. 줄 5: 느립니다", Some(5), "느립니다", None),
            ("3번째 줄: 이름이 모호합니다", Some(3), "이름이 모호합니다", None),
            ("L7-9: too long", Some(7), "too long", None),
            ("- Line 99: not there", None, "not there", None),
        ] {
            let found = parse(text, 10);
            assert_eq!(
                found,
                [Finding {
                    line,
                    source: Source::Model,
                    message: message.into(),
                    suggestion: suggestion.map(Into::into)
                }],
                "{text}"
            );
        }
    }

    #[test]
    fn a_diagnostic_that_the_review_repeats_is_listed_once() {
        let diagnostic = Finding {
            line: Some(3),
            source: Source::Check,
            message: "Possible injection".into(),
            suggestion: Some("quote it".into()),
        };
        let review =
            parse("- Line 3: possible injection\n- Line 3: the name is unclear\n- Line 4: Possible injection", 10);
        let merged = merge(vec![diagnostic.clone()], review.clone());
        assert_eq!(merged, [diagnostic, review[1].clone(), review[2].clone()]);
    }

    #[test]
    fn lines_without_a_problem_or_a_line_number_are_no_findings() {
        for text in [
            "문제 없음",
            "No problems",
            "The code is fine.",
            "- looks good",
            "",
            "10 functions",
            "Line up",
            "Line 1: import os → No problems",
            "- 줄 2: 문제 없음",
        ] {
            assert_eq!(parse(text, 10), [], "{text}");
        }
    }
}
