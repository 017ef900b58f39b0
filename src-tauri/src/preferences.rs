//! What is chosen about the app as a program, and what it has to remember between two starts.

use serde::{Deserialize, Deserializer, Serialize};

use crate::data_dir::JsonFile;
use crate::i18n::Language;
use crate::update::Channel;

/// The file, in the data folder.
const FILE: &str = "desktop.json";

/// The desktop's own memory.
pub type DesktopStateFile = JsonFile<DesktopState>;

/// Opens it.
pub fn open() -> DesktopStateFile {
    DesktopStateFile::open(FILE)
}

/// What is in the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DesktopState {
    /// What the user chose.
    #[serde(rename = "choices")]
    pub preferences: DesktopPreferences,
    /// The language that the window spoke last.
    pub language: Option<Language>,
    /// Whether the user was told that a closed window stays in the tray.
    #[serde(rename = "told_of_tray")]
    pub tray_hint_shown: bool,
}

/// What the user chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DesktopPreferences {
    /// Whether closing the window leaves HAPA in the tray.
    pub background: bool,
    /// Whether an answer that nobody watches is told of.
    pub notifications: bool,
    /// The keys that open the quick window; `None` for no keys at all.
    pub shortcut: Option<String>,
    /// Which new versions are told of.
    pub updates: Channel,
}

impl Default for DesktopPreferences {
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
pub struct PreferencesPatch {
    pub background: Option<bool>,
    pub notifications: Option<bool>,
    /// `Some(None)`: no keys.
    #[serde(deserialize_with = "present_or_null")]
    pub shortcut: Option<Option<String>>,
    pub updates: Option<Channel>,
}

/// A value that is there, be it `null`.
fn present_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl DesktopPreferences {
    /// These choices with those of the patch.
    #[must_use]
    pub fn apply(self, patch: PreferencesPatch) -> Self {
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
        let patch = |json| serde_json::from_str::<PreferencesPatch>(json).unwrap();
        let defaults = DesktopPreferences::default();
        assert_eq!(defaults.clone().apply(patch("{}")), defaults);
        assert_eq!(
            defaults.clone().apply(patch(r#"{"shortcut":null}"#)),
            DesktopPreferences { shortcut: None, ..defaults.clone() }
        );
        assert_eq!(
            defaults.clone().apply(patch(r#"{"background":true}"#)),
            DesktopPreferences { background: true, ..defaults }
        );
    }
}
