//! Recommendations: what to do next about a report, in sentences, most urgent first.

use crate::diagnostic::{CheckCategory, Diagnostic, Severity};
use crate::language::Language;
use crate::locale::Locale;
use crate::python::LintReport;
use crate::validate::{ExecutionSafety, ValidationRequest};

/// One sentence per structure rule: code, Korean, English. Most urgent first.
const STRUCTURE: [(&str, &str, &str); 6] = [
    ("HAPA106", "중첩된 반복문을 딕셔너리(맵)나 집합으로 줄여 보세요", "Replace nested loops with a map or a set"),
    ("HAPA101", "복잡한 함수를 더 작은 함수로 나누세요", "Split the complex function into smaller ones"),
    ("HAPA102", "조기 반환(early return)으로 중첩을 줄이세요", "Use early returns to reduce nesting"),
    (
        "HAPA103",
        "긴 함수를 이름이 분명한 작은 함수로 나누세요",
        "Split the long function into smaller, named functions",
    ),
    ("HAPA104", "매개변수를 하나의 타입으로 묶으세요", "Group the parameters into a type"),
    ("HAPA105", "큰 클래스를 역할별로 나누세요", "Split the large class by responsibility"),
];

/// Recommendations for a validation.
pub(crate) fn for_validation(
    report: &LintReport,
    not_checked: &[CheckCategory],
    safety: ExecutionSafety,
    request: &ValidationRequest<'_>,
) -> Vec<String> {
    let locale = request.locale;
    let sentences = [
        syntax(&report.syntax, locale),
        dangerous(safety, locale),
        security(&report.security, locale),
        performance(&report.performance, locale),
        fixes(report, locale),
        skipped(not_checked, request.language, locale),
    ];
    sentences.into_iter().flatten().collect()
}

/// Recommendations for an analysis. `structure` are the diagnostics of the structure rules.
pub(crate) fn for_analysis(
    report: &LintReport,
    structure: &[Diagnostic],
    not_checked: &[CheckCategory],
    language: &str,
    locale: Locale,
) -> Vec<String> {
    let lint =
        [syntax(&report.syntax, locale), security(&report.security, locale), performance(&report.performance, locale)];
    let structure = STRUCTURE.into_iter().filter_map(|(code, ko, en)| {
        let line = structure.iter().find(|diagnostic| diagnostic.code == code)?.line;
        Some(locale.translate(format!("{ko} ({line}번째 줄)."), format!("{en} (line {line}).")))
    });
    lint.into_iter().flatten().chain(structure).chain(skipped(not_checked, language, locale)).collect()
}

fn syntax(errors: &[Diagnostic], locale: Locale) -> Option<String> {
    let first = errors.first()?;
    let (line, count) = (first.line, errors.len());
    Some(locale.translate(
        format!("{line}번째 줄부터 구문 오류 {count}개를 고치세요."),
        format!("Fix the syntax errors first ({count}), starting at line {line}."),
    ))
}

fn dangerous(safety: ExecutionSafety, locale: Locale) -> Option<String> {
    (safety == ExecutionSafety::Dangerous).then(|| {
        locale.translate(
            "위험한 호출이 있습니다. 내용을 이해하고 신뢰할 때만 실행하세요.",
            "The code has dangerous calls. Run it only if you understand and trust it.",
        )
    })
}

fn security(issues: &[Diagnostic], locale: Locale) -> Option<String> {
    let worst = issues.iter().filter(|issue| issue.severity >= Severity::Warning).max_by_key(|issue| issue.severity)?;
    let (line, code) = (worst.line, &worst.code);
    Some(locale.translate(
        format!("{line}번째 줄의 보안 문제({code})부터 확인하세요."),
        format!("Review the security issue at line {line} ({code}) first."),
    ))
}

fn performance(issues: &[Diagnostic], locale: Locale) -> Option<String> {
    let first = issues.first()?;
    let (line, count) = (first.line, issues.len());
    Some(locale.translate(
        format!("성능 개선 제안이 {count}개 있습니다. {line}번째 줄부터 확인하세요."),
        format!("Review the performance suggestions ({count}), starting at line {line}."),
    ))
}

fn fixes(report: &LintReport, locale: Locale) -> Option<String> {
    let all = [&report.security, &report.performance, &report.style];
    let count = all.into_iter().flatten().filter(|diagnostic| diagnostic.fix.is_some()).count();
    (count > 0).then(|| {
        locale.translate(
            format!("{count}개 항목은 제안된 수정을 적용해 고칠 수 있습니다."),
            format!("Suggested fixes are available for {count} of the issues."),
        )
    })
}

/// The categories that were requested but not checked.
fn skipped(not_checked: &[CheckCategory], language: &str, locale: Locale) -> Option<String> {
    if not_checked.is_empty() {
        return None;
    }
    let names: Vec<&str> = not_checked.iter().map(|category| category.name(locale)).collect();
    let (names, shown) = (names.join(", "), language.trim().chars().take(32).collect::<String>());
    Some(match Language::from_name(language) {
        Some(Language::Python) => locale.translate(
            format!("검사하지 못한 항목: {names}. 구문 오류를 고치거나 중첩을 줄인 뒤 다시 검사하세요."),
            format!("Not checked: {names}. Fix the syntax errors or reduce nesting, then check again."),
        ),
        _ => locale.translate(
            format!("`{shown}` 코드에서 다음은 검사하지 않았습니다: {names}."),
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
