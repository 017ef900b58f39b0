//! The language of what people read.

/// Which language sentences are in. What Ruff says is English in either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Locale {
    /// 한국어
    #[default]
    Korean,
    /// English
    English,
}

impl Locale {
    /// The sentence in this language.
    pub(crate) fn say(self, ko: impl Into<String>, en: impl Into<String>) -> String {
        match self {
            Self::Korean => ko.into(),
            Self::English => en.into(),
        }
    }
}
