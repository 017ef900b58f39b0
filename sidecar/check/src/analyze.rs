//! Analyzing: how code is built, in figures and by name, and what to do about it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::diagnostic::{CheckCategory, Diagnostic};
use crate::language::Language;
use crate::locale::Locale;
use crate::position::Lines;
use crate::python::Report;
use crate::tree::{Grammar, Shape};
use crate::validate::{PATIENCE, python};
use crate::{advice, deep, metrics, tree};

mod remarks;

/// What an analysis is about: it selects issues and recommendations, the figures are always there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnalysisType {
    /// What is slower than it needs to be.
    Performance,
    /// What is more tangled than it needs to be.
    Complexity,
    /// What is risky to run.
    Security,
    /// What is likely a mistake, outdated or untidy.
    Quality,
    /// How it is divided into parts.
    Structure,
    /// Everything.
    #[default]
    All,
}

/// What analyzing found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Analysis {
    /// What it was about.
    pub analysis_type: AnalysisType,
    /// The result in one or two sentences.
    pub summary: String,
    /// What was found, in the order of the text; at most 200.
    #[schema(max_items = 200)]
    pub issues: Vec<Diagnostic>,
    /// The code in figures.
    pub metrics: Metrics,
    /// Functions and methods in the order of the text; at most 500.
    #[schema(max_items = 500)]
    pub functions: Vec<Function>,
    /// Classes and what other languages have in their place; at most 500.
    #[schema(max_items = 500)]
    pub classes: Vec<Class>,
    /// What is imported; at most 500.
    #[schema(max_items = 500)]
    pub imports: Vec<Import>,
    /// What to do next, the most urgent first.
    pub recommendations: Vec<String>,
    /// What was asked for and could not be checked: for this language, or because the code is not well formed.
    pub not_checked: Vec<CheckCategory>,
}

/// Code in figures. What could not be counted for a language is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Metrics {
    /// Lines in all.
    #[schema(minimum = 0)]
    pub lines: usize,
    /// Lines with code on them.
    #[schema(minimum = 0)]
    pub code_lines: Option<usize>,
    /// Lines with a comment on them, beside code or alone.
    #[schema(minimum = 0)]
    pub comment_lines: Option<usize>,
    /// Functions and methods.
    #[schema(minimum = 0)]
    pub functions: Option<usize>,
    /// Classes and what other languages have in their place.
    #[schema(minimum = 0)]
    pub classes: Option<usize>,
    /// Imported modules.
    #[schema(minimum = 0)]
    pub imports: Option<usize>,
    /// The deepest nesting of branches and loops within a function or at the top.
    #[schema(minimum = 0)]
    pub max_nesting: Option<usize>,
    /// McCabe's number of the whole: one, and one more for each point where the way parts.
    #[schema(minimum = 1)]
    pub cyclomatic_complexity: Option<usize>,
    /// 0 (hard to keep up) to 100 (easy).
    #[schema(minimum = 0, maximum = 100)]
    pub maintainability_index: Option<f64>,
}

/// A function or method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Function {
    /// Its name; with its class before a dot for a method. One without a name counts to what it is in.
    pub name: String,
    /// The line where it begins, from 1.
    #[schema(minimum = 1)]
    pub line: u32,
    /// Its last line.
    #[schema(minimum = 1)]
    pub end_line: u32,
    /// How many parameters it has, `self` included where it is written.
    #[schema(minimum = 0)]
    pub parameters: usize,
    /// McCabe's number: one, and one more for each point where the way parts.
    #[schema(minimum = 1)]
    pub complexity: usize,
    /// How its work could grow with its input, judged by nested loops alone, such as `O(n)`. Null where that cannot be told.
    #[schema(example = "O(n)")]
    pub big_o_hint: Option<String>,
}

/// A class, or what another language has in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// The line where it begins, from 1.
    #[schema(minimum = 1)]
    pub line: u32,
    /// Its last line.
    #[schema(minimum = 1)]
    pub end_line: u32,
    /// How many functions are directly in it.
    #[schema(minimum = 0)]
    pub methods: usize,
}

