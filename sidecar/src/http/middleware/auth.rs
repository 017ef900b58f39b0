//! Who is let in: requests that name this machine as their host, from no foreign web page, with a key that permits them, within
//! its limits.

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

/// Where a request comes from: the other end of its connection.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddr(pub IpAddr);

impl ClientAddr {
    fn of(request: &Request) -> IpAddr {
        // Nothing is known of a request that came over no connection, so nothing is granted.
        request.extensions().get().map_or(Ipv6Addr::UNSPECIFIED.into(), |Self(address)| *address)
    }
}

/// RequestFacts a route asks of a key, and what its requests count as.
#[derive(Debug, Clone, Copy)]
pub struct RoutePolicy {
    /// RequestFacts the key must permit.
    pub permission: Permission,
    /// RequestFacts the limits take a request for.
    pub class: RequestClass,
    /// RequestFacts bodies must be declared as.
    pub takes: ExpectedBody,
}

/// RequestFacts bodies must be declared as: something that no web page can declare of a form, so that a foreign page cannot send one unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedBody {
    /// JSON.
    Json,
    /// Bytes of any class, as of a file.
    File,
}

impl ExpectedBody {
    /// Whether a body with these headers is declared so.
    fn accepts(self, headers: &HeaderMap) -> bool {
        match self {
            Self::Json => extract::is_json(headers),
            Self::File => extract::is_octet_stream(headers),
        }
    }

    fn refused(self) -> ApiError {
        match self {
            Self::Json => ApiError::NotJson,
            Self::File => ApiError::NotOctetStream,
        }
    }
}

/// Refuses what a web page elsewhere could send: a host name that is not this machine's, or an origin that is not trusted.
pub async fn check_host_and_origin(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    // HTTP/2 sends the host as part of the address.
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

/// Lets requests pass whose key has the permission and is within its limits, and notes the caller for the handler.
pub async fn require_permission(
    State((app, policy)): State<(AppState, RoutePolicy)>,
    mut request: Request,
    next: Next,
) -> Response {
    let declared = request.body().is_end_stream() || policy.takes.accepts(request.headers());
    let what = RequestFacts { peer: ClientAddr::of(&request), declared };
    let (caller, status, permit) = match authorize(&app, request.headers(), what, policy).await {
        Ok(admitted) => admitted,
        Err(error) => return error.into_response(),
    };
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    if let Some(status) = status {
        status.insert_into(response.headers_mut());
    }
    match permit {
        // The stream is open until its body has gone out or its client has.
        Some(permit) => response.map(|body| hold_until_body_end(body, permit)),
        None => response,
    }
}

/// RequestFacts the checks look at beside headers.
struct RequestFacts {
    peer: IpAddr,
    /// Whether a body, if there is one, is declared as what the route takes.
    declared: bool,
}

/// The checks in the contract's order: key, permission, limit, and then whether a body may be read at all.
async fn authorize(
    app: &AppState,
    headers: &HeaderMap,
    what: RequestFacts,
    policy: RoutePolicy,
) -> Result<(Caller, Option<LimitStatus>, Option<StreamPermit>), ApiError> {
    let caller = app.keys.caller(sent_key(headers)).await?;
    caller.require(policy.permission)?;
    let status = app.limits.count(&caller, what.peer, policy.class)?;
    let permit = if policy.class == RequestClass::Stream { app.limits.open_stream(&caller)? } else { None };
    if app.csrf_protection && !what.declared {
        return Err(policy.takes.refused());
    }
    Ok((caller, status, permit))
}

/// Lets requests pass that come from this machine, and others with an admin's key.
pub async fn require_local_or_admin(State(app): State<AppState>, request: Request, next: Next) -> Response {
    if ClientAddr::of(&request).is_loopback() {
        return next.run(request).await;
    }
    require_permission(
        State((
            app,
            RoutePolicy { permission: Permission::Admin, class: RequestClass::Plain, takes: ExpectedBody::Json },
        )),
        request,
        next,
    )
    .await
}

impl LimitStatus {
    /// Says in the headers of an answer how the limits stand.
    pub fn insert_into(self, headers: &mut HeaderMap) {
        headers.insert("ratelimit-limit", self.limit.into());
        headers.insert("ratelimit-remaining", self.remaining.into());
        headers.insert("ratelimit-reset", self.reset.into());
    }
}

/// The body, which holds on to `kept` until it is dropped.
pub fn hold_until_body_end<T: Send + 'static>(body: Body, kept: T) -> Body {
    Body::from_stream(body.into_data_stream().map(move |chunk| {
        let _ = &kept;
        chunk
    }))
}

/// The key that was sent, by the one rule for all carriers: `X-API-Key` decides where it is present; otherwise a bearer token.
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
