//! The language of messages and recommendations.

/// Language of the sentences in a report. Messages of Ruff's rules are always in English.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Locale {
    /// Korean (한국어).
    #[default]
    Korean,
    /// English.
    English,
}

impl Locale {
    /// Selects the translation of a sentence for this locale.
    pub(crate) fn translate(self, ko: impl Into<String>, en: impl Into<String>) -> String {
        match self {
            Self::Korean => ko.into(),
            Self::English => en.into(),
        }
    }
}
