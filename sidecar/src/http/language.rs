//! The language that a client wants its messages in, from `Accept-Language`: Korean, unless English is preferred.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::base::i18n::Language;

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(of(&parts.headers))
    }
}

/// The language asked for by these headers.
pub fn of(headers: &HeaderMap) -> Language {
    let wishes = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let weight = |tag: &str| {
        let wish = |part: &str| {
            let (name, quality) = part.split_once(";q=").unwrap_or((part, "1"));
            let matches = name.trim().split('-').next()?.eq_ignore_ascii_case(tag);
            matches.then(|| quality.trim().parse().unwrap_or(0.0))
        };
        wishes.split(',').filter_map(wish).fold(0.0_f32, f32::max)
    };
    if weight("en") > weight("ko") { Language::English } else { Language::Korean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_comes_first_unless_english_is_preferred() {
        for (value, expected) in [
            ("", Language::Korean),
            ("ko-KR,ko;q=0.9,en;q=0.8", Language::Korean),
            ("en-US,en;q=0.9,ko;q=0.8", Language::English),
            ("en", Language::English),
            ("fr", Language::Korean),
            ("en,ko", Language::Korean),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, value.parse().unwrap())]);
            assert_eq!(of(&headers), expected, "{value}");
        }
    }
}
