//! Lints Python with Ruff's parser and rules, including fixes.

mod dangerous_calls;
mod depth_guard;
mod insertion_point;
mod rules;

use std::ops::Range;
use std::path::Path;

use ruff_db::diagnostic::Diagnostic as RuffDiagnostic;
use ruff_linter::linter::check_path;
use ruff_linter::settings::{LinterSettings, flags::Noqa};
use ruff_linter::source_kind::SourceKind;
use ruff_linter::suppression::Suppressions;
use ruff_linter::{Locator, directives};
use ruff_python_ast::{ModModule, PySourceType, PythonVersion};
use ruff_python_codegen::Stylist;
use ruff_python_index::Indexer;
use ruff_python_parser::{ParseOptions, Parsed, parse_unchecked};
use ruff_text_size::{Ranged, TextRange};

use crate::diagnostic::{Applicability, CheckCategory, Diagnostic, Fix, Severity};
use crate::line_index::LineIndex;
use crate::locale::Locale;

pub(crate) use dangerous_calls::DANGEROUS_CODES;
pub use insertion_point::python_valid_prefix_len;

/// The Python version that code is parsed as: the latest release.
const TARGET_VERSION: PythonVersion = PythonVersion::PY314;

/// Maximum number of syntax errors; further ones add no information.
const MAX_SYNTAX_ERRORS: usize = 100;

/// Fixes with a longer replacement, in bytes, are omitted.
const MAX_FIX_BYTES: usize = 10_000;

/// Diagnostics by category.
#[derive(Debug, Default)]
pub(crate) struct LintReport {
    pub syntax: Vec<Diagnostic>,
    pub security: Vec<Diagnostic>,
    pub performance: Vec<Diagnostic>,
    pub style: Vec<Diagnostic>,
    /// Whether the rules were applied. They are not applied to code with syntax errors or beyond the limits of `depth_guard`.
    pub rules_applied: bool,
}

/// Whether the parser reports no syntax error.
pub(crate) fn has_valid_syntax(code: &str) -> bool {
    crate::big_stack::run(|| parse(code).has_no_syntax_errors()).unwrap_or(false)
}

/// Lints code for the requested categories; syntax is always checked. `None` if Ruff panicked.
pub(crate) fn lint(code: &str, requested: &[CheckCategory], locale: Locale) -> Option<LintReport> {
    crate::big_stack::run(|| lint_report(code, requested, locale))
}

pub(crate) fn parse(code: &str) -> Parsed<ModModule> {
    let options = ParseOptions::from(PySourceType::Python).with_target_version(TARGET_VERSION);
    parse_unchecked(code, options).try_into_module().expect("`PySourceType::Python` is parsed as a module")
}

fn lint_report(code: &str, requested: &[CheckCategory], locale: Locale) -> LintReport {
    let lines = &LineIndex::new(code);
    let parsed = parse(code);
    let mut report = LintReport::default();
    let includes = |category| requested.contains(&category);
    let within_limits = depth_guard::within_limits(parsed.syntax());
    if parsed.has_valid_syntax() && within_limits {
        let context = LintContext::new(code, &parsed);
        let base_rules = if includes(CheckCategory::Security) { &*rules::SECURITY } else { &*rules::SYNTAX };
        for diagnostic in context.run(base_rules, Noqa::Disabled) {
            report.add(lines, &diagnostic);
        }
        let other_rules = match (includes(CheckCategory::Performance), includes(CheckCategory::Style)) {
            (true, true) => Some(&*rules::PERFORMANCE_AND_STYLE),
            (true, false) => Some(&*rules::PERFORMANCE),
            (false, true) => Some(&*rules::STYLE),
            (false, false) => None,
        };
        let found = other_rules.map(|settings| context.run(settings, Noqa::Enabled)).unwrap_or_default();
        for diagnostic in found.iter().filter(|diagnostic| !diagnostic.is_invalid_syntax()) {
            report.add(lines, diagnostic);
        }
        report.rules_applied = true;
    } else {
        for error in parsed.errors().iter().take(MAX_SYNTAX_ERRORS) {
            let message = error.error.to_string();
            report.syntax.push(lines.diagnostic(
                byte_range(error.range()),
                rules::INVALID_SYNTAX,
                message,
                Severity::Error,
            ));
        }
    }
    if includes(CheckCategory::Security) {
        dangerous_calls::add(&mut report.security, parsed.syntax(), lines, locale);
    }
    for list in [&mut report.syntax, &mut report.security, &mut report.performance, &mut report.style] {
        list.sort_by(|a, b| (a.line, a.column, &a.code).cmp(&(b.line, b.column, &b.code)));
        // Some problems are reported by two rules with the same result.
        list.dedup();
    }
    report.syntax.truncate(MAX_SYNTAX_ERRORS);
    report
}

