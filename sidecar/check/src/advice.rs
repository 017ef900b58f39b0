//! What to do next, in sentences.

use crate::finding::{Area, Finding, Severity};
use crate::language::Language;
use crate::python::Report;
use crate::validate::{ExecutionSafety, Submission};
use crate::words::Words;

/// What to do after a validation, the most urgent first.
pub(crate) fn on_validation(
    report: &Report,
    not_checked: &[Area],
    safety: ExecutionSafety,
    submission: &Submission<'_>,
) -> Vec<String> {
    let (words, mut advice) = (submission.words, Vec::new());
    advice.extend(syntax(&report.syntax, words));
    advice.extend(dangerous(safety, words));
    advice.extend(security(&report.security, words));
    advice.extend(performance(&report.performance, words));
    advice.extend(fixes(report, words));
    advice.extend(unchecked(not_checked, submission.language, words));
    advice
}

/// About syntax errors.
pub(crate) fn syntax(errors: &[Finding], words: Words) -> Option<String> {
    let first = errors.first()?;
    let (line, count) = (first.line, errors.len());
    Some(words.say(
        format!("{line}번째 줄부터 구문 오류 {count}개를 고치세요."),
        format!("Fix the syntax errors first ({count}), beginning with line {line}."),
    ))
}

fn dangerous(safety: ExecutionSafety, words: Words) -> Option<String> {
    (safety == ExecutionSafety::Dangerous).then(|| {
        words.say(
            "위험한 호출이 있습니다. 내용을 이해하고 신뢰할 때만 실행하세요.",
            "There are dangerous calls. Run this only if you understand and trust it.",
        )
    })
}

/// About what is risky.
pub(crate) fn security(issues: &[Finding], words: Words) -> Option<String> {
    let worst = issues.iter().filter(|issue| issue.severity >= Severity::Warning).max_by_key(|issue| issue.severity)?;
    let (line, code) = (worst.line, &worst.code);
    Some(words.say(
        format!("{line}번째 줄의 보안 문제({code})부터 살펴보세요."),
        format!("Look at the security issue on line {line} ({code}) first."),
    ))
}

/// About what is slow or tangled.
pub(crate) fn performance(issues: &[Finding], words: Words) -> Option<String> {
    let first = issues.first()?;
    let (line, count) = (first.line, issues.len());
    Some(words.say(
        format!("성능 제안이 {count}개 있습니다. {line}번째 줄부터 보세요."),
        format!("There are suggestions for speed or simplicity ({count}), beginning with line {line}."),
    ))
}

fn fixes(report: &Report, words: Words) -> Option<String> {
    let all = [&report.security, &report.performance, &report.style];
    let count = all.into_iter().flatten().filter(|finding| finding.fix.is_some()).count();
    (count > 0).then(|| {
        words.say(
            format!("{count}개는 제안된 수정으로 고칠 수 있습니다."),
            format!("Suggested fixes can put {count} of these right."),
        )
    })
}

/// About what could not be checked.
pub(crate) fn unchecked(not_checked: &[Area], language: &str, words: Words) -> Option<String> {
    if not_checked.is_empty() {
        return None;
    }
    let names: Vec<&str> = not_checked.iter().map(|area| area.name(words)).collect();
    let (names, shown) = (names.join(", "), language.trim().chars().take(32).collect::<String>());
    Some(match Language::named(language) {
        Some(Language::Python) => words.say(
            format!("검사하지 못했습니다: {names}. 구문을 고치거나 중첩을 줄이고 다시 검사하세요."),
            format!("Not checked: {names}. Put the syntax right or nest less deeply, then check again."),
        ),
        _ => words.say(
            format!("`{shown}`에 대해서는 검사하지 않았습니다: {names}."),
            format!("Not checked for `{shown}`: {names}."),
        ),
    })
}

impl Area {
    fn name(self, words: Words) -> &'static str {
        match (self, words) {
            (Self::Syntax, Words::Korean) => "구문",
            (Self::Syntax, Words::English) => "syntax",
            (Self::Security, Words::Korean) => "보안",
            (Self::Security, Words::English) => "security",
            (Self::Performance, Words::Korean) => "성능",
            (Self::Performance, Words::English) => "performance",
            (Self::Style, Words::Korean) => "스타일",
            (Self::Style, Words::English) => "style",
        }
    }
}
