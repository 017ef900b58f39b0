//! The last lines that a process wrote, however much it writes.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

/// Lines kept for the window.
const MAX_LINES: usize = 40;

/// Bytes kept of a line. The rest of a longer one is dropped.
pub const MAX_LINE_BYTES: usize = 2_000;

/// A handle to the lines, which a task fills while others read.
#[derive(Debug, Clone, Default)]
pub struct LogTail(Arc<Mutex<VecDeque<String>>>);

impl LogTail {
    /// Keeps the lines of `pipe` until it ends.
    pub async fn follow(self, pipe: impl AsyncRead + Unpin) {
        let mut pipe = BufReader::new(pipe);
        while let Ok(Some(line)) = next_line(&mut pipe).await {
            tracing::debug!(target: "sidecar", "{line}");
            self.push(line);
        }
    }

    /// Adds a line, and forgets the oldest one when there are too many.
    pub fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// The next line without its end, cut after [`MAX_LINE_BYTES`]; `None` at the end of the pipe.
pub async fn next_line(pipe: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let bytes = pipe.fill_buf().await?;
        if bytes.is_empty() {
            return Ok((!line.is_empty()).then(|| text(&line)));
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        line.extend_from_slice(&part[..part.len().min(MAX_LINE_BYTES - line.len())]);
        let read = end.map_or(bytes.len(), |end| end + 1);
        pipe.consume(read);
        if end.is_some() {
            return Ok(Some(text(&line)));
        }
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_last_forty_lines_are_kept() {
        let log = LogTail::default();
        let written: String = (1..=50).map(|number| format!("line {number}\n")).collect();
        log.clone().follow(written.as_bytes()).await;
        let lines = log.lines();
        assert_eq!(lines.len(), 40);
        assert_eq!(lines.first().unwrap(), "line 11");
        assert_eq!(lines.last().unwrap(), "line 50");
    }

    #[tokio::test]
    async fn an_endless_line_is_cut_and_the_next_one_is_whole() {
        let log = LogTail::default();
        let written = format!("{}\r\nafter\nwithout an end", "x".repeat(100_000));
        log.clone().follow(written.as_bytes()).await;
        let lines = log.lines();
        assert_eq!(lines[0].len(), MAX_LINE_BYTES);
        assert_eq!(lines[1..], ["after", "without an end"]);
    }
}
