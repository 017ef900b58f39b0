//! Every request has an id: the client's own if it is a plausible one, otherwise a new one. Responses carry it, errors are logged with it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
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
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = std::time::Instant::now();
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(%method, %path, status, duration_ms, request_id = %id, "{method} {path} {status}");
    response.headers_mut().insert(HEADER, HeaderValue::from_str(&id).expect("an id has plain characters only"));
    response
}