/// Something imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Import {
    /// What is imported from, as written.
    pub module: String,
    /// The line, from 1.
    #[schema(minimum = 1)]
    pub line: u32,
}

/// Issues beyond these are left out.
const MOST: usize = 200;

/// Takes code apart. Takes tens of milliseconds at most for code of usual shape; never panics.
#[must_use]
pub fn analyze(code: &str, language: &str, analysis_type: AnalysisType, locale: Locale) -> Analysis {
    let code = code.strip_prefix('\u{feff}').unwrap_or(code);
    let lines = &Lines::new(code);
    let named = Language::from_name(language);
    let wanted = analysis_type.areas();
    let built = named.and_then(|language| deep::run(|| built(language, code, lines.count(), locale)).flatten());
    let read = built.is_some();
    let Built { metrics, shape, syntax } = built.unwrap_or_else(|| Built::nothing(lines.count()));
    let (report, checked) = match named {
        Some(Language::Python) if read => python(code, &wanted, locale),
        _ => (Report { syntax, ..Report::default() }, if read { vec![CheckCategory::Syntax] } else { Vec::new() }),
    };
    let not_checked: Vec<CheckCategory> = wanted.into_iter().filter(|area| !checked.contains(area)).collect();
    let shapely = remarks::remarks(&shape, lines, analysis_type, locale);
    let mut recommendations: Vec<String> = [
        advice::syntax(&report.syntax, locale),
        advice::security(&report.security, locale),
        advice::performance(&report.performance, locale),
    ]
    .into_iter()
    .flatten()
    .collect();
    recommendations.extend(remarks::advice(&shapely, locale));
    recommendations.extend(advice::unchecked(&not_checked, language, locale));
    let Report { syntax, security, performance, style, .. } = report;
    // Ours counts more points where the way parts, so the two figures would differ.
    let performance = performance.into_iter().filter(|finding| finding.code != "C901");
    let mut issues: Vec<Diagnostic> =
        syntax.into_iter().chain(security).chain(performance).chain(style).chain(shapely).collect();
    issues.sort_by(|a, b| (a.line, a.column, &a.code).cmp(&(b.line, b.column, &b.code)));
    issues.truncate(MOST);
    let summary = remarks::summary(&metrics, issues.len(), locale);
    let Shape { functions, classes, imports, .. } = shape;
    Analysis { analysis_type, summary, issues, metrics, functions, classes, imports, recommendations, not_checked }
}

/// What a tree tells.
struct Built {
    metrics: Metrics,
    shape: Shape,
    syntax: Vec<Diagnostic>,
}

impl Built {
    /// Of a text whose language is not read.
    fn nothing(lines: usize) -> Self {
        Self { metrics: Metrics { lines, ..Metrics::default() }, shape: Shape::default(), syntax: Vec::new() }
    }
}

/// Needs the stack of [`deep::run`]: tree-sitter goes as deep as hostile text is long. `None` if it took too long.
fn built(language: Language, code: &str, lines: usize, locale: Locale) -> Option<Built> {
    let tree = tree::parse(language, code, PATIENCE)?;
    let grammar = Grammar::of(language);
    let shape = tree::shape(&tree, grammar, code);
    let metrics = metrics::metrics(lines, &tree::leaves(&tree, grammar, code, lines), &shape);
    Some(Built { metrics, shape, syntax: tree::errors(&tree, code, locale) })
}

impl AnalysisType {
    /// What is to be looked at beside the shape.
    fn areas(self) -> Vec<CheckCategory> {
        match self {
            Self::Performance => vec![CheckCategory::Syntax, CheckCategory::Performance],
            Self::Security => vec![CheckCategory::Syntax, CheckCategory::Security],
            Self::Quality => vec![CheckCategory::Syntax, CheckCategory::Style],
            Self::Complexity | Self::Structure => vec![CheckCategory::Syntax],
            Self::All => {
                vec![CheckCategory::Syntax, CheckCategory::Security, CheckCategory::Performance, CheckCategory::Style]
            }
        }
    }
}
