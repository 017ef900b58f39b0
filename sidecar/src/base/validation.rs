//! Validation of fields: each problem is added under the field's path.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::i18n::LocalizedText;

/// Fields with invalid values: dotted paths, each with what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("invalid fields: {}", .0.iter().map(|(path, messages)| format!("{path} {}", messages.iter().map(|one| one.en.as_str()).collect::<Vec<_>>().join(", "))).collect::<Vec<_>>().join("; "))]
pub struct ValidationErrors(pub BTreeMap<String, Vec<LocalizedText>>);

impl ValidationErrors {
    /// Adds a problem with a field.
    pub fn add(&mut self, path: impl Into<String>, message: LocalizedText) {
        self.0.entry(path.into()).or_default().push(message);
    }

    /// One problem with one field.
    pub fn field(path: impl Into<String>, message: LocalizedText) -> Self {
        let mut invalid = Self::default();
        invalid.add(path, message);
        invalid
    }

    /// `Ok` if there is no problem.
    ///
    /// # Errors
    /// All problems.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Adds a problem if the text is blank.
    pub fn require_not_blank(&mut self, path: &str, text: &str) {
        if text.trim().is_empty() {
            self.add(path, LocalizedText::new("비어 있을 수 없습니다", "must not be empty"));
        }
    }

    /// Adds a problem if the text has more than `limit` characters.
    pub fn max_length(&mut self, path: &str, text: Option<&str>, limit: usize) {
        // Bytes are never fewer than characters, and their number is known without counting.
        if text.is_some_and(|text| text.len() > limit && text.chars().count() > limit) {
            self.add(
                path,
                LocalizedText::new(
                    format!("최대 {limit}자까지 가능합니다"),
                    format!("must have at most {limit} characters"),
                ),
            );
        }
    }

    /// Adds a problem if the list has more than `limit` items.
    pub fn max_items(&mut self, path: &str, items: usize, limit: usize) {
        if items > limit {
            self.add(
                path,
                LocalizedText::new(
                    format!("최대 {limit}개까지 가능합니다"),
                    format!("must have at most {limit} items"),
                ),
            );
        }
    }

    /// Returns the value, and adds a problem if it is not from `min` to `max`.
    pub fn in_range<T: PartialOrd + Display + Copy>(
        &mut self,
        path: &str,
        value: Option<T>,
        min: T,
        max: T,
    ) -> Option<T> {
        if value.is_some_and(|value| !(min..=max).contains(&value)) {
            self.add(
                path,
                LocalizedText::new(format!("{min}에서 {max} 사이여야 합니다"), format!("must be from {min} to {max}")),
            );
        }
        value
    }
}
