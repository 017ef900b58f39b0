//! The connection to a remote server: requests go out with the key, and what comes back is bounded in size and time.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::error::Failure;
use super::request::Body;
use super::sse::printable;
use crate::base::http_client::Clients;
use crate::config::Secret;
use crate::settings::endpoint::Address;

/// How long a list of models may take.
const LIST: Duration = Duration::from_secs(10);

/// Bytes of a list of models, and of the body of a refusal, at most.
const LONGEST_LIST: usize = 1024 * 1024;
const LONGEST_REFUSAL: usize = 64 * 1024;

/// How long the body of a refusal is waited for.
const REFUSAL: Duration = Duration::from_secs(2);

/// Models that are taken from a list, and the characters of a name, at most.
const MOST_MODELS: usize = 200;
const LONGEST_NAME: usize = 200;

/// Who is asked: a server, with the key that is for it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it is.
    pub address: Address,
    /// The key, if there is one.
    pub key: Option<Secret>,
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// For this reason.
    For(Failure),
    /// For this reason, and not before so long has passed.
    Until(Failure, Duration),
    /// The prompt is too long.
    TooLong {
        /// Its tokens.
        tokens: usize,
        /// Tokens that fit.
        limit: usize,
    },
}

/// The ways out.
#[derive(Debug, Default)]
pub struct Wire {
    clients: Clients,
}

impl Wire {
    /// The models that a server lists, by name.
    ///
    /// # Errors
    /// Why it lists none.
    pub async fn models(&self, server: &Server) -> Result<Vec<String>, Failure> {
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
            let mut response = with_key(request, server)?.send().await.map_err(|error| failure(&error))?;
            if let Some(failure) = Failure::of_status(response.status().as_u16()) {
                return Err(failure);
            }
            let body = body(&mut response, LONGEST_LIST).await?;
            serde_json::from_slice::<List>(&body).map_err(|_| Failure::NotAStream)
        };
        let list = timeout(LIST, list).await.map_err(|_| Failure::Silent)??;
        let names = list.data.into_iter().map(|listed| name(&listed.id)).filter(|name| !name.is_empty());
        Ok(names.take(MOST_MODELS).collect())
    }

    /// Asks for an answer. Comes back when the server has taken the request, with what it is going to stream.
    ///
    /// # Errors
    /// Why it has not.
    pub async fn ask(&self, server: &Server, url: String, body: &Body<'_>) -> Result<Response, Refusal> {
        let request = self.client(server).map_err(Refusal::For)?.post(url).json(body);
        let request = with_key(request, server).map_err(Refusal::For)?;
        let mut response = request.send().await.map_err(|error| Refusal::For(failure(&error)))?;
        let status = response.status().as_u16();
        match Failure::of_status(status) {
            None if is_event_stream(&response) => Ok(response),
            None => Err(Refusal::For(Failure::NotAStream)),
            Some(failure) => {
                tracing::info!(status, "the remote server refused a request with status {status}");
                Err(match (failure, pause(&response)) {
                    (Failure::Refused, _) => look(&mut response).await,
                    (failure, Some(pause)) => Refusal::Until(failure, pause),
                    (failure, None) => Refusal::For(failure),
                })
            }
        }
    }

    fn client(&self, server: &Server) -> Result<&Client, Failure> {
        self.clients.for_scheme(server.address.is_plain()).ok_or(Failure::Unreachable)
    }
}

/// A name that a server gave, as it may be shown: short, and on one line.
#[must_use]
pub fn name(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ").trim().chars().take(LONGEST_NAME).collect()
}

/// The next bytes of a response; `None` at its end.
///
/// # Errors
/// When the connection breaks off.
pub async fn next(response: &mut Response) -> Result<Option<Vec<u8>>, Failure> {
    let bytes = response.chunk().await.map_err(|_| Failure::CutOff)?;
    Ok(bytes.map(Vec::from))
}

fn with_key(request: RequestBuilder, server: &Server) -> Result<RequestBuilder, Failure> {
    let request = request.header(USER_AGENT, "HAPA");
    let Some(key) = &server.key else { return Ok(request) };
    let bearer = HeaderValue::try_from(format!("Bearer {}", key.reveal()));
    let mut bearer = bearer.map_err(|_| Failure::KeyRefused)?;
    bearer.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, bearer))
}

fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

/// How long the server wants to be left alone, where it says so in seconds.
fn pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// Whether a refusal is about the prompt's length: the only thing that is looked for in what it says.
async fn look(response: &mut Response) -> Refusal {
    let read = timeout(REFUSAL, body(response, LONGEST_REFUSAL)).await;
    let value: Value =
        read.ok().and_then(Result::ok).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let number = |name: &str| value["error"][name].as_u64().and_then(|number| u32::try_from(number).ok());
    match (number("n_prompt_tokens"), number("n_ctx")) {
        (Some(tokens), Some(limit)) => Refusal::TooLong { tokens: tokens as usize, limit: limit as usize },
        _ => Refusal::For(Failure::Refused),
    }
}

async fn body(response: &mut Response, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(bytes) = next(response).await? {
        if body.len() + bytes.len() > most {
            return Err(Failure::TooMuch);
        }
        body.extend(bytes);
    }
    Ok(body)
}

/// What an error of the connection means. Its words, which name addresses, are for nobody.
fn failure(error: &reqwest::Error) -> Failure {
    if error.is_connect() || error.is_builder() { Failure::Unreachable } else { Failure::CutOff }
}
