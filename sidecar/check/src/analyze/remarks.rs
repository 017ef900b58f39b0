//! What the shape of code gives reason to say: a table of bounds, and the sentences.

use super::{AnalysisType, Metrics};
use crate::diagnostic::{Diagnostic, Severity};
use crate::locale::Locale;
use crate::position::Lines;
use crate::tree::Shape;

/// Functions more tangled than this are hard to test: the bound that McCabe proposed in 1976.
const MOST_COMPLEX: usize = 10;
/// Code nested deeper is hard to follow.
const DEEPEST: usize = 4;
/// Longer functions do not fit a screen.
const LONGEST: usize = 60;
/// More parameters are hard to keep apart.
const MOST_PARAMETERS: usize = 6;
/// Classes with more methods do more than one thing.
const MOST_METHODS: usize = 20;
/// So many loops inside one another are slow for large inputs.
const MOST_LOOPS: usize = 2;

/// What the shape gives reason to say, as far as it was asked for.
pub(super) fn remarks(shape: &Shape, lines: &Lines<'_>, about: AnalysisType, locale: Locale) -> Vec<Diagnostic> {
    let wants = |kind| about == AnalysisType::All || about == kind;
    let mut found = Vec::new();
    let mut say = |line: u32, code: &str, ko: String, en: String| {
        let text = lines.line(line);
        let start = lines.start(line) + text.len() - text.trim_start().len();
        let range = start..start + text.trim().len();
        found.push(lines.finding(range, code, locale.say(ko, en), Severity::Warning));
    };
    for (function, depth) in shape.functions.iter().zip(&shape.depths) {
        let (name, line) = (&function.name, function.line);
        let length = (function.end_line - line + 1) as usize;
        if wants(AnalysisType::Complexity) && function.complexity > MOST_COMPLEX {
            let is = function.complexity;
            say(
                line,
                "HAPA101",
                format!("`{name}`의 복잡도가 {is}입니다 (권장 {MOST_COMPLEX} 이하)"),
                format!("`{name}` has a complexity of {is}; {MOST_COMPLEX} is a good limit"),
            );
        }
        if wants(AnalysisType::Complexity) && depth.nesting > DEEPEST {
            let is = depth.nesting;
            say(
                line,
                "HAPA102",
                format!("`{name}`이(가) {is}단계로 중첩되어 있습니다 (권장 {DEEPEST} 이하)"),
                format!("`{name}` is nested {is} deep; {DEEPEST} is a good limit"),
            );
        }
        if wants(AnalysisType::Structure) && length > LONGEST {
            say(
                line,
                "HAPA103",
                format!("`{name}`이(가) {length}줄입니다 (권장 {LONGEST} 이하)"),
                format!("`{name}` has {length} lines; {LONGEST} is a good limit"),
            );
        }
        if wants(AnalysisType::Structure) && function.parameters > MOST_PARAMETERS {
            let is = function.parameters;
            say(
                line,
                "HAPA104",
                format!("`{name}`의 매개변수가 {is}개입니다 (권장 {MOST_PARAMETERS} 이하)"),
                format!("`{name}` has {is} parameters; {MOST_PARAMETERS} is a good limit"),
            );
        }
        if wants(AnalysisType::Performance) && depth.loops > MOST_LOOPS {
            let is = depth.loops;
            say(
                line,
                "HAPA106",
                format!("`{name}`에 반복문이 {is}겹으로 있습니다"),
                format!("`{name}` has {is} loops inside one another"),
            );
        }
    }
    for class in shape.classes.iter().filter(|class| class.methods > MOST_METHODS) {
        if wants(AnalysisType::Structure) {
            let (name, is) = (&class.name, class.methods);
            say(
                class.line,
                "HAPA105",
                format!("`{name}`의 메서드가 {is}개입니다 (권장 {MOST_METHODS} 이하)"),
                format!("`{name}` has {is} methods; {MOST_METHODS} is a good limit"),
            );
        }
    }
    found
}

/// What to do about the remarks: a sentence for each kind, about the first of it.
pub(super) fn advice(remarks: &[Diagnostic], locale: Locale) -> Vec<String> {
    let first = |code: &str| remarks.iter().find(|remark| remark.code == code).map(|remark| remark.line);
    let table: [(&str, &str, &str); 6] = [
        ("HAPA106", "중첩된 반복문을 사전이나 집합으로 줄여 보세요", "Try a map or a set in place of nested loops"),
        ("HAPA101", "복잡한 함수를 더 작은 함수로 나누세요", "Divide the tangled function into smaller ones"),
        ("HAPA102", "조기 반환으로 중첩을 줄이세요", "Return early to nest less"),
        ("HAPA103", "긴 함수를 이름 있는 부분으로 나누세요", "Divide the long function into parts with names"),
        ("HAPA104", "매개변수를 하나의 자료형으로 묶으세요", "Put the parameters into a type of their own"),
        ("HAPA105", "큰 클래스를 역할별로 나누세요", "Divide the large class by what it does"),
    ];
    let sentence = |(code, ko, en): (&str, &str, &str)| {
        let line = first(code)?;
        Some(locale.say(format!("{ko} ({line}번째 줄)."), format!("{en} (line {line}).")))
    };
    table.into_iter().filter_map(sentence).collect()
}

/// The result in a sentence or two.
pub(super) fn summary(metrics: &Metrics, issues: usize, locale: Locale) -> String {
    let lines = metrics.lines;
    let Metrics { functions: Some(functions), classes: Some(classes), .. } = metrics else {
        return locale.say(
            format!("{lines}줄입니다. 이 언어는 분석하지 않습니다."),
            format!("The code has {lines} lines. Its language is not analyzed here."),
        );
    };
    let complexity = metrics.cyclomatic_complexity.unwrap_or(1);
    let keep = metrics.maintainability_index.unwrap_or_default();
    locale.say(
        format!(
            "{lines}줄, 함수 {functions}개, 클래스 {classes}개, 복잡도 {complexity}, 유지보수 지수 {keep:.0}/100입니다. 발견한 문제는 {issues}개입니다."
        ),
        format!(
            "The code has {lines} lines, {functions} functions and {classes} classes, a complexity of {complexity} and a \
             maintainability of {keep:.0} out of 100. Issues found: {issues}."
        ),
    )
}
