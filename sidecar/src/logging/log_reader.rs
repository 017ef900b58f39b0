//! Reads the log file page by page, from its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A reader of the log file.
#[derive(Debug, Clone)]
pub struct LogReader(PathBuf);

/// Which lines to read.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Maximum number of lines.
    pub limit: usize,
    /// Of this level or a more severe one.
    pub level: Level,
    /// With this text, case-insensitive.
    pub search: String,
    /// Only lines that start before this byte.
    pub before: Option<u64>,
}

/// Log levels, least severe first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LogLineLevel)]
pub enum Level {
    /// Detailed steps.
    #[default]
    Trace,
    /// Information for developers.
    Debug,
    /// Information.
    Info,
    /// Something could be improved.
    Warn,
    /// An operation failed.
    Error,
}

impl Level {
    /// The level with this name, case-insensitive.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        serde_json::from_value(name.to_ascii_lowercase().into()).ok()
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Line {
    /// The offset of its first byte in the file.
    #[serde(skip)]
    pub at: u64,
    /// RFC 3339.
    pub timestamp: String,
    /// In upper case.
    pub level: String,
    /// The message.
    pub message: String,
    /// The module that logged it.
    pub target: String,
    /// Its other fields.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// A page of log lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// Where to continue reading backwards; `None` at the start of the file.
    pub next: Option<u64>,
}

/// Bytes per read.
const CHUNK: u64 = 64 * 1024;

/// Maximum number of bytes that are read for one page.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

impl LogReader {
    /// A reader of this file.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self(file.to_owned())
    }

    /// Reads a page. Rotated, older files are not read.
    ///
    /// # Errors
    /// When the file cannot be read; a file that does not exist is empty.
    pub fn read(&self, filter: &Filter) -> io::Result<Page> {
        let mut file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Page::default()),
            Err(error) => return Err(error),
        };
        let end = file.metadata()?.len().min(filter.before.unwrap_or(u64::MAX));
        let search = filter.search.to_lowercase();
        let (mut position, mut carried, mut lines) = (end, Vec::new(), Vec::new());
        // At `position` starts the rest of a line whose start has not been read yet.
        while position > 0 && lines.len() < filter.limit && end - position < MAX_BYTES {
            let start = position.saturating_sub(CHUNK);
            let mut chunk = vec![0; usize::try_from(position - start).unwrap_or_default()];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut chunk)?;
            chunk.append(&mut carried);
            let first = if start == 0 {
                0
            } else {
                chunk.iter().position(|byte| *byte == b'\n').map_or(chunk.len(), |at| at + 1)
            };
            let mut at = chunk.len();
            while at > first && lines.len() < filter.limit {
                let text = chunk[first..at].strip_suffix(b"\n").unwrap_or(&chunk[first..at]);
                let line_start = first + text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                lines.extend(line(
                    &chunk[line_start..first + text.len()],
                    start + line_start as u64,
                    filter.level,
                    &search,
                ));
                at = line_start;
            }
            if at > first {
                // The page is full.
                lines.reverse();
                return Ok(Page { lines, next: Some(start + at as u64) });
            }
            carried = chunk[..first].to_vec();
            position = start;
        }
        lines.reverse();
        let next = position + carried.len() as u64;
        // Bytes without a line break are no line.
        let next = if next == end { position } else { next };
        Ok(Page { lines, next: (position > 0).then_some(next) })
    }
}

fn line(text: &[u8], at: u64, level: Level, search: &str) -> Option<Line> {
    let text = std::str::from_utf8(text).ok()?;
    let line: Line = serde_json::from_str(text).ok()?;
    let wanted = Level::of(&line.level)? >= level && (search.is_empty() || text.to_lowercase().contains(search));
    wanted.then_some(Line { at, ..line })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tail(lines: usize, filler: usize) -> (tempfile::TempDir, LogReader) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let text: String = (0..lines)
            .map(|number| {
                let level = if number % 3 == 0 { "ERROR" } else { "INFO" };
                format!(
                    "{{\"timestamp\":\"t\",\"level\":\"{level}\",\"message\":\"line {number}\",\"target\":\"x\",\"filler\":\"{}\"}}\n",
                    "가".repeat(filler)
                )
            })
            .collect();
        fs::write(&path, text).unwrap();
        let tail = LogReader::of(&path);
        (folder, tail)
    }

    /// All messages, read page by page from the end.
    fn all(tail: &LogReader, filter: &Filter) -> Vec<String> {
        let (mut found, mut filter) = (Vec::new(), filter.clone());
        loop {
            let page = tail.read(&filter).unwrap();
            assert!(page.lines.len() <= filter.limit);
            found.splice(0..0, page.lines.into_iter().map(|line| line.message));
            match page.next {
                Some(next) => filter.before = Some(next),
                None => return found,
            }
        }
    }

    #[test]
    fn every_line_is_read_once_whatever_the_size_of_lines_and_pages() {
        for (lines, filler) in [(0, 0), (1, 0), (500, 0), (300, 200), (7, 30_000)] {
            let (_folder, tail) = tail(lines, filler);
            for limit in [1, 7, 1000] {
                let found = all(&tail, &Filter { limit, ..Filter::default() });
                let expected: Vec<String> = (0..lines).map(|number| format!("line {number}")).collect();
                assert_eq!(found, expected, "{lines} lines with {filler}, {limit} a page");
            }
        }
    }

    #[test]
    fn lines_are_filtered_by_level_and_text() {
        let (_folder, tail) = tail(10, 0);
        let errors = Filter { limit: 100, level: Level::Warn, ..Filter::default() };
        assert_eq!(all(&tail, &errors), ["line 0", "line 3", "line 6", "line 9"]);
        assert_eq!(
            all(&tail, &Filter { search: "LINE 4".into(), ..Filter { limit: 100, ..Filter::default() } }),
            ["line 4"]
        );
    }

    #[test]
    fn a_log_file_that_does_not_exist_is_empty() {
        let tail = LogReader::of(Path::new("/nowhere/app.log"));
        assert_eq!(tail.read(&Filter { limit: 10, ..Filter::default() }).unwrap(), Page::default());
    }
}
