//! The language of messages, from `Accept-Language`: Korean, unless the client prefers English.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::base::i18n::Language;

// The middleware `error::render` determines the language and inserts it into the request's extensions.
impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

/// The language that `Accept-Language` prefers.
pub(crate) fn from_headers(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let weight = |tag: &str| {
        let quality_of = |part: &str| {
            let (name, quality) = part.split_once(";q=").unwrap_or((part, "1"));
            let matches = name.trim().split('-').next()?.eq_ignore_ascii_case(tag);
            matches.then(|| quality.trim().parse().unwrap_or(0.0))
        };
        accepted.split(',').filter_map(quality_of).fold(0.0_f32, f32::max)
    };
    if weight("en") > weight("ko") { Language::English } else { Language::Korean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_is_the_default_unless_english_is_preferred() {
        for (value, expected) in [
            ("", Language::Korean),
            ("ko-KR,ko;q=0.9,en;q=0.8", Language::Korean),
            ("en-US,en;q=0.9,ko;q=0.8", Language::English),
            ("en", Language::English),
            ("fr", Language::Korean),
            ("en,ko", Language::Korean),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, value.parse().unwrap())]);
            assert_eq!(from_headers(&headers), expected, "{value}");
        }
    }
}