impl LintReport {
    fn add(&mut self, lines: &LineIndex<'_>, diagnostic: &RuffDiagnostic) {
        let Some(range) = diagnostic.range() else { return };
        let code = diagnostic.secondary_code().map_or(rules::INVALID_SYNTAX, |code| code.as_str());
        let (category, severity) = rules::classify(code);
        let message = diagnostic.concise_message().to_string();
        let mut converted = lines.diagnostic(byte_range(range), code, message, severity);
        converted.fix = fix(lines, diagnostic);
        match category {
            CheckCategory::Syntax => self.syntax.push(converted),
            CheckCategory::Security => self.security.push(converted),
            CheckCategory::Performance => self.performance.push(converted),
            CheckCategory::Style => self.style.push(converted),
        }
    }
}

fn fix(lines: &LineIndex<'_>, diagnostic: &RuffDiagnostic) -> Option<Fix> {
    let fix = diagnostic.fix()?;
    let length: usize = fix.edits().iter().filter_map(|edit| edit.content()).map(str::len).sum();
    if length > MAX_FIX_BYTES {
        return None;
    }
    let message = diagnostic.first_help_text().map_or_else(|| diagnostic.concise_message().to_string(), str::to_owned);
    let edit = |edit: &ruff_diagnostics::Edit| {
        lines.edit(byte_range(edit.range()), edit.content().unwrap_or_default().to_owned())
    };
    let applicability = match fix.applicability() {
        ruff_diagnostics::Applicability::Safe => Applicability::Safe,
        ruff_diagnostics::Applicability::Unsafe => Applicability::Unsafe,
        ruff_diagnostics::Applicability::DisplayOnly => Applicability::Display,
    };
    Some(Fix { message, applicability, edits: fix.edits().iter().map(edit).collect() })
}

fn byte_range(range: TextRange) -> Range<usize> {
    range.start().to_usize()..range.end().to_usize()
}

/// Inputs of Ruff's linter that do not depend on the selected rules.
struct LintContext<'a> {
    code: &'a str,
    parsed: &'a Parsed<ModModule>,
    source: SourceKind,
    indexer: Indexer,
}

impl<'a> LintContext<'a> {
    fn new(code: &'a str, parsed: &'a Parsed<ModModule>) -> Self {
        let source = SourceKind::Python { code: code.to_owned(), is_stub: false };
        Self { code, parsed, source, indexer: Indexer::from_tokens(parsed.tokens(), code) }
    }

    /// Applies the rules of `settings`. The path is only a name; no file is read.
    fn run(&self, settings: &LinterSettings, noqa: Noqa) -> Vec<RuffDiagnostic> {
        let path = Path::new("submission.py");
        let (locator, tokens) = (Locator::new(self.code), self.parsed.tokens());
        let stylist = Stylist::from_tokens(tokens, self.code);
        let flags = directives::Flags::from_settings(settings);
        let directives = directives::extract_directives(tokens, flags, &locator, &self.indexer);
        let suppressions = Suppressions::from_tokens(self.code, tokens, &self.indexer, settings);
        check_path(
            path,
            None,
            &locator,
            &stylist,
            &self.indexer,
            &directives,
            settings,
            noqa,
            &self.source,
            PySourceType::Python,
            self.parsed,
            settings.resolve_target_version(path),
            &suppressions,
        )
    }
}
