//! HTTP client of the model hub: follows redirects to trusted hosts only.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::Error;
use super::endpoint::Endpoint;
use crate::base::http_client;
use crate::base::http_client::Clients;
use crate::base::retry::RetryPolicy;

/// Requests per download or list: the first one, and those that follow redirects.
const MAX_REDIRECTS: usize = 5;

/// Maximum size of a JSON response.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// The HTTP client. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct HubClient {
    endpoint: Endpoint,
    clients: Arc<Clients>,
    retry: RetryPolicy,
}

/// Why a request failed, and when to retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestError {
    /// The error.
    pub error: Error,
    /// The `Retry-After` header.
    pub retry_after: Option<Duration>,
}

impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

/// A successful response, after redirects.
#[derive(Debug)]
pub(crate) struct FinalResponse {
    /// The final response, with the body.
    pub response: Response,
    /// The headers of the first response, which the hub itself sent: the storage behind it does not know the checksum.
    pub hub_headers: HeaderMap,
}

impl HubClient {
    /// A client of the hub at an endpoint.
    #[must_use]
    pub(crate) fn new(endpoint: Endpoint, retry: RetryPolicy) -> Self {
        Self { endpoint, clients: Arc::default(), retry }
    }

    /// Timeouts and backoff of downloads.
    #[must_use]
    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        self.retry
    }

    /// The hub's URL with these path segments.
    ///
    /// # Errors
    /// If the configured endpoint is invalid.
    pub(crate) fn url(&self, parts: &[&str]) -> Result<Url, Error> {
        self.endpoint.url(parts)
    }

    /// Requests a URL, from byte `from` on.
    ///
    /// # Errors
    /// If the request fails, the hub refuses it, or it redirects to an untrusted host.
    pub(crate) async fn get(&self, mut url: Url, from: u64) -> Result<FinalResponse, RequestError> {
        let mut hub_headers: Option<HeaderMap> = None;
        for _ in 0..MAX_REDIRECTS {
            let response = self.send(&url, from).await?;
            let status = response.status();
            if !status.is_redirection() {
                // Only the hub's own 401, 403 and 404 are final: from the storage, they mean that the signed URL has expired.
                let from_hub = hub_headers.is_none();
                let hub_headers = hub_headers.unwrap_or_else(|| response.headers().clone());
                return error_for(&response, from_hub).map_or(Ok(FinalResponse { response, hub_headers }), Err);
            }
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let next = location.and_then(|to| url.join(to).ok()).ok_or(Error::InvalidResponse)?;
            if !self.endpoint.owns(&next) {
                return Err(Error::UntrustedRedirect(next.host_str().unwrap_or_default().into()).into());
            }
            hub_headers.get_or_insert_with(|| response.headers().clone());
            url = next;
        }
        Err(Error::ServerError.into())
    }

    async fn send(&self, url: &Url, from: u64) -> Result<Response, Error> {
        let client = self.clients.for_scheme(http_client::is_loopback(url)).ok_or(Error::Unreachable)?;
        let mut request = client.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let sent = timeout(self.retry.read_timeout, request.send()).await.map_err(|_| Error::Timeout)?;
        sent.map_err(|error| {
            tracing::debug!(%error, "request to the model hub failed: {error}");
            Error::Unreachable
        })
    }

    /// Requests a URL and parses its JSON body.
    ///
    /// # Errors
    /// If the request fails, or the body is too large or not the expected JSON.
    pub(crate) async fn get_json<T: serde::de::DeserializeOwned>(&self, url: Url) -> Result<T, Error> {
        let mut response = self.get(url, 0).await.map_err(|error| error.error)?;
        let mut body = Vec::new();
        loop {
            let chunk =
                timeout(self.retry.read_timeout, response.response.chunk()).await.map_err(|_| Error::Timeout)?;
            let Some(chunk) = chunk.map_err(|_| Error::Interrupted)? else { break };
            body.extend_from_slice(&chunk);
            if body.len() > MAX_LIST_BYTES {
                return Err(Error::InvalidResponse);
            }
        }
        serde_json::from_slice(&body).map_err(|_| Error::InvalidResponse)
    }
}

/// The error of a response; `None` if its body can be used. `from_hub`: the hub itself sent it, not the storage behind it.
fn error_for(response: &Response, from_hub: bool) -> Option<RequestError> {
    let error = match response.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => return None,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if from_hub => Error::Gated,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Interrupted,
        StatusCode::NOT_FOUND | StatusCode::GONE if from_hub => Error::NotFound,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => Error::Busy,
        status if status.is_server_error() => Error::ServerError,
        _ => Error::InvalidResponse,
    };
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|retry_after| retry_after.to_str().ok()?.trim().parse().ok());
    Some(RequestError { error, retry_after: retry_after.map(Duration::from_secs) })
}
