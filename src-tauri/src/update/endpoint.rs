//! The update endpoint: its URL for each release channel, and the public key of the publisher.

use std::env;

use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Url};

/// Placeholder for the channel's name in the URL template.
const CHANNEL_PLACEHOLDER: &str = "{{channel}}";

/// The release channel that the user follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    /// Stable releases.
    #[default]
    Stable,
    /// Preview releases too.
    Preview,
    /// No update checks.
    Off,
}

/// URL template and public key of the publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpdateEndpoint {
    url_template: String,
    /// The minisign public key in Tauri's encoding: base64 of the key file.
    pub key: String,
}

impl UpdateEndpoint {
    /// The endpoint in `plugins.updater` of the Tauri configuration; `None` if the app was built from source.
    ///
    /// A debug build uses `HAPA_UPDATE_FEED` and `HAPA_UPDATE_KEY` instead, if they are set.
    pub(crate) fn from_config(app: &AppHandle) -> Option<Self> {
        Self::from_env().or_else(|| {
            let config = app.config().plugins.0.get("updater")?;
            Self::new(config["endpoints"].get(0)?.as_str()?, config["pubkey"].as_str()?)
        })
    }

    fn from_env() -> Option<Self> {
        let value = |name| env::var(name).ok().filter(|_| cfg!(debug_assertions));
        Self::new(&value("HAPA_UPDATE_FEED")?, &value("HAPA_UPDATE_KEY")?)
    }

    fn new(url_template: &str, key: &str) -> Option<Self> {
        (!url_template.is_empty() && !key.is_empty())
            .then(|| Self { url_template: url_template.to_owned(), key: key.to_owned() })
    }

    /// The URL of a channel; `None` for [`Channel::Off`] and for an invalid URL, which is logged.
    pub(crate) fn url(&self, channel: Channel) -> Option<Url> {
        let name = match channel {
            Channel::Stable => "stable",
            Channel::Preview => "preview",
            Channel::Off => return None,
        };
        let url = self.url_template.replace(CHANNEL_PLACEHOLDER, name);
        Url::parse(&url).inspect_err(|error| tracing::warn!("invalid update URL `{url}`: {error}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_url_and_off_has_none() {
        let endpoint = UpdateEndpoint::new("https://updates.example/{{channel}}.json", "key").unwrap();
        let url = |channel| endpoint.url(channel).map(String::from);
        assert_eq!(url(Channel::Stable).as_deref(), Some("https://updates.example/stable.json"));
        assert_eq!(url(Channel::Preview).as_deref(), Some("https://updates.example/preview.json"));
        assert_eq!(url(Channel::Off), None);
    }

    #[test]
    fn an_endpoint_requires_a_url_and_a_key() {
        assert_eq!(UpdateEndpoint::new("https://updates.example/{{channel}}.json", ""), None);
        assert_eq!(UpdateEndpoint::new("", "key"), None);
    }
}
