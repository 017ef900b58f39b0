//! Python, read with Ruff's own parser and rules: what is wrong with it, what is risky, slow or untidy, and how to put it right.

mod calls;
mod extent;
mod insertion;
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
use crate::locale::Locale;
use crate::position::Lines;

pub(crate) use calls::DANGEROUS;
pub use insertion::python_valid_prefix_len;

/// The version of Python that code is read as: the newest one that is released.
const VERSION: PythonVersion = PythonVersion::PY314;

/// Syntax errors beyond these say nothing new.
const MOST_SYNTAX_ERRORS: usize = 100;

/// A fix whose new text is longer, in bytes, is left out.
const LONGEST_FIX: usize = 10_000;

/// What there is to say about Python code.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub syntax: Vec<Diagnostic>,
    pub security: Vec<Diagnostic>,
    pub performance: Vec<Diagnostic>,
    pub style: Vec<Diagnostic>,
    /// Whether the rules were applied: not to code with syntax errors, nor to code of hostile shape.
    pub rules_applied: bool,
}

/// Whether the code is well formed, as the parser alone tells.
pub(crate) fn well_formed(code: &str) -> bool {
    crate::deep::run(|| parse(code).has_no_syntax_errors()).unwrap_or(false)
}

/// Looks for what was asked for; syntax is always looked at. `None` if Ruff gave up.
pub(crate) fn look(code: &str, wanted: &[CheckCategory], locale: Locale) -> Option<Report> {
    crate::deep::run(|| report(code, wanted, locale))
}

pub(crate) fn parse(code: &str) -> Parsed<ModModule> {
    let options = ParseOptions::from(PySourceType::Python).with_target_version(VERSION);
    parse_unchecked(code, options).try_into_module().expect("a module was asked for")
}

fn report(code: &str, wanted: &[CheckCategory], locale: Locale) -> Report {
    let lines = &Lines::new(code);
    let parsed = parse(code);
    let mut report = Report::default();
    let wants = |area| wanted.contains(&area);
    let usual = extent::is_usual(parsed.syntax());
    if parsed.has_valid_syntax() && usual {
        let pass = Pass::new(code, &parsed);
        let always = if wants(CheckCategory::Security) { &*rules::SECURITY } else { &*rules::SYNTAX };
        for diagnostic in pass.run(always, Noqa::Disabled) {
            report.add(lines, &diagnostic);
        }
        let rest = match (wants(CheckCategory::Performance), wants(CheckCategory::Style)) {
            (true, true) => Some(&*rules::PERFORMANCE_AND_STYLE),
            (true, false) => Some(&*rules::PERFORMANCE),
            (false, true) => Some(&*rules::STYLE),
            (false, false) => None,
        };
        let found = rest.map(|settings| pass.run(settings, Noqa::Enabled)).unwrap_or_default();
        for diagnostic in found.iter().filter(|diagnostic| !diagnostic.is_invalid_syntax()) {
            report.add(lines, diagnostic);
        }
        report.rules_applied = true;
    } else {
        for error in parsed.errors().iter().take(MOST_SYNTAX_ERRORS) {
            let message = error.error.to_string();
            report.syntax.push(lines.finding(bytes(error.range()), rules::INVALID, message, Severity::Error));
        }
    }
    if wants(CheckCategory::Security) {
        calls::add(&mut report.security, parsed.syntax(), lines, locale);
    }
    for list in [&mut report.syntax, &mut report.security, &mut report.performance, &mut report.style] {
        list.sort_by(|a, b| (a.line, a.column, &a.code).cmp(&(b.line, b.column, &b.code)));
        // Some mistakes are found by two rules that say the same.
        list.dedup();
    }
    report.syntax.truncate(MOST_SYNTAX_ERRORS);
    report
}

impl Report {
    fn add(&mut self, lines: &Lines<'_>, diagnostic: &RuffDiagnostic) {
        let Some(range) = diagnostic.range() else { return };
        let code = diagnostic.secondary_code().map_or(rules::INVALID, |code| code.as_str());
        let (area, severity) = rules::judge(code);
        let message = diagnostic.concise_message().to_string();
        let mut finding = lines.finding(bytes(range), code, message, severity);
        finding.fix = fix(lines, diagnostic);
        match area {
            CheckCategory::Syntax => self.syntax.push(finding),
            CheckCategory::Security => self.security.push(finding),
            CheckCategory::Performance => self.performance.push(finding),
            CheckCategory::Style => self.style.push(finding),
        }
    }
}

fn fix(lines: &Lines<'_>, diagnostic: &RuffDiagnostic) -> Option<Fix> {
    let fix = diagnostic.fix()?;
    let length: usize = fix.edits().iter().filter_map(|edit| edit.content()).map(str::len).sum();
    if length > LONGEST_FIX {
        return None;
    }
    let message = diagnostic.first_help_text().map_or_else(|| diagnostic.concise_message().to_string(), str::to_owned);
    let edit =
        |edit: &ruff_diagnostics::Edit| lines.edit(bytes(edit.range()), edit.content().unwrap_or_default().to_owned());
    let applicability = match fix.applicability() {
        ruff_diagnostics::Applicability::Safe => Applicability::Safe,
        ruff_diagnostics::Applicability::Unsafe => Applicability::Unsafe,
        ruff_diagnostics::Applicability::DisplayOnly => Applicability::Display,
    };
    Some(Fix { message, applicability, edits: fix.edits().iter().map(edit).collect() })
}

fn bytes(range: TextRange) -> Range<usize> {
    range.start().to_usize()..range.end().to_usize()
}

/// What Ruff needs to know about code, whichever rules are applied to it.
struct Pass<'a> {
    code: &'a str,
    parsed: &'a Parsed<ModModule>,
    source: SourceKind,
    indexer: Indexer,
}

impl<'a> Pass<'a> {
    fn new(code: &'a str, parsed: &'a Parsed<ModModule>) -> Self {
        let source = SourceKind::Python { code: code.to_owned(), is_stub: false };
        Self { code, parsed, source, indexer: Indexer::from_tokens(parsed.tokens(), code) }
    }

    /// Applies the rules of `settings`. The path is a name only, and nobody else's; nothing is read from it.
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
