//! A fake remote server: it records each request, and replies with bytes of the test's choice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A request as the server received it.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// Method and path, such as `POST /v1/chat/completions`.
    pub request_line: String,
    /// The headers; names are in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; `null` when it is not JSON.
    pub body: Value,
}

impl ReceivedRequest {
    /// The value of a header, whose name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// How the server replies to a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Sends these bytes and closes the connection.
    Send(Vec<u8>),
    /// Sends these bytes, then keeps the connection open until the client closes it.
    Hang(Vec<u8>),
    /// Sends the first bytes once, then the second ones repeatedly with this pause between them, until the client disconnects.
    Repeat(Vec<u8>, Vec<u8>, Duration),
}

impl Reply {
    /// A complete response with a status, a content type and a body.
    #[must_use]
    pub fn response(status: u16, kind: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        Self::Send(format!("{head}Connection: close\r\n\r\n{body}").into_bytes())
    }

    /// The bytes of an SSE response with `body`, which may be incomplete.
    #[must_use]
    pub fn sse(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}").into_bytes()
    }

    /// A streamed chat completion of OpenAI's API with one delta per piece.
    #[must_use]
    pub fn answer(pieces: &[&str]) -> Self {
        let pieces: String = pieces.iter().map(|text| delta_event(text)).collect();
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}});
        Self::Send(Self::sse(&format!("{pieces}data: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n")))
    }
}

/// The SSE event of one content delta.
#[must_use]
pub fn delta_event(text: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
}

/// The server. `GET /models` always lists one model, `fake-model`.
pub struct FakeRemote {
    /// The base URL, such as `http://127.0.0.1:41234`.
    pub address: String,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    open_connections: watch::Receiver<usize>,
    serving: JoinHandle<()>,
}

impl Drop for FakeRemote {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl FakeRemote {
    /// Starts a server that replies as `reply` decides. Its first argument is the number of POST requests before this one.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(reply: impl Fn(usize, &ReceivedRequest) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("some port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (requests, reply): (Arc<Mutex<Vec<ReceivedRequest>>>, _) = (Arc::default(), Arc::new(reply));
        let (count, open_connections) = watch::channel(0);
        let log = Arc::clone(&requests);
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, reply, count) = (Arc::clone(&log), Arc::clone(&reply), count.clone());
                tokio::spawn(async move {
                    count.send_modify(|open| *open += 1);
                    if let Some(request) = read_request(&mut stream).await {
                        let number = {
                            let mut log = log.lock().expect("no holder of the lock panics");
                            let number = log.iter().filter(|request| request.request_line.starts_with("POST")).count();
                            log.push(request.clone());
                            number
                        };
                        let reply = match request.request_line.ends_with("/models") {
                            true => Reply::response(200, "application/json", r#"{"data": [{"id": "fake-model"}]}"#),
                            false => reply(number, &request),
                        };
                        send_reply(&mut stream, reply).await;
                    }
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, requests, open_connections, serving }
    }

    /// Starts a server that always replies with a completion of these pieces.
    pub async fn replying(pieces: &'static [&'static str]) -> Self {
        Self::start(|_, _| Reply::answer(pieces)).await
    }

    /// The POST requests received so far.
    ///
    /// # Panics
    /// When the server has panicked.
    #[must_use]
    pub fn posts(&self) -> Vec<ReceivedRequest> {
        self.requests().into_iter().filter(|request| request.request_line.starts_with("POST")).collect()
    }

    /// All requests received so far.
    ///
    /// # Panics
    /// When the server has panicked.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().expect("no holder of the lock panics").clone()
    }

    /// Waits until all connections are closed.
    ///
    /// # Panics
    /// When they are not closed in time.
    pub async fn wait_disconnected(&mut self) {
        let closed = self.open_connections.wait_for(|open| *open == 0);
        tokio::time::timeout(crate::TIMEOUT, closed)
            .await
            .expect("the connections are closed in time")
            .expect("the server runs");
    }
}

/// Reads one request.
async fn read_request(stream: &mut TcpStream) -> Option<ReceivedRequest> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let request_line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    while bytes.len() < end + 4 + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default();
    Some(ReceivedRequest { request_line, headers, body })
}

async fn send_reply(stream: &mut TcpStream, reply: Reply) {
    match reply {
        Reply::Send(bytes) => drop(stream.write_all(&bytes).await),
        Reply::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.read_u8().await;
        }
        Reply::Repeat(first, again, pause) => {
            let mut sent = stream.write_all(&first).await;
            while sent.is_ok() {
                sent = stream.write_all(&again).await;
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stream.readable(), if !pause.is_zero() => return,
                }
            }
        }
    }
}
