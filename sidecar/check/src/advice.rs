//! What to do next, in sentences.

use crate::diagnostic::{CheckCategory, Diagnostic, Severity};
use crate::language::Language;
use crate::locale::Locale;
use crate::python::Report;
use crate::validate::{ExecutionSafety, ValidationRequest};

/// What to do after a validation, the most urgent first.
pub(crate) fn on_validation(
    report: &Report,
    not_checked: &[CheckCategory],
    safety: ExecutionSafety,
    submission: &ValidationRequest<'_>,
) -> Vec<String> {
    let (locale, mut advice) = (submission.locale, Vec::new());
    advice.extend(syntax(&report.syntax, locale));
    advice.extend(dangerous(safety, locale));
    advice.extend(security(&report.security, locale));
    advice.extend(performance(&report.performance, locale));
    advice.extend(fixes(report, locale));
    advice.extend(unchecked(not_checked, submission.language, locale));
    advice
}

/// About syntax errors.
pub(crate) fn syntax(errors: &[Diagnostic], locale: Locale) -> Option<String> {
    let first = errors.first()?;
    let (line, count) = (first.line, errors.len());
    Some(locale.say(
        format!("{line}번째 줄부터 구문 오류 {count}개를 고치세요."),
        format!("Fix the syntax errors first ({count}), beginning with line {line}."),
    ))
}

fn dangerous(safety: ExecutionSafety, locale: Locale) -> Option<String> {
    (safety == ExecutionSafety::Dangerous).then(|| {
        locale.say(
            "위험한 호출이 있습니다. 내용을 이해하고 신뢰할 때만 실행하세요.",
            "There are dangerous calls. Run this only if you understand and trust it.",
        )
    })
}

/// About what is risky.
pub(crate) fn security(issues: &[Diagnostic], locale: Locale) -> Option<String> {
    let worst = issues.iter().filter(|issue| issue.severity >= Severity::Warning).max_by_key(|issue| issue.severity)?;
    let (line, code) = (worst.line, &worst.code);
    Some(locale.say(
        format!("{line}번째 줄의 보안 문제({code})부터 살펴보세요."),
        format!("Look at the security issue on line {line} ({code}) first."),
    ))
}

/// About what is slow or tangled.
pub(crate) fn performance(issues: &[Diagnostic], locale: Locale) -> Option<String> {
    let first = issues.first()?;
    let (line, count) = (first.line, issues.len());
    Some(locale.say(
        format!("성능 제안이 {count}개 있습니다. {line}번째 줄부터 보세요."),
        format!("There are suggestions for speed or simplicity ({count}), beginning with line {line}."),
    ))
}

fn fixes(report: &Report, locale: Locale) -> Option<String> {
    let all = [&report.security, &report.performance, &report.style];
    let count = all.into_iter().flatten().filter(|finding| finding.fix.is_some()).count();
    (count > 0).then(|| {
        locale.say(
            format!("{count}개는 제안된 수정으로 고칠 수 있습니다."),
            format!("Suggested fixes can put {count} of these right."),
        )
    })
}

/// About what could not be checked.
pub(crate) fn unchecked(not_checked: &[CheckCategory], language: &str, locale: Locale) -> Option<String> {
    if not_checked.is_empty() {
        return None;
    }
    let names: Vec<&str> = not_checked.iter().map(|area| area.name(locale)).collect();
    let (names, shown) = (names.join(", "), language.trim().chars().take(32).collect::<String>());
    Some(match Language::from_name(language) {
        Some(Language::Python) => locale.say(
            format!("검사하지 못했습니다: {names}. 구문을 고치거나 중첩을 줄이고 다시 검사하세요."),
            format!("Not checked: {names}. Put the syntax right or nest less deeply, then check again."),
        ),
        _ => locale.say(
            format!("`{shown}`에 대해서는 검사하지 않았습니다: {names}."),
            format!("Not checked for `{shown}`: {names}."),
        ),
    })
}

impl CheckCategory {
    fn name(self, locale: Locale) -> &'static str {
        match (self, locale) {
            (Self::Syntax, Locale::Korean) => "구문",
            (Self::Syntax, Locale::English) => "syntax",
            (Self::Security, Locale::Korean) => "보안",
            (Self::Security, Locale::English) => "security",
            (Self::Performance, Locale::Korean) => "성능",
            (Self::Performance, Locale::English) => "performance",
            (Self::Style, Locale::Korean) => "스타일",
            (Self::Style, Locale::English) => "style",
        }
    }
}
