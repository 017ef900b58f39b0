//! The two languages that HAPA answers in, and texts in both.

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalizedText {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

impl LocalizedText {
    /// A sentence, Korean first.
    pub fn new(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self { ko: ko.into(), en: en.into() }
    }

    /// The sentence in one language.
    #[must_use]
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::Korean => &self.ko,
            Language::English => &self.en,
        }
    }
}

/// The language that people are answered in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// 한국어, the first language of the API.
    #[default]
    Korean,
    /// English.
    English,
}
