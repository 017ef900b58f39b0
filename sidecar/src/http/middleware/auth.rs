//! Access checks: host and origin, API key, permission, rate limit and content type of a request.

use std::net::{IpAddr, Ipv6Addr};

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

use crate::access::keys::{Caller, Permission};
use crate::access::rate_limit::{LimitStatus, RequestClass, StreamPermit};
use crate::http::error::{ApiError, Reason};
use crate::http::extract;
use crate::http::state::AppState;

/// The IP address of the client: the peer of the connection.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddr(pub IpAddr);

impl ClientAddr {
    fn of(request: &Request) -> IpAddr {
        // A request without a connection gets the unspecified address, which is not loopback and has no privileges.
        request.extensions().get().map_or(Ipv6Addr::UNSPECIFIED.into(), |Self(address)| *address)
    }
}

/// What a route requires: the permission of the key, the rate limit class and the content type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoutePolicy {
    /// The permission that the key needs.
    pub permission: Permission,
    /// The rate limits that apply to the route.
    pub class: RequestClass,
    /// The content type of request bodies.
    pub body: ExpectedBody,
}

/// The content type of request bodies, against CSRF: an HTML form cannot send either of them, so that a page of another origin
/// needs a CORS preflight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpectedBody {
    /// `application/json`.
    Json,
    /// `application/octet-stream`: a file.
    File,
}

impl ExpectedBody {
    /// Whether these headers have the content type.
    fn accepts(self, headers: &HeaderMap) -> bool {
        match self {
            Self::Json => extract::is_json(headers),
            Self::File => extract::is_octet_stream(headers),
        }
    }

    fn error(self) -> ApiError {
        match self {
            Self::Json => ApiError::NotJson,
            Self::File => ApiError::NotOctetStream,
        }
    }
}

/// Middleware that rejects requests of foreign web pages: those with a `Host` that is not accepted or an `Origin` that is not
/// trusted.
pub(crate) async fn check_host_and_origin(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    // HTTP/2 sends the host in the URI.
    let host = headers.get(header::HOST).map(text).or_else(|| request.uri().authority().map(ToString::to_string));
    let host = host.unwrap_or_default();
    if !app.hosts.accepts(&host) {
        return ApiError::UntrustedOrigin(host).into_response();
    }
    let origin = headers.get(header::ORIGIN).map(text);
    if let Some(origin) = origin.filter(|origin| !app.origins.contains(origin)) {
        return ApiError::UntrustedOrigin(origin).into_response();
    }
    next.run(request).await
}

/// Middleware that rejects requests without the permission or beyond the rate limits of `policy`, and inserts the [`Caller`]
/// for the handler.
pub(crate) async fn require_permission(
    State((app, policy)): State<(AppState, RoutePolicy)>,
    mut request: Request,
    next: Next,
) -> Response {
    let content_type_matches = request.body().is_end_stream() || policy.body.accepts(request.headers());
    let facts = RequestFacts { client: ClientAddr::of(&request), content_type_matches };
    let (caller, status, permit) = match authorize(&app, request.headers(), facts, policy).await {
        Ok(admitted) => admitted,
        Err(error) => return error.into_response(),
    };
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    if let Some(status) = status {
        status.insert_into(response.headers_mut());
    }
    match permit {
        // The stream is open until its body was sent or the client has disconnected.
        Some(permit) => response.map(|body| hold_until_body_end(body, permit)),
        None => response,
    }
}

/// What the checks read in addition to the headers.
struct RequestFacts {
    client: IpAddr,
    /// Whether the body, if there is one, has the content type that the route expects.
    content_type_matches: bool,
}

/// The checks in the order of the contract: key, permission, rate limit, content type.
async fn authorize(
    app: &AppState,
    headers: &HeaderMap,
    facts: RequestFacts,
    policy: RoutePolicy,
) -> Result<(Caller, Option<LimitStatus>, Option<StreamPermit>), ApiError> {
    let caller = app.keys.caller(sent_key(headers)).await?;
    caller.require(policy.permission)?;
    let status = app.limits.count(&caller, facts.client, policy.class)?;
    let permit = if policy.class == RequestClass::Stream { app.limits.open_stream(&caller)? } else { None };
    if app.csrf_protection && !facts.content_type_matches {
        return Err(policy.body.error());
    }
    Ok((caller, status, permit))
}

/// Middleware that accepts requests from this machine without a key, and others with an admin key.
pub(crate) async fn require_local_or_admin(State(app): State<AppState>, request: Request, next: Next) -> Response {
    if ClientAddr::of(&request).is_loopback() {
        return next.run(request).await;
    }
    require_permission(
        State((
            app,
            RoutePolicy { permission: Permission::Admin, class: RequestClass::Plain, body: ExpectedBody::Json },
        )),
        request,
        next,
    )
    .await
}

impl LimitStatus {
    /// Writes the `RateLimit-*` headers of a response.
    pub fn insert_into(self, headers: &mut HeaderMap) {
        headers.insert("ratelimit-limit", self.limit.into());
        headers.insert("ratelimit-remaining", self.remaining.into());
        headers.insert("ratelimit-reset", self.reset.into());
    }
}

/// The body, which owns `guard` until it was sent or dropped.
pub(crate) fn hold_until_body_end<T: Send + 'static>(body: Body, guard: T) -> Body {
    Body::from_stream(body.into_data_stream().map(move |chunk| {
        let _ = &guard;
        chunk
    }))
}

/// The API key of a request: the header `X-API-Key` if present, otherwise the bearer token.
fn sent_key(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.to_str().unwrap_or_default());
    }
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or(ApiError::Unauthorized(Reason::KeyMissing))
    }
}
