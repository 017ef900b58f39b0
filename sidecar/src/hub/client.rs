//! Asking the hub: every address that it points to is looked at before it is followed.

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

/// AllowedHosts that one request may be sent on to.
const MOST_HOPS: usize = 5;

/// Bytes of a list that are read at most.
const LONGEST_LIST: usize = 4 * 1024 * 1024;

/// Who asks the hub.
#[derive(Debug, Clone)]
pub struct Asking {
    endpoint: Endpoint,
    clients: Arc<Clients>,
    retry: RetryPolicy,
}

/// Why the hub was asked in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub problem: Error,
    /// When the hub wants to be asked again.
    pub after: Option<Duration>,
}

impl From<Error> for Refusal {
    fn from(problem: Error) -> Self {
        Self { problem, after: None }
    }
}

/// What the hub gave, and what it said of it on the way.
#[derive(Debug)]
pub struct Given {
    /// The last of the responses.
    pub response: Response,
    /// The headers of the first one, which is the hub's own.
    pub first: HeaderMap,
}

impl Asking {
    /// For the hub at an endpoint.
    #[must_use]
    pub fn new(endpoint: Endpoint, retry: RetryPolicy) -> Self {
        Self { endpoint, clients: Arc::default(), retry }
    }

    /// How long it waits.
    #[must_use]
    pub fn retry_policy(&self) -> RetryPolicy {
        self.retry
    }

    /// The hub's address for these parts of a path.
    ///
    /// # Errors
    /// When there is no hub that may be asked.
    pub fn at(&self, parts: &[&str]) -> Result<Url, Error> {
        self.endpoint.at(parts)
    }

    /// What is at an address, from byte `from` on.
    ///
    /// # Errors
    /// When the hub does not give it.
    pub async fn open(&self, mut url: Url, from: u64) -> Result<Given, Refusal> {
        let mut first: Option<HeaderMap> = None;
        for _ in 0..MOST_HOPS {
            let response = self.send(&url, from).await?;
            let status = response.status();
            if !status.is_redirection() {
                // Only the hub itself knows who may have it: elsewhere, a link is over that was made for this request.
                let own = first.is_none();
                let first = first.unwrap_or_else(|| response.headers().clone());
                return refusal(&response, own).map_or(Ok(Given { response, first }), Err);
            }
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let next = location.and_then(|to| url.join(to).ok()).ok_or(Error::Garbled)?;
            if !self.endpoint.owns(&next) {
                return Err(Error::Foreign(next.host_str().unwrap_or_default().into()).into());
            }
            first.get_or_insert_with(|| response.headers().clone());
            url = next;
        }
        Err(Error::Broken.into())
    }

    async fn send(&self, url: &Url, from: u64) -> Result<Response, Error> {
        let client = self.clients.for_scheme(http_client::is_loopback(url)).ok_or(Error::Unreachable)?;
        let mut request = client.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let sent = timeout(self.retry.read_timeout, request.send()).await.map_err(|_| Error::Silent)?;
        sent.map_err(|error| {
            tracing::debug!(%error, "the model hub was asked in vain");
            Error::Unreachable
        })
    }

    /// A list of the hub's, which is JSON.
    ///
    /// # Errors
    /// When the hub does not give it, or it is no such list.
    pub async fn list<T: serde::de::DeserializeOwned>(&self, url: Url) -> Result<T, Error> {
        let mut given = self.open(url, 0).await.map_err(|refusal| refusal.problem)?;
        let mut body = Vec::new();
        loop {
            let chunk = timeout(self.retry.read_timeout, given.response.chunk()).await.map_err(|_| Error::Silent)?;
            let Some(chunk) = chunk.map_err(|_| Error::CutOff)? else { break };
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_LIST {
                return Err(Error::Garbled);
            }
        }
        serde_json::from_slice(&body).map_err(|_| Error::Garbled)
    }
}

/// Why a response is none that can be used. `own` says that the hub itself gave it.
fn refusal(response: &Response, own: bool) -> Option<Refusal> {
    let problem = match response.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => return None,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if own => Error::Closed,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::CutOff,
        StatusCode::NOT_FOUND | StatusCode::GONE if own => Error::Missing,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => Error::Busy,
        status if status.is_server_error() => Error::Broken,
        _ => Error::Garbled,
    };
    let after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.trim().parse().ok());
    Some(Refusal { problem, after: after.map(Duration::from_secs) })
}
