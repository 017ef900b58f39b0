//! Where new versions are announced, and whose signature they carry.

use std::env;

use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Url};

/// What an address has in the place of a channel's name.
const CHANNEL_PLACEHOLDER: &str = "{{channel}}";

/// Which versions the user wants to be told of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Those that are meant for everybody.
    #[default]
    Stable,
    /// Those that are to be tried out, too.
    Preview,
    /// None: nobody is asked.
    Off,
}

/// An address for each channel, and a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateEndpoint {
    url_template: String,
    /// A public key of minisign, in the form that Tauri writes it down.
    pub key: String,
}

impl UpdateEndpoint {
    /// What this program was packaged with, in `plugins.updater` of its configuration; `None` for one that was built from source.
    ///
    /// A debug build takes `HAPA_UPDATE_FEED` and `HAPA_UPDATE_KEY` instead, where they are set.
    pub fn from_config(app: &AppHandle) -> Option<Self> {
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

    /// Where this channel's versions are announced; `None` for no channel, and for an address that is none.
    pub fn url(&self, channel: Channel) -> Option<Url> {
        let name = match channel {
            Channel::Stable => "stable",
            Channel::Preview => "preview",
            Channel::Off => return None,
        };
        let url = self.url_template.replace(CHANNEL_PLACEHOLDER, name);
        Url::parse(&url).inspect_err(|error| tracing::warn!("`{url}` is no url of updates: {error}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_an_address_of_its_own_and_off_has_none() {
        let endpoint = UpdateEndpoint::new("https://updates.example/{{channel}}.json", "key").unwrap();
        let url = |channel| endpoint.url(channel).map(String::from);
        assert_eq!(url(Channel::Stable).as_deref(), Some("https://updates.example/stable.json"));
        assert_eq!(url(Channel::Preview).as_deref(), Some("https://updates.example/preview.json"));
        assert_eq!(url(Channel::Off), None);
    }

    #[test]
    fn without_a_key_nothing_is_announced() {
        assert_eq!(UpdateEndpoint::new("https://updates.example/{{channel}}.json", ""), None);
        assert_eq!(UpdateEndpoint::new("", "key"), None);
    }
}
