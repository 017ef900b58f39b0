//! A server elsewhere that follows no rules but the test's: it hears what comes, and answers with bytes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Such as `POST /v1/chat/completions`.
    pub what: String,
    /// The headers, with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, if it is JSON.
    pub body: Value,
}

impl Heard {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is done about a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// These bytes are sent, and the connection is closed.
    Say(Vec<u8>),
    /// These bytes are sent, and then nothing until the client goes.
    Hang(Vec<u8>),
    /// The first bytes are sent, and then the second again and again, after a pause each, until the client goes.
    Repeat(Vec<u8>, Vec<u8>, Duration),
}

impl Act {
    /// A whole response with a status, a content type and a body.
    #[must_use]
    pub fn respond(status: u16, kind: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        Self::Say(format!("{head}Connection: close\r\n\r\n{body}").into_bytes())
    }

    /// The beginning of a stream of events, with `body` as far as it goes.
    #[must_use]
    pub fn stream(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}").into_bytes()
    }

    /// An answer in these pieces, as OpenAI's API streams it.
    #[must_use]
    pub fn answer(pieces: &[&str]) -> Self {
        let pieces: String = pieces.iter().map(|text| piece(text)).collect();
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}});
        Self::Say(Self::stream(&format!("{pieces}data: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n")))
    }
}

/// The event that says a piece of text.
#[must_use]
pub fn piece(text: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
}

/// The server. It names one model, `stranger`, unless the test has it say otherwise.
pub struct Stranger {
    /// Such as `http://127.0.0.1:41234`.
    pub address: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    open: watch::Receiver<usize>,
    serving: JoinHandle<()>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Stranger {
    /// A server that does what `act` says about the requests for answers, of which the first has the number 0.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(act: impl Fn(usize, &Heard) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("some port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (heard, act): (Arc<Mutex<Vec<Heard>>>, _) = (Arc::default(), Arc::new(act));
        let (count, open) = watch::channel(0);
        let log = Arc::clone(&heard);
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, act, count) = (Arc::clone(&log), Arc::clone(&act), count.clone());
                tokio::spawn(async move {
                    count.send_modify(|open| *open += 1);
                    if let Some(request) = listen(&mut stream).await {
                        let number = {
                            let mut log = log.lock().expect("no test panics in here");
                            let number = log.iter().filter(|heard| heard.what.starts_with("POST")).count();
                            log.push(request.clone());
                            number
                        };
                        let act = match request.what.ends_with("/models") {
                            true => Act::respond(200, "application/json", r#"{"data": [{"id": "stranger"}]}"#),
                            false => act(number, &request),
                        };
                        perform(&mut stream, act).await;
                    }
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, heard, open, serving }
    }

    /// One that always answers with these pieces.
    pub async fn saying(pieces: &'static [&'static str]) -> Self {
        Self::start(|_, _| Act::answer(pieces)).await
    }

    /// Requests for answers that came.
    ///
    /// # Panics
    /// When the server has panicked.
    #[must_use]
    pub fn asked(&self) -> Vec<Heard> {
        let heard = self.all();
        heard.into_iter().filter(|heard| heard.what.starts_with("POST")).collect()
    }

    /// All requests that came.
    ///
    /// # Panics
    /// When the server has panicked.
    #[must_use]
    pub fn all(&self) -> Vec<Heard> {
        self.heard.lock().expect("no test panics in there").clone()
    }

    /// Waits until all connections are closed.
    ///
    /// # Panics
    /// When they are not in time.
    pub async fn alone(&mut self) {
        let alone = self.open.wait_for(|open| *open == 0);
        tokio::time::timeout(crate::PATIENCE, alone).await.expect("they are closed in time").expect("it serves");
    }
}

/// Reads a request.
async fn listen(stream: &mut TcpStream) -> Option<Heard> {
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
    let what = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    while bytes.len() < end + 4 + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default();
    Some(Heard { what, headers, body })
}

async fn perform(stream: &mut TcpStream, act: Act) {
    match act {
        Act::Say(bytes) => drop(stream.write_all(&bytes).await),
        Act::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.read_u8().await;
        }
        Act::Repeat(first, again, pause) => {
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
