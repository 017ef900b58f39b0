//! Request ids: `X-Request-ID` of the client if it is valid, otherwise a new UUID. Responses and log lines contain it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

/// The request id, an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub String);

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware that sets the id of the request and of its response.
pub(crate) async fn stamp(mut request: Request, next: Next) -> Response {
    let is_valid = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let sent = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(is_valid).map(str::to_owned);
    let id = sent.unwrap_or_else(|| Uuid::new_v4().to_string());
    request.extensions_mut().insert(RequestId(id.clone()));
    // A span at error level is enabled with every log filter, so that each log line of the request has its id.
    let mut response = next.run(request).instrument(tracing::error_span!("request", request_id = %id)).await;
    response.headers_mut().insert(HEADER, HeaderValue::from_str(&id).expect("a request id is ASCII"));
    response
}
