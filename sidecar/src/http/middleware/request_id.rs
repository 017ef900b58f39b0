//! Every request has an id: the client's own if it is a plausible one, otherwise a new one. Responses carry it, errors are logged with it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

/// The id of a request, from its extensions.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request its id, and the response too.
pub async fn stamp(mut request: Request, next: Next) -> Response {
    let plausible = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given =
        request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(plausible).map(str::to_owned);
    let id = given.unwrap_or_else(|| Uuid::new_v4().to_string());
    request.extensions_mut().insert(RequestId(id.clone()));
    // Every line of the log that belongs to the request carries its id, whatever the level: a span below it would be left out.
    let mut response = next.run(request).instrument(tracing::error_span!("request", request_id = %id)).await;
    response.headers_mut().insert(HEADER, HeaderValue::from_str(&id).expect("an id has plain characters only"));
    response
}
