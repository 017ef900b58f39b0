//! Who is let in: requests that name this machine as their host, from no foreign web page, with a key that permits them.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::language;
use super::problem::Rejection;
use crate::app::App;
use crate::error::{Error, KeyProblem};
use crate::keys::{Caller, Permission};

/// Refuses what a web page elsewhere could send: a host name that is not this machine's, or an origin that is not trusted.
pub async fn known_host_and_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let language = language::of(headers);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    // HTTP/2 sends the host as part of the address.
    let host = headers.get(header::HOST).map(text).or_else(|| request.uri().authority().map(ToString::to_string));
    let host = host.unwrap_or_default();
    if !is_this_machine(&host) {
        return Rejection { error: Error::ForeignOrigin(host), language }.into_response();
    }
    let origin = headers.get(header::ORIGIN).map(text);
    if let Some(origin) = origin.filter(|origin| !app.origins.contains(origin)) {
        return Rejection { error: Error::ForeignOrigin(origin), language }.into_response();
    }
    next.run(request).await
}

/// Whether a `Host` header names this machine: a loopback address, `localhost` or a name below it.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Lets requests pass whose key has the permission, and notes the caller for the handler.
pub async fn permitted(
    State((app, permission)): State<(App, Permission)>,
    mut request: Request,
    next: Next,
) -> Response {
    let language = language::of(request.headers());
    match caller(&app, request.headers(), permission).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => Rejection { error, language }.into_response(),
    }
}

async fn caller(app: &App, headers: &HeaderMap, permission: Permission) -> Result<Caller, Error> {
    let caller = app.keys.caller(sent_key(headers)).await?;
    caller.require(permission)?;
    Ok(caller)
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
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let language = language::of(&parts.headers);
        parts.extensions.get().cloned().ok_or(Rejection { error: Error::Key(KeyProblem::Missing), language })
    }
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for host in
            ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "LocalHost", "app.localhost:1", "[::1]:8000", "[::1]"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example:8000",
            "localhost.evil.example",
            "evillocalhost",
            "192.168.0.2",
            "0.0.0.0:8000",
            "127.0.0.1.evil",
            "[::2]:1",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
