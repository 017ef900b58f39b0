//! What is found in code, and where: the package through its public door, with tables of code and findings.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped has failed the test")]

mod analysis;
mod hostile;
mod languages;
mod python;
mod verdict;

use check::{Finding, Kind, Submission, Validation, Words, validate};

/// Everything that there is to say about code, in English.
fn everything(code: &str, language: &str) -> Validation {
    validate(&Submission { kind: Kind::All, words: Words::English, ..Submission::new(code, language) })
}

/// A finding as `code line:column-line:column`.
fn places(findings: &[Finding]) -> Vec<String> {
    let place = |found: &Finding| {
        format!("{} {}:{}-{}:{}", found.code, found.line, found.column, found.end_line, found.end_column)
    };
    findings.iter().map(place).collect()
}
