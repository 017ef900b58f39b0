//! The hub's endpoint and trusted hosts, and its validated names: repository, file and revision.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::Error;
use crate::base::http_client;

/// Hugging Face's domains; its storage is on subdomains of them.
const HUB_DOMAINS: [&str; 2] = ["huggingface.co", "hf.co"];

/// The base URL of the hub; `None` if the configured one is invalid.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint(Option<Url>);

impl Endpoint {
    /// Parses a base URL: `https`, or `http` on loopback. An invalid one is an error when it is used.
    #[must_use]
    pub(crate) fn new(address: &str) -> Self {
        let url = Url::parse(address).ok().filter(|url| url.has_host());
        Self(url.filter(|url| url.scheme() == "https" || url.scheme() == "http" && http_client::is_loopback(url)))
    }

    /// The URL below it with these path segments, percent-encoded. A part with `/` is several segments.
    ///
    /// # Errors
    /// If the configured endpoint is invalid.
    pub(crate) fn url(&self, parts: &[&str]) -> Result<Url, Error> {
        let mut url = self.0.clone().ok_or(Error::InvalidEndpoint)?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts.iter().flat_map(|part| part.split('/')));
        }
        Ok(url)
    }

    /// Whether a URL is trusted: the endpoint's own origin, or a host of Hugging Face over `https`. No redirect to another host is
    /// followed.
    #[must_use]
    pub(crate) fn owns(&self, url: &Url) -> bool {
        let own = self.0.as_ref().is_some_and(|own| own.origin() == url.origin());
        let hub = |host: &str| {
            HUB_DOMAINS
                .iter()
                .any(|name| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        };
        own || url.scheme() == "https" && url.port().is_none() && url.domain().is_some_and(hub)
    }
}

/// Whether a path segment is safe: letters, digits, `-` and `_` with single dots between them, so that it cannot leave its folder.
fn is_plain_name(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    part.split('.').all(|code| !code.is_empty() && code.bytes().all(allowed))
}

/// A repository of the hub, as `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, max_length = 193, pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
    example = "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF")]
pub struct Repository(String);

impl TryFrom<String> for Repository {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text.split_once('/').filter(|_| text.len() <= 193);
        let is_valid = parts.is_some_and(|(owner, name)| is_plain_name(owner) && is_plain_name(name));
        if is_valid {
            Ok(Self(text))
        } else {
            Err("it must be an owner and a name, such as `Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF`")
        }
    }
}

/// A model file in a repository, such as `model-q4_k_m.gguf` or `q4/model.gguf`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(as = HubFileName, value_type = String, max_length = 200, pattern = r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*/){0,3}[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.gguf$",
    example = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf")]
pub struct FileName(String);

impl TryFrom<String> for FileName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let has_extension =
            text.get(text.len().saturating_sub(5)..).is_some_and(|end| end.eq_ignore_ascii_case(".gguf"));
        let is_valid =
            has_extension && text.len() <= 200 && text.split('/').count() <= 4 && text.split('/').all(is_plain_name);
        if is_valid {
            Ok(Self(text))
        } else {
            Err("it must be the name of a GGUF file, of letters, digits, `-`, `_` and `.`")
        }
    }
}

/// A branch, a tag or a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, max_length = 96, pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", example = "main")]
pub struct Revision(String);

impl TryFrom<String> for Revision {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_plain_name(&text) && text.len() <= 96 {
            Ok(Self(text))
        } else {
            Err("it must be a branch, a tag or a commit")
        }
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self("main".into())
    }
}

impl FileName {
    /// The id of the installed model: the last path segment without its extension.
    #[must_use]
    pub fn model(&self) -> &str {
        let name = self.0.rsplit('/').next().unwrap_or(&self.0);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.0
    }
}

impl From<FileName> for String {
    fn from(file: FileName) -> Self {
        file.0
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        revision.0
    }
}

impl AsRef<str> for Repository {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Revision {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_the_hub_are_trusted() {
        let hub = Endpoint::new("https://huggingface.co");
        let mirror = Endpoint::new("https://mirror.example/hub/");
        let local = Endpoint::new("http://127.0.0.1:8080");
        let owns = |endpoint: &Endpoint, url: &str| endpoint.owns(&Url::parse(url).unwrap());
        for url in
            ["https://huggingface.co/x", "https://cdn-lfs.huggingface.co/x?sign=1", "https://cas-bridge.xethub.hf.co/x"]
        {
            assert!(owns(&hub, url) && owns(&mirror, url), "{url}");
        }
        for url in [
            "http://huggingface.co/x",
            "https://huggingface.co:8443/x",
            "https://huggingface.co.example/x",
            "https://nothuggingface.co/x",
            "https://evil.example/huggingface.co",
            "https://huggingface.co@evil.example/",
            "http://127.0.0.1/x",
            "https://[::1]/x",
        ] {
            assert!(!owns(&hub, url) && !owns(&mirror, url), "{url}");
        }
        assert!(owns(&mirror, "https://mirror.example/else") && !owns(&hub, "https://mirror.example/else"));
        assert!(owns(&local, "http://127.0.0.1:8080/x") && !owns(&local, "http://127.0.0.1:8081/x"));
        for unusable in ["http://mirror.example", "ftp://huggingface.co", "nothing"] {
            assert!(Endpoint::new(unusable).url(&[]).is_err(), "{unusable}");
        }
        assert_eq!(
            mirror.url(&["a/b", "resolve", "x y"]).unwrap().as_str(),
            "https://mirror.example/hub/a/b/resolve/x%20y"
        );
    }

    #[test]
    fn names_cannot_leave_their_folder() {
        let file = |text: &str| FileName::try_from(text.to_owned());
        for good in ["a.gguf", "Q4/model-Q4_K_M.GGUF", "a-00001-of-00002.gguf"] {
            assert!(file(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".gguf",
            "a.bin",
            "../a.gguf",
            "/a.gguf",
            "a/../b.gguf",
            "a//b.gguf",
            "a\\b.gguf",
            "C:\\a.gguf",
            "a\0.gguf",
            "..gguf",
            "a b.gguf",
            "%2e%2e/a.gguf",
            "\u{202e}a.gguf",
            ".hidden/a.gguf",
            "a/b/c/d/e.gguf",
        ] {
            assert!(file(bad).is_err(), "{bad}");
        }
        assert_eq!(file("q4/model-Q4.gguf").unwrap().model(), "model-Q4");
        for bad in ["", "a", "a/b/c", "../a", "a/..", "/a", "a/", "a b/c", "sha256:../../x", "a/b?x"] {
            assert!(Repository::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in ["", "..", "a/b", "-\n"] {
            assert!(Revision::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
