//! Tests of the package through its public API, as tables of code and expected diagnostics.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod analysis;
mod hostile;
mod languages;
mod python;
mod validation;

use check::{Diagnostic, Locale, Validation, ValidationRequest, ValidationType, validate};

/// Validates code for all categories, in English.
fn validate_all(code: &str, language: &str) -> Validation {
    validate(&ValidationRequest {
        validation_type: ValidationType::All,
        locale: Locale::English,
        ..ValidationRequest::new(code, language)
    })
}

/// Each diagnostic as `code line:column-line:column`.
fn positions(diagnostics: &[Diagnostic]) -> Vec<String> {
    let position = |diagnostic: &Diagnostic| {
        format!(
            "{} {}:{}-{}:{}",
            diagnostic.code, diagnostic.line, diagnostic.column, diagnostic.end_line, diagnostic.end_column
        )
    };
    diagnostics.iter().map(position).collect()
}
