//! A strict SSE client: it accepts only the frames that the original client parses.

use reqwest::Response;
use serde_json::Value;

/// The events of an open stream, parsed as they arrive.
pub struct Frames {
    response: Response,
    buffer: String,
    sequence: u64,
}

impl Frames {
    /// Reads the events of a response.
    ///
    /// # Panics
    /// When the response is not an event stream.
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
            let Some(chunk) = self.response.chunk().await.expect("the stream is not interrupted") else {
                assert_eq!(self.buffer, "", "nothing follows the last frame");
                return None;
            };
            self.buffer += std::str::from_utf8(&chunk).expect("no chunk ends inside a character");
        }
        let (frame, rest) = self.buffer.split_once("\n\n").expect("the loop waits for it");
        let json = frame.strip_prefix("data: ").unwrap_or_else(|| panic!("not a data frame: {frame}"));
        assert!(!json.contains(['\n', '\r']), "one line: {json}");
        let event: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(event["sequence"], self.sequence, "{event}");
        self.sequence += 1;
        self.buffer = rest.to_owned();
        Some(event)
    }

    /// The next event of this type; events before it are skipped.
    ///
    /// # Panics
    /// When the stream ends first.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended without `{kind}`"));
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// All remaining events, up to the end of the stream.
    pub async fn rest(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// The concatenated contents of all events of one type.
#[must_use]
pub fn joined(events: &[Value], kind: &str) -> String {
    events.iter().filter(|event| event["type"] == kind).filter_map(|event| event["content"].as_str()).collect()
}
