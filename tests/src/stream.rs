//! Event streams, read as strictly as the original client reads them.

use reqwest::Response;
use serde_json::Value;

/// The frames of a stream, as they come.
pub struct Frames {
    response: Response,
    buffer: String,
    sequence: u64,
}

impl Frames {
    /// Of an open stream.
    ///
    /// # Panics
    /// When the response is no event stream.
    #[must_use]
    pub fn new(response: Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new(), sequence: 0 }
    }

    /// The next event, or `None` at the end of the stream.
    ///
    /// # Panics
    /// When a frame is anything but `data: <JSON on one line>` and an empty line, or the sequence has a gap.
    pub async fn next(&mut self) -> Option<Value> {
        while !self.buffer.contains("\n\n") {
            let Some(chunk) = self.response.chunk().await.expect("the stream does not break off") else {
                assert_eq!(self.buffer, "", "nothing follows the last frame");
                return None;
            };
            self.buffer += std::str::from_utf8(&chunk).expect("no chunk ends inside a character");
        }
        let (frame, rest) = self.buffer.split_once("\n\n").expect("the loop waited for it");
        let json = frame.strip_prefix("data: ").unwrap_or_else(|| panic!("not a data frame: {frame}"));
        assert!(!json.contains(['\n', '\r']), "one line: {json}");
        let event: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(event["sequence"], self.sequence, "{event}");
        self.sequence += 1;
        self.buffer = rest.to_owned();
        Some(event)
    }

    /// The next event of this kind; those before it are passed over.
    ///
    /// # Panics
    /// When the stream ends before.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended without `{kind}`"));
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// All events to the end of the stream.
    pub async fn rest(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// The contents of all events of one kind, joined.
#[must_use]
pub fn joined(events: &[Value], kind: &str) -> String {
    events.iter().filter(|event| event["type"] == kind).filter_map(|event| event["content"].as_str()).collect()
}
