//! Code analysis: metrics, outline, issues and recommendations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::diagnostic::{CheckCategory, Diagnostic};
use crate::language::Language;
use crate::line_index::LineIndex;
use crate::locale::Locale;
use crate::python::LintReport;
use crate::tree::{Grammar, Outline};
use crate::validate::{PARSE_TIMEOUT, lint_python};
use crate::{big_stack, metrics, recommendations, tree};

mod structure_rules;

/// Selects the issues and recommendations of an analysis. Metrics and outline are always included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnalysisType {
    /// Slow code.
    Performance,
    /// Overly complex code.
    Complexity,
    /// Security risks when the code is executed.
    Security,
    /// Likely bugs, outdated syntax and style violations.
    Quality,
    /// Size of functions and classes.
    Structure,
    /// All of them.
    #[default]
    All,
}

/// The result of an analysis.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Analysis {
    /// The requested type.
    pub analysis_type: AnalysisType,
    /// Summary in one or two sentences.
    pub summary: String,
    /// Issues in source order; at most 200.
    #[schema(max_items = 200)]
    pub issues: Vec<Diagnostic>,
    /// Code metrics.
    pub metrics: Metrics,
    /// Functions and methods in source order; at most 500.
    #[schema(max_items = 500)]
    pub functions: Vec<Function>,
    /// Classes, structs, interfaces, traits and enums; at most 500.
    #[schema(max_items = 500)]
    pub classes: Vec<Class>,
    /// Imports; at most 500.
    #[schema(max_items = 500)]
    pub imports: Vec<Import>,
    /// Recommendations, most urgent first.
    pub recommendations: Vec<String>,
    /// Requested categories that were not checked, because the language does not support them or the code has syntax errors.
    pub not_checked: Vec<CheckCategory>,
}

/// Code metrics. A metric that is not available for the language is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Metrics {
    /// Total number of lines.
    #[schema(minimum = 0)]
    pub lines: usize,
    /// Lines with code.
    #[schema(minimum = 0)]
    pub code_lines: Option<usize>,
    /// Lines with a comment, with or without code.
    #[schema(minimum = 0)]
    pub comment_lines: Option<usize>,
    /// Number of functions and methods.
    #[schema(minimum = 0)]
    pub functions: Option<usize>,
    /// Number of classes, structs, interfaces, traits and enums.
    #[schema(minimum = 0)]
    pub classes: Option<usize>,
    /// Number of imported modules.
    #[schema(minimum = 0)]
    pub imports: Option<usize>,
    /// Deepest nesting of branches and loops in any function or at file level.
    #[schema(minimum = 0)]
    pub max_nesting: Option<usize>,
    /// Cyclomatic complexity of the file (McCabe): number of decision points plus one.
    #[schema(minimum = 1)]
    pub cyclomatic_complexity: Option<usize>,
    /// Maintainability index (Coleman and Oman, without the comment term): 0 (hard to maintain) to 100 (easy).
    #[schema(minimum = 0, maximum = 100)]
    pub maintainability_index: Option<f64>,
}

/// A function or method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Function {
    /// Name, as `Class.method` for a method. Anonymous functions are counted as part of the enclosing one.
    pub name: String,
    /// First line, 1-based.
    #[schema(minimum = 1)]
    pub line: u32,
    /// Last line, 1-based.
    #[schema(minimum = 1)]
    pub end_line: u32,
    /// Number of parameters, including an explicit `self`.
    #[schema(minimum = 0)]
    pub parameters: usize,
    /// Cyclomatic complexity (McCabe): number of decision points plus one.
    #[schema(minimum = 1)]
    pub complexity: usize,
    /// Estimated time complexity, such as `O(n)`, from nested loops only. Null if it cannot be estimated.
    #[schema(example = "O(n)")]
    pub big_o_hint: Option<String>,
}

/// A class, struct, interface, trait or enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Class {
    /// Name.
    pub name: String,
    /// First line, 1-based.
    #[schema(minimum = 1)]
    pub line: u32,
    /// Last line, 1-based.
    #[schema(minimum = 1)]
    pub end_line: u32,
    /// Number of methods.
    #[schema(minimum = 0)]
    pub methods: usize,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Import {
    /// The imported module, as written.
    pub module: String,
    /// Line, 1-based.
    #[schema(minimum = 1)]
    pub line: u32,
}

/// Maximum number of issues in an analysis.
const MAX_ISSUES: usize = 200;

