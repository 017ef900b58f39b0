//! Aliases of routes, for clients of the original server: each is rewritten to the documented path.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Each alias with the documented path.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("/api/v1/code/generate", "/api/v1/generate-code"),
    ("/api/v1/code/stream-generate", "/api/v1/generate-code-streaming"),
    ("/api/v1/code/complete", "/api/v1/complete-code"),
    ("/api/v1/validation/validate", "/api/v1/validate-code"),
    ("/api/v1/feedback/submit", "/api/v1/submit-feedback"),
    ("/api/v1/health", "/health"),
    ("/openapi.json", "/api/openapi.json"),
];

/// Rewrites an alias to the documented path, before routing, so that metrics, logs and handlers see only documented paths.
pub(crate) fn rewrite<B>(mut request: Request<B>) -> Request<B> {
    let path = request.uri().path();
    if let Some((_, documented)) = ALIASES.iter().find(|(alias, _)| *alias == path) {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(format!("{documented}{query}")).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}
