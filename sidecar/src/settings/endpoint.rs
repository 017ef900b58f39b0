//! The URL of a remote server, as the user enters it, and the URLs of its endpoints.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::base::http_client;
use crate::base::i18n::LocalizedText;

/// Maximum length of a URL, in characters.
const MAX_LENGTH: usize = 2000;

/// The URL of an OpenAI-compatible server: the base URL, or one that ends in `/v1` or in one of its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(as = RemoteEndpoint, max_length = 2000, pattern = "^https?://[^\\s@?#]+$", example = "https://models.example/v1")]
pub struct Endpoint(pub String);

impl Endpoint {
    /// The parsed endpoint.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn read(&self) -> Result<Address, LocalizedText> {
        let text = self.0.trim();
        let url = Url::parse(text).ok().filter(|url| url.has_host() && text.len() <= MAX_LENGTH);
        let Some(mut url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Err(LocalizedText::new(
                "https://로 시작하는 주소여야 합니다",
                "must be an address that starts with https://",
            ));
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(LocalizedText::new(
                "주소에 사용자 이름, 암호, `?`, `#`을 쓸 수 없습니다. 키는 따로 저장하세요",
                "must have no user, password, `?` or `#`; the key is stored separately",
            ));
        }
        if url.scheme() == "http" && !http_client::is_loopback(&url) {
            return Err(LocalizedText::new(
                "https://여야 합니다. http://는 이 컴퓨터의 서버(127.0.0.1, localhost)에만 쓸 수 있습니다",
                "must start with https://; http:// is for servers of this machine (127.0.0.1, localhost)",
            ));
        }
        let path = url.path().trim_end_matches('/');
        let base = ["/chat/completions", "/completions"].iter().find_map(|end| path.strip_suffix(end));
        let base = match base.unwrap_or(path) {
            "" => "/v1".to_owned(),
            base => base.to_owned(),
        };
        url.set_path(&base);
        Ok(Address { base: url })
    }
}

/// A parsed endpoint: the base URL of all requests to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    base: Url,
}

impl Address {
    /// The URL for chat completions.
    #[must_use]
    pub fn chat(&self) -> String {
        format!("{}/chat/completions", self.base)
    }

    /// The URL for text completions.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}/completions", self.base)
    }

    /// The URL of the list of models.
    #[must_use]
    pub fn models(&self) -> String {
        format!("{}/models", self.base)
    }

    /// The origin of the server, which its key belongs to, such as `https://models.example`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Whether it is a plain HTTP server, which is allowed on this machine.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.base.scheme() == "http"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address, String> {
        Endpoint(text.into()).read().map_err(|problem| problem.en)
    }

    #[test]
    fn all_forms_of_a_url_mean_the_same_server() {
        for text in [
            "https://models.example",
            "https://models.example/",
            " https://models.example/v1 ",
            "https://models.example/v1/",
            "https://models.example/v1/completions",
            "https://models.example/v1/chat/completions",
            "https://MODELS.example:443/v1/chat/completions/",
        ] {
            let address = read(text).unwrap();
            assert_eq!(address.chat(), "https://models.example/v1/chat/completions", "{text}");
            assert_eq!(address.text(), "https://models.example/v1/completions", "{text}");
            assert_eq!(address.models(), "https://models.example/v1/models", "{text}");
            assert_eq!(address.origin(), "https://models.example", "{text}");
        }
        assert_eq!(read("https://a.example/api/v1").unwrap().chat(), "https://a.example/api/v1/chat/completions");
        assert_eq!(read("http://[::1]:8080").unwrap().models(), "http://[::1]:8080/v1/models");
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for text in ["http://127.0.0.1:8000", "http://127.9.9.9", "http://localhost:1/v1", "http://[::1]/v1"] {
            assert!(read(text).unwrap().is_plain(), "{text}");
        }
        for text in [
            "http://models.example",
            "http://192.168.0.2:8000",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "http://0.0.0.0",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(read(text).unwrap_err().contains("must start with https://"), "{text}");
        }
    }

    #[test]
    fn an_invalid_url_is_rejected() {
        for text in ["", "models.example", "ftp://models.example", "file:///etc/passwd", "https://", "javascript:1"] {
            assert!(read(text).unwrap_err().contains("https://"), "{text}");
        }
        for text in ["https://u@a.example", "https://u:p@a.example", "https://a.example?key=1", "https://a.example#x"] {
            assert!(read(text).unwrap_err().contains("the key is stored separately"), "{text}");
        }
        assert!(read(&format!("https://a.example/{}", "x".repeat(2000))).is_err());
    }
}
