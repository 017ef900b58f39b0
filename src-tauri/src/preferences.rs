//! Preferences of the desktop app, and the state that it persists with them.

use serde::{Deserialize, Deserializer, Serialize};

use crate::data_dir::JsonFile;
use crate::i18n::Language;
use crate::update::Channel;

/// File name in the data folder.
const FILE: &str = "desktop.json";

/// The file with the persisted state.
pub(crate) type DesktopStateFile = JsonFile<DesktopState>;

/// Loads the persisted state.
pub(crate) fn open() -> DesktopStateFile {
    DesktopStateFile::open(FILE)
}

/// The persisted state: the content of `desktop.json`. The names of its fields in the file must not change.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DesktopState {
    /// The user's preferences.
    #[serde(rename = "choices")]
    pub preferences: DesktopPreferences,
    /// The language that the window used last.
    pub language: Option<Language>,
    /// Whether the notification that a closed window stays in the tray was shown.
    #[serde(rename = "told_of_tray")]
    pub tray_hint_shown: bool,
}

/// Preferences of the desktop app, as the window shows and changes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DesktopPreferences {
    /// Whether closing the window keeps HAPA running in the tray.
    pub background: bool,
    /// Whether a finished answer shows a notification while the window is not in front.
    pub notifications: bool,
    /// The global shortcut of the quick window; `None` to disable it.
    pub shortcut: Option<String>,
    /// The release channel for updates.
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

/// A partial update of the preferences: absent fields keep their values.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PreferencesPatch {
    pub background: Option<bool>,
    pub notifications: Option<bool>,
    /// `Some(None)` disables the shortcut.
    #[serde(deserialize_with = "present_or_null")]
    pub shortcut: Option<Option<String>>,
    pub updates: Option<Channel>,
}

/// Deserialises a present field, `null` included, to `Some`; `default` covers the absent field.
fn present_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl DesktopPreferences {
    /// The preferences with the patch applied.
    #[must_use]
    pub(crate) fn apply(self, patch: PreferencesPatch) -> Self {
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
    fn a_patch_changes_only_the_fields_it_contains() {
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
