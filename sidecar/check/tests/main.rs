//! What is found in code, and where: the package through its public door, with tables of code and findings.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped has failed the test")]

mod analysis;
mod hostile;
mod languages;
mod python;
mod verdict;

use check::{Diagnostic, Locale, Validation, ValidationRequest, ValidationType, validate};

/// Everything that there is to say about code, in English.
fn everything(code: &str, language: &str) -> Validation {
    validate(&ValidationRequest {
        validation_type: ValidationType::All,
        locale: Locale::English,
        ..ValidationRequest::new(code, language)
    })
}

/// A finding as `code line:column-line:column`.
fn places(findings: &[Diagnostic]) -> Vec<String> {
    let place = |found: &Diagnostic| {
        format!("{} {}:{}-{}:{}", found.code, found.line, found.column, found.end_line, found.end_column)
    };
    findings.iter().map(place).collect()
}
