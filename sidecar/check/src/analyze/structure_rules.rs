//! HAPA's own rules about the structure of code: limits for complexity, nesting, length and size (`HAPA101` to `HAPA106`).

use super::AnalysisType;
use crate::diagnostic::{Diagnostic, Severity};
use crate::line_index::LineIndex;
use crate::locale::Locale;
use crate::tree::Outline;

/// Maximum cyclomatic complexity of a function, as proposed by McCabe, "A Complexity Measure", IEEE TSE 2(4), 1976.
const MAX_COMPLEXITY: usize = 10;
/// Maximum nesting depth of a function: deeper code is hard to follow.
const MAX_NESTING: usize = 4;
/// Maximum number of lines of a function: longer ones do not fit on a screen.
const MAX_FUNCTION_LINES: usize = 60;
/// Maximum number of parameters: more are easy to mix up.
const MAX_PARAMETERS: usize = 6;
/// Maximum number of methods: a class with more has several responsibilities.
const MAX_METHODS: usize = 20;
/// Maximum number of nested loops: more are slow for large inputs.
const MAX_NESTED_LOOPS: usize = 2;

/// Applies the rules that `analysis_type` selects to an outline.
pub(super) fn apply(
    outline: &Outline,
    lines: &LineIndex<'_>,
    analysis_type: AnalysisType,
    locale: Locale,
) -> Vec<Diagnostic> {
    let selected = |rule_type| analysis_type == AnalysisType::All || analysis_type == rule_type;
    let mut diagnostics = Vec::new();
    let mut report = |line: u32, code: &str, ko: String, en: String| {
        let text = lines.line_text(line);
        let start = lines.line_start(line) + text.len() - text.trim_start().len();
        let range = start..start + text.trim().len();
        diagnostics.push(lines.diagnostic(range, code, locale.translate(ko, en), Severity::Warning));
    };
    for (function, depth) in outline.functions.iter().zip(&outline.depths) {
        let (name, line) = (&function.name, function.line);
        let length = (function.end_line - line + 1) as usize;
        if selected(AnalysisType::Complexity) && function.complexity > MAX_COMPLEXITY {
            let complexity = function.complexity;
            report(
                line,
                "HAPA101",
                format!("`{name}`의 순환 복잡도가 {complexity}입니다 (권장 {MAX_COMPLEXITY} 이하)"),
                format!("`{name}` has a cyclomatic complexity of {complexity} (recommended: at most {MAX_COMPLEXITY})"),
            );
        }
        if selected(AnalysisType::Complexity) && depth.nesting > MAX_NESTING {
            let nesting = depth.nesting;
            report(
                line,
                "HAPA102",
                format!("`{name}`의 중첩이 {nesting}단계입니다 (권장 {MAX_NESTING} 이하)"),
                format!("`{name}` is nested {nesting} levels deep (recommended: at most {MAX_NESTING})"),
            );
        }
        if selected(AnalysisType::Structure) && length > MAX_FUNCTION_LINES {
            report(
                line,
                "HAPA103",
                format!("`{name}`의 길이가 {length}줄입니다 (권장 {MAX_FUNCTION_LINES} 이하)"),
                format!("`{name}` has {length} lines (recommended: at most {MAX_FUNCTION_LINES})"),
            );
        }
        if selected(AnalysisType::Structure) && function.parameters > MAX_PARAMETERS {
            let parameters = function.parameters;
            report(
                line,
                "HAPA104",
                format!("`{name}`의 매개변수가 {parameters}개입니다 (권장 {MAX_PARAMETERS} 이하)"),
                format!("`{name}` has {parameters} parameters (recommended: at most {MAX_PARAMETERS})"),
            );
        }
        if selected(AnalysisType::Performance) && depth.loops > MAX_NESTED_LOOPS {
            let loops = depth.loops;
            report(
                line,
                "HAPA106",
                format!("`{name}`에 반복문이 {loops}중으로 중첩되어 있습니다"),
                format!("`{name}` has {loops} nested loops"),
            );
        }
    }
    for class in outline.classes.iter().filter(|class| class.methods > MAX_METHODS) {
        if selected(AnalysisType::Structure) {
            let (name, methods) = (&class.name, class.methods);
            report(
                class.line,
                "HAPA105",
                format!("`{name}`의 메서드가 {methods}개입니다 (권장 {MAX_METHODS} 이하)"),
                format!("`{name}` has {methods} methods (recommended: at most {MAX_METHODS})"),
            );
        }
    }
    diagnostics
}
