//! What is chosen about the app as a program, and what it has to remember between two starts.

use serde::{Deserialize, Deserializer, Serialize};

use crate::data_dir::Kept;
use crate::i18n::Language;
use crate::update::Channel;

/// The file, in the data folder.
const FILE: &str = "desktop.json";

/// The desktop's own memory.
pub type Memory = Kept<Remembered>;

/// Opens it.
pub fn open() -> Memory {
    Memory::open(FILE)
}

/// What is in the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// What the user chose.
    pub choices: Choices,
    /// The language that the window spoke last.
    pub language: Option<Language>,
    /// Whether the user was told that a closed window stays in the tray.
    pub told_of_tray: bool,
}

/// What the user chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// Whether closing the window leaves HAPA in the tray.
    pub background: bool,
    /// Whether an answer that nobody watches is told of.
    pub notifications: bool,
    /// The keys that open the quick window; `None` for no keys at all.
    pub shortcut: Option<String>,
    /// Which new versions are told of.
    pub updates: Channel,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            background: false,
            notifications: true,
            shortcut: Some("Ctrl+Shift+Space".to_owned()),
            updates: Channel::default(),
        }
    }
}

/// Some choices to take; those that are absent stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Patch {
    pub background: Option<bool>,
    pub notifications: Option<bool>,
    /// `Some(None)`: no keys.
    #[serde(deserialize_with = "present")]
    pub shortcut: Option<Option<String>>,
    pub updates: Option<Channel>,
}

/// A value that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Choices {
    /// These choices with those of the patch.
    #[must_use]
    pub fn with(self, patch: Patch) -> Self {
        Self {
            background: patch.background.unwrap_or(self.background),
            notifications: patch.notifications.unwrap_or(self.notifications),
            shortcut: patch.shortcut.unwrap_or(self.shortcut),
            updates: patch.updates.unwrap_or(self.updates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_what_it_names() {
        let patch = |json| serde_json::from_str::<Patch>(json).unwrap();
        let usual = Choices::default();
        assert_eq!(usual.clone().with(patch("{}")), usual);
        assert_eq!(usual.clone().with(patch(r#"{"shortcut":null}"#)), Choices { shortcut: None, ..usual.clone() });
        assert_eq!(usual.clone().with(patch(r#"{"background":true}"#)), Choices { background: true, ..usual });
    }
}
