//! `GET /docs`: the API reference, rendered from the OpenAPI document. It needs no key, no script and no network.

mod example;
mod markdown;
mod page;
mod schema;

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::base::i18n::Language;

/// Content security policy of the page: its own style sheet only, no scripts.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static KOREAN: LazyLock<String> = LazyLock::new(|| page::render(&super::openapi(), Language::Korean));
static ENGLISH: LazyLock<String> = LazyLock::new(|| page::render(&super::openapi(), Language::English));

/// Returns the page in the language of the query parameter `lang`, otherwise in that of `Accept-Language`.
pub(crate) async fn docs(preferred: Language, RawQuery(query): RawQuery) -> Response {
    let requested = query.as_deref().and_then(|query| query.split('&').find_map(|part| part.strip_prefix("lang=")));
    let language = match requested {
        Some("ko") => Language::Korean,
        Some("en") => Language::English,
        _ => preferred,
    };
    let (page, tag) = match language {
        Language::Korean => (KOREAN.as_str(), "ko"),
        Language::English => (ENGLISH.as_str(), "en"),
    };
    let headers = [(header::CONTENT_LANGUAGE, tag), (header::VARY, "Accept-Language")];
    (headers, asset("text/html; charset=utf-8", page)).into_response()
}

/// The style sheet. The order matters: later rules override earlier ones.
const STYLE: &str = concat!(
    include_str!("docs/style/base.css"),
    include_str!("docs/style/page.css"),
    include_str!("docs/style/operation.css"),
    include_str!("docs/style/tables.css"),
    include_str!("docs/style/narrow.css"),
);

/// Returns the style sheet of the page.
pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Revalidated: the page changes with each version of HAPA.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
