//! The selection of Ruff's rules, with the category and severity of each. Stable rules only, with Ruff's defaults.

use std::path::Path;
use std::sync::LazyLock;

use ruff_linter::RuleSelector;
use ruff_linter::rule_selector::PreviewOptions;
use ruff_linter::settings::LinterSettings;
use ruff_linter::settings::rule_table::RuleTable;

use super::{TARGET_VERSION, dangerous_calls};
use crate::diagnostic::{CheckCategory, Severity};

/// Code of a syntax error that no rule reports.
pub(crate) const INVALID_SYNTAX: &str = "invalid-syntax";

/// Errors that CPython's compiler reports although the grammar allows the code; they belong to the syntax category.
const SYNTAX_RULES: &[&str] = &[
    "F404", "F621", "F622", "F701", "F702", "F704", "F706", "F707", "PLE0115", "PLE0117", "PLE0118", "PLE1142",
    "PLE1700",
];

/// flake8-bandit.
const SECURITY_RULES: &[&str] = &["S"];

/// Perflint, and functions that are too complex.
const PERFORMANCE_RULES: &[&str] = &["PERF", "C901"];

/// Pyflakes, pycodestyle, flake8-bugbear, -comprehensions, -simplify, -return, -pie, Pylint errors and warnings, flake8-builtins,
/// -async, and pyupgrade.
const STYLE_RULES: &[&str] = &["F", "E", "W", "B", "C4", "SIM", "RET", "PIE", "PLE", "PLW", "A", "ASYNC", "UP"];

/// Style rules with severity error: the code fails at runtime.
const STYLE_ERRORS: &[&str] = &["F50", "F82", "F7", "PLE"];

/// Style rules with severity info: a matter of taste.
const STYLE_NOTES: &[&str] = &["E1", "E2", "E3", "E5", "E70", "W1", "W2", "W3", "W5", "SIM", "RET", "UP", "PIE", "C4"];

/// Security rules with severity info: common in harmless code.
const SECURITY_NOTES: &[&str] = &["S101", "S110", "S112", "S311", "S603", "S607"];

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $($rules:ident),+;)+) => {
        $($(#[$doc])* pub(crate) static $name: LazyLock<LinterSettings> = LazyLock::new(|| settings(&[$($rules),+]));)+
    };
}

settings! {
    /// Always applied.
    SYNTAX: SYNTAX_RULES;
    /// Applied if security is requested.
    SECURITY: SYNTAX_RULES, SECURITY_RULES;
    /// Applied if performance is requested.
    PERFORMANCE: PERFORMANCE_RULES;
    /// Applied if style is requested.
    STYLE: STYLE_RULES;
    /// Applied if both are requested.
    PERFORMANCE_AND_STYLE: PERFORMANCE_RULES, STYLE_RULES;
}

/// Ruff's default settings with the given rules; no configuration file is read.
fn settings(selections: &[&[&str]]) -> LinterSettings {
    let preview = PreviewOptions::default();
    let selectors: Vec<RuleSelector> = selections
        .iter()
        .flat_map(|codes| codes.iter())
        .map(|code| code.parse().expect("the tables contain existing rules only"))
        .collect();
    let rules: RuleTable = selectors.iter().flat_map(|selector| selector.rules(&preview)).collect();
    LinterSettings { rules, unresolved_target_version: TARGET_VERSION.into(), ..LinterSettings::new(Path::new("")) }
}

/// The category and severity of a rule.
pub(crate) fn classify(code: &str) -> (CheckCategory, Severity) {
    let matches = |table: &[&str]| table.iter().any(|prefix| code.starts_with(prefix));
    let security = code.strip_prefix('S').is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()));
    if code == INVALID_SYNTAX || SYNTAX_RULES.contains(&code) {
        (CheckCategory::Syntax, Severity::Error)
    } else if security && dangerous_calls::DANGEROUS_CODES.contains(&code) {
        (CheckCategory::Security, Severity::Error)
    } else if security && SECURITY_NOTES.contains(&code) {
        (CheckCategory::Security, Severity::Info)
    } else if security {
        (CheckCategory::Security, Severity::Warning)
    } else if matches(PERFORMANCE_RULES) {
        (CheckCategory::Performance, Severity::Warning)
    } else if matches(STYLE_ERRORS) {
        (CheckCategory::Style, Severity::Error)
    } else if matches(STYLE_NOTES) {
        (CheckCategory::Style, Severity::Info)
    } else {
        (CheckCategory::Style, Severity::Warning)
    }
}
