//! Which of Ruff's rules are applied, what each is about, and how bad what it finds is. Stable rules only, with Ruff's defaults.

use std::path::Path;
use std::sync::LazyLock;

use ruff_linter::RuleSelector;
use ruff_linter::rule_selector::PreviewOptions;
use ruff_linter::settings::LinterSettings;
use ruff_linter::settings::rule_table::RuleTable;

use super::{VERSION, calls};
use crate::diagnostic::{CheckCategory, Severity};

/// The code of a finding that is no rule's.
pub const INVALID: &str = "invalid-syntax";

/// What Python itself refuses to compile although its grammar allows it: part of the syntax.
const SYNTAX_RULES: &[&str] = &[
    "F404", "F621", "F622", "F701", "F702", "F704", "F706", "F707", "PLE0115", "PLE0117", "PLE0118", "PLE1142",
    "PLE1700",
];

/// flake8-bandit's.
const SECURITY_RULES: &[&str] = &["S"];

/// Perflint's, and functions that are too tangled.
const PERFORMANCE_RULES: &[&str] = &["PERF", "C901"];

/// Pyflakes, pycodestyle, bugbear, comprehensions, simplifications, returns, needless code, errors and warnings of pylint,
/// shadowed builtins, and what newer versions of Python say better.
const STYLE_RULES: &[&str] = &["F", "E", "W", "B", "C4", "SIM", "RET", "PIE", "PLE", "PLW", "A", "ASYNC", "UP"];

/// Style that is an error: the code fails when it gets there.
const ERRORS: &[&str] = &["F50", "F82", "F7", "PLE"];

/// Style that is a matter of taste.
const NOTES: &[&str] = &["E1", "E2", "E3", "E5", "E70", "W1", "W2", "W3", "W5", "SIM", "RET", "UP", "PIE", "C4"];

/// Security findings that are common in harmless code.
const SECURITY_NOTES: &[&str] = &["S101", "S110", "S112", "S311", "S603", "S607"];

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $($rules:ident),+;)+) => {
        $($(#[$doc])* pub static $name: LazyLock<LinterSettings> = LazyLock::new(|| settings(&[$($rules),+]));)+
    };
}

settings! {
    /// Applied to any code.
    SYNTAX: SYNTAX_RULES;
    /// Applied where security is asked for.
    SECURITY: SYNTAX_RULES, SECURITY_RULES;
    /// Applied where performance is asked for.
    PERFORMANCE: PERFORMANCE_RULES;
    /// Applied where style is asked for.
    STYLE: STYLE_RULES;
    /// Applied where both are asked for.
    PERFORMANCE_AND_STYLE: PERFORMANCE_RULES, STYLE_RULES;
}

/// Ruff's defaults with these rules; no configuration is read.
fn settings(selections: &[&[&str]]) -> LinterSettings {
    let preview = PreviewOptions::default();
    let selectors: Vec<RuleSelector> = selections
        .iter()
        .flat_map(|codes| codes.iter())
        .map(|code| code.parse().expect("the table names rules that there are"))
        .collect();
    let rules: RuleTable = selectors.iter().flat_map(|selector| selector.rules(&preview)).collect();
    LinterSettings { rules, unresolved_target_version: VERSION.into(), ..LinterSettings::new(Path::new("")) }
}

/// What a rule is about, and how bad what it finds is.
pub fn judge(code: &str) -> (CheckCategory, Severity) {
    let within = |table: &[&str]| table.iter().any(|prefix| code.starts_with(prefix));
    let security = code.strip_prefix('S').is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()));
    if code == INVALID || SYNTAX_RULES.contains(&code) {
        (CheckCategory::Syntax, Severity::Error)
    } else if security && calls::DANGEROUS.contains(&code) {
        (CheckCategory::Security, Severity::Error)
    } else if security && SECURITY_NOTES.contains(&code) {
        (CheckCategory::Security, Severity::Info)
    } else if security {
        (CheckCategory::Security, Severity::Warning)
    } else if within(PERFORMANCE_RULES) {
        (CheckCategory::Performance, Severity::Warning)
    } else if within(ERRORS) {
        (CheckCategory::Style, Severity::Error)
    } else if within(NOTES) {
        (CheckCategory::Style, Severity::Info)
    } else {
        (CheckCategory::Style, Severity::Warning)
    }
}
