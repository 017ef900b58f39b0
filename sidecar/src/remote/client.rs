//! HTTP client of a remote server: sends requests with the API key, and bounds responses in size and time.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::Error;
use super::request::RequestBody;
use super::sse::printable;
use crate::base::http_client::Clients;
use crate::config::Secret;
use crate::settings::endpoint::Address;

/// Timeout of the list of models.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of the list of models, and of the body of an error.
const MAX_LIST_BYTES: usize = 1024 * 1024;
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Timeout of the body of an error.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of listed models, and maximum length of a name.
const MAX_MODELS: usize = 200;
const MAX_NAME_CHARS: usize = 200;

/// A server, with the API key for it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Its URLs.
    pub address: Address,
    /// The API key, if there is one.
    pub key: Option<Secret>,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// With this error.
    Failed(Error),
    /// With this error, and this `Retry-After`.
    RetryAfter(Error, Duration),
    /// The prompt is too long.
    ContextTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens of the context.
        limit: usize,
    },
}

/// The HTTP client.
#[derive(Debug, Default)]
pub(crate) struct RemoteClient {
    clients: Clients,
}

impl RemoteClient {
    /// Lists the names of a server's models.
    ///
    /// # Errors
    /// If the request fails or the response is not a list of models.
    pub(crate) async fn list_models(&self, server: &Server) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct List {
            data: Vec<Listed>,
        }
        #[derive(Deserialize)]
        struct Listed {
            id: String,
        }
        let list = async {
            let request = self.client(server)?.get(server.address.models());
            let mut response = with_key(request, server)?.send().await.map_err(|error| connection_error(&error))?;
            if let Some(reason) = Error::from_status(response.status().as_u16()) {
                return Err(reason);
            }
            let body = read_body(&mut response, MAX_LIST_BYTES).await?;
            serde_json::from_slice::<List>(&body).map_err(|_| Error::UnexpectedFormat)
        };
        let list = timeout(LIST_TIMEOUT, list).await.map_err(|_| Error::Timeout)??;
        let names = list.data.into_iter().map(|listed| display_name(&listed.id)).filter(|name| !name.is_empty());
        Ok(names.take(MAX_MODELS).collect())
    }

    /// Sends a generation request, and returns when the response has started: an event stream.
    ///
    /// # Errors
    /// If the request fails, the server rejects it, or the response is not an event stream.
    pub(crate) async fn post(
        &self,
        server: &Server,
        url: String,
        body: &RequestBody<'_>,
    ) -> Result<Response, RequestError> {
        let request = self.client(server).map_err(RequestError::Failed)?.post(url).json(body);
        let request = with_key(request, server).map_err(RequestError::Failed)?;
        let mut response = request.send().await.map_err(|error| RequestError::Failed(connection_error(&error)))?;
        let status = response.status().as_u16();
        match Error::from_status(status) {
            None if is_event_stream(&response) => Ok(response),
            None => Err(RequestError::Failed(Error::UnexpectedFormat)),
            Some(reason) => {
                tracing::info!(status, "the remote server responded with status {status}");
                Err(match (reason, retry_after(&response)) {
                    (Error::Rejected, _) => parse_rejection(&mut response).await,
                    (reason, Some(delay)) => RequestError::RetryAfter(reason, delay),
                    (reason, None) => RequestError::Failed(reason),
                })
            }
        }
    }

    fn client(&self, server: &Server) -> Result<&Client, Error> {
        self.clients.for_scheme(server.address.is_plain()).ok_or(Error::Unreachable)
    }
}

/// A model name of the server, made safe to display: short, printable, and on one line.
#[must_use]
pub(crate) fn display_name(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ").trim().chars().take(MAX_NAME_CHARS).collect()
}

/// The next bytes of a response; `None` at its end.
///
/// # Errors
/// If the connection is lost.
pub(crate) async fn next_chunk(response: &mut Response) -> Result<Option<Vec<u8>>, Error> {
    let bytes = response.chunk().await.map_err(|_| Error::Interrupted)?;
    Ok(bytes.map(Vec::from))
}

fn with_key(request: RequestBuilder, server: &Server) -> Result<RequestBuilder, Error> {
    let request = request.header(USER_AGENT, "HAPA");
    let Some(key) = &server.key else { return Ok(request) };
    let bearer = HeaderValue::try_from(format!("Bearer {}", key.reveal()));
    let mut bearer = bearer.map_err(|_| Error::Unauthorized)?;
    bearer.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, bearer))
}

fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

/// The `Retry-After` header, if it is in seconds.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// Parses the body of a rejection (4xx): if it reports the length of the prompt, as llama.cpp's server does, the context is too long.
async fn parse_rejection(response: &mut Response) -> RequestError {
    let read = timeout(ERROR_BODY_TIMEOUT, read_body(response, MAX_ERROR_BYTES)).await;
    let value: Value =
        read.ok().and_then(Result::ok).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let number = |name: &str| value["error"][name].as_u64().and_then(|number| u32::try_from(number).ok());
    match (number("n_prompt_tokens"), number("n_ctx")) {
        (Some(tokens), Some(limit)) => RequestError::ContextTooLong { tokens: tokens as usize, limit: limit as usize },
        _ => RequestError::Failed(Error::Rejected),
    }
}

async fn read_body(response: &mut Response, max_bytes: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(bytes) = next_chunk(response).await? {
        if body.len() + bytes.len() > max_bytes {
            return Err(Error::TooLarge);
        }
        body.extend(bytes);
    }
    Ok(body)
}

/// Maps an error of the connection. Its text is dropped, since it contains URLs.
fn connection_error(error: &reqwest::Error) -> Error {
    if error.is_connect() || error.is_builder() { Error::Unreachable } else { Error::Interrupted }
}
