//! `GET /docs`: the API's description as a page to read, without a key, a script or the network.

mod example;
mod markdown;
mod page;
mod schema;

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::base::i18n::Language;

/// RequestFacts a browser may do with the page: show it, with our own style.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static KOREAN: LazyLock<String> = LazyLock::new(|| page::render(&super::openapi(), Language::Korean));
static ENGLISH: LazyLock<String> = LazyLock::new(|| page::render(&super::openapi(), Language::English));

/// Shows the page in the language that `lang` in the address asks for, otherwise in the one that the browser prefers.
pub async fn docs(preferred: Language, RawQuery(query): RawQuery) -> Response {
    let wish = query.as_deref().and_then(|query| query.split('&').find_map(|part| part.strip_prefix("lang=")));
    let language = match wish {
        Some("ko") => Language::Korean,
        Some("en") => Language::English,
        _ => preferred,
    };
    let (page, tag) = match language {
        Language::Korean => (KOREAN.as_str(), "ko"),
        Language::English => (ENGLISH.as_str(), "en"),
    };
    let headers = [(header::CONTENT_LANGUAGE, tag), (header::VARY, "Accept-Language")];
    (headers, answer("text/html; charset=utf-8", page)).into_response()
}

/// Put together in this order: what comes later goes before what comes earlier.
const STYLE: &str = concat!(
    include_str!("docs/style/base.css"),
    include_str!("docs/style/page.css"),
    include_str!("docs/style/operation.css"),
    include_str!("docs/style/tables.css"),
    include_str!("docs/style/narrow.css"),
);

/// The page's style sheet.
pub async fn style() -> Response {
    answer("text/css; charset=utf-8", STYLE)
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Another version of HAPA may answer here tomorrow.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
