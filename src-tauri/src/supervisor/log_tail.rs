//! A bounded buffer with the last lines of a process's output.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

/// Lines in the buffer.
const MAX_LINES: usize = 40;

/// Bytes of a line; the rest of a longer line is discarded.
pub(crate) const MAX_LINE_BYTES: usize = 2_000;

/// A cloneable handle to the buffer: one task appends, others read.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogTail(Arc<Mutex<VecDeque<String>>>);

impl LogTail {
    /// Appends the lines of `pipe` until it is closed.
    pub(crate) async fn follow(self, pipe: impl AsyncRead + Unpin) {
        let mut pipe = BufReader::new(pipe);
        while let Ok(Some(line)) = next_line(&mut pipe).await {
            tracing::debug!(target: "sidecar", "{line}");
            self.push(line);
        }
    }

    /// Appends a line; a full buffer drops its oldest line.
    pub(crate) fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The buffered lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Reads the next line without its terminator, truncated to [`MAX_LINE_BYTES`]; `None` at the end of the pipe.
///
/// # Errors
/// When the pipe cannot be read.
pub(crate) async fn next_line(pipe: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
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
    async fn the_buffer_holds_the_last_forty_lines() {
        let log = LogTail::default();
        let written: String = (1..=50).map(|number| format!("line {number}\n")).collect();
        log.clone().follow(written.as_bytes()).await;
        let lines = log.lines();
        assert_eq!(lines.len(), 40);
        assert_eq!(lines.first().unwrap(), "line 11");
        assert_eq!(lines.last().unwrap(), "line 50");
    }

    #[tokio::test]
    async fn a_long_line_is_truncated_and_the_next_line_is_complete() {
        let log = LogTail::default();
        let written = format!("{}\r\nafter\nwithout an end", "x".repeat(100_000));
        log.clone().follow(written.as_bytes()).await;
        let lines = log.lines();
        assert_eq!(lines[0].len(), MAX_LINE_BYTES);
        assert_eq!(lines[1..], ["after", "without an end"]);
    }
}