/// Analyzes code. Takes tens of milliseconds at most for ordinary code; never panics.
#[must_use]
pub fn analyze(code: &str, language: &str, analysis_type: AnalysisType, locale: Locale) -> Analysis {
    let code = code.strip_prefix('\u{feff}').unwrap_or(code);
    let lines = &LineIndex::new(code);
    let parser = Language::from_name(language);
    let requested = analysis_type.categories();
    let parsed =
        parser.and_then(|language| big_stack::run(|| parse(language, code, lines.line_count(), locale)).flatten());
    let is_parsed = parsed.is_some();
    let ParsedCode { metrics, outline, syntax } = parsed.unwrap_or_else(|| ParsedCode::unsupported(lines.line_count()));
    let (report, checked) = match parser {
        Some(Language::Python) if is_parsed => lint_python(code, &requested, locale),
        _ => {
            let checked = if is_parsed { vec![CheckCategory::Syntax] } else { Vec::new() };
            (LintReport { syntax, ..LintReport::default() }, checked)
        }
    };
    let not_checked: Vec<CheckCategory> =
        requested.into_iter().filter(|category| !checked.contains(category)).collect();
    let structure = structure_rules::apply(&outline, lines, analysis_type, locale);
    let recommendations = recommendations::for_analysis(&report, &structure, &not_checked, language, locale);
    let LintReport { syntax, security, performance, style, .. } = report;
    // HAPA101 replaces Ruff's C901: it counts more decision points, so the two numbers would differ.
    let performance = performance.into_iter().filter(|diagnostic| diagnostic.code != "C901");
    let mut issues: Vec<Diagnostic> =
        syntax.into_iter().chain(security).chain(performance).chain(style).chain(structure).collect();
    issues.sort_by(|a, b| (a.line, a.column, &a.code).cmp(&(b.line, b.column, &b.code)));
    issues.truncate(MAX_ISSUES);
    let summary = summary(&metrics, issues.len(), locale);
    let Outline { functions, classes, imports, .. } = outline;
    Analysis { analysis_type, summary, issues, metrics, functions, classes, imports, recommendations, not_checked }
}

/// The results of parsing with tree-sitter.
struct ParsedCode {
    metrics: Metrics,
    outline: Outline,
    syntax: Vec<Diagnostic>,
}

impl ParsedCode {
    /// The result for a language without a parser: only the line count is known.
    fn unsupported(lines: usize) -> Self {
        Self { metrics: Metrics { lines, ..Metrics::default() }, outline: Outline::default(), syntax: Vec::new() }
    }
}

/// Parses code with tree-sitter. `None` on a timeout. Must run in [`big_stack::run`], because tree-sitter recurses as deep as
/// code is nested.
fn parse(language: Language, code: &str, lines: usize, locale: Locale) -> Option<ParsedCode> {
    let tree = tree::parse(language, code, PARSE_TIMEOUT)?;
    let grammar = Grammar::of(language);
    let outline = tree::outline(&tree, grammar, code);
    let metrics = metrics::metrics(lines, &tree::size_metrics(&tree, grammar, code, lines), &outline);
    Some(ParsedCode { metrics, outline, syntax: tree::syntax_errors(&tree, code, locale) })
}

/// The summary of an analysis in one or two sentences.
fn summary(metrics: &Metrics, issues: usize, locale: Locale) -> String {
    let lines = metrics.lines;
    let Metrics { functions: Some(functions), classes: Some(classes), .. } = metrics else {
        return locale.translate(
            format!("{lines}줄입니다. 이 언어는 분석을 지원하지 않습니다."),
            format!("The code has {lines} lines. Its language is not supported, so it was not analyzed."),
        );
    };
    let complexity = metrics.cyclomatic_complexity.unwrap_or(1);
    let maintainability = metrics.maintainability_index.unwrap_or_default();
    locale.translate(
        format!(
            "{lines}줄, 함수 {functions}개, 클래스 {classes}개, 순환 복잡도 {complexity}, 유지보수 지수 {maintainability:.0}/100입니다. \
             발견된 문제는 {issues}개입니다."
        ),
        format!(
            "The code has {lines} lines, {functions} functions and {classes} classes, a cyclomatic complexity of {complexity} and a \
             maintainability index of {maintainability:.0}/100. Issues found: {issues}."
        ),
    )
}

impl AnalysisType {
    /// The categories to check in addition to the structure rules.
    fn categories(self) -> Vec<CheckCategory> {
        use CheckCategory::{Performance, Security, Style, Syntax};
        match self {
            Self::Performance => vec![Syntax, Performance],
            Self::Security => vec![Syntax, Security],
            Self::Quality => vec![Syntax, Style],
            Self::Complexity | Self::Structure => vec![Syntax],
            Self::All => vec![Syntax, Security, Performance, Style],
        }
    }
}
