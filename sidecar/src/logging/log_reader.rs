//! Reading the log's file from its end, page by page.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The log's file, for reading.
#[derive(Debug, Clone)]
pub struct LogReader(PathBuf);

/// Which lines to read.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// At most so many.
    pub limit: usize,
    /// Of this level or a worse one.
    pub level: Level,
    /// With this text in them, in any case.
    pub search: String,
    /// Only lines that begin before this byte.
    pub before: Option<u64>,
}

/// How much a line weighs, the least first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LogLineLevel)]
pub enum Level {
    /// Every step.
    #[default]
    Trace,
    /// For developers.
    Debug,
    /// Worth knowing.
    Info,
    /// Something could be better.
    Warn,
    /// Something did not work.
    Error,
}

impl Level {
    /// The level with this name, in any case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        serde_json::from_value(name.to_ascii_lowercase().into()).ok()
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Line {
    /// The byte that it begins with in the file.
    #[serde(skip)]
    pub at: u64,
    /// RFC 3339.
    pub timestamp: String,
    /// In capitals.
    pub level: String,
    /// A sentence.
    pub message: String,
    /// The room that wrote it.
    pub target: String,
    /// What else it carries.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// A part of the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// Where to go on reading backwards; `None` at the file's beginning.
    pub next: Option<u64>,
}

/// Bytes that are read at a time.
const CHUNK: u64 = 64 * 1024;

/// Bytes that are looked through for one page at most.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

impl LogReader {
    /// Of this file.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self(file.to_owned())
    }

    /// Reads a page. Older files of a log in several are not read.
    ///
    /// # Errors
    /// When the file cannot be read; one that is not there is empty.
    pub fn read(&self, filter: &Filter) -> io::Result<Page> {
        let mut file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Page::default()),
            Err(error) => return Err(error),
        };
        let end = file.metadata()?.len().min(filter.before.unwrap_or(u64::MAX));
        let search = filter.search.to_lowercase();
        let (mut position, mut carried, mut lines) = (end, Vec::new(), Vec::new());
        // What begins at `position` is the rest of a line whose beginning has not been read yet.
        while position > 0 && lines.len() < filter.limit && end - position < MAX_BYTES {
            let start = position.saturating_sub(CHUNK);
            let mut chunk = vec![0; usize::try_from(position - start).unwrap_or_default()];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut chunk)?;
            chunk.append(&mut carried);
            let whole = if start == 0 {
                0
            } else {
                chunk.iter().position(|byte| *byte == b'\n').map_or(chunk.len(), |at| at + 1)
            };
            let mut at = chunk.len();
            while at > whole && lines.len() < filter.limit {
                let text = chunk[whole..at].strip_suffix(b"\n").unwrap_or(&chunk[whole..at]);
                let begin = whole + text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                lines.extend(line(&chunk[begin..whole + text.len()], start + begin as u64, filter.level, &search));
                at = begin;
            }
            if at > whole {
                // The page is full.
                lines.reverse();
                return Ok(Page { lines, next: Some(start + at as u64) });
            }
            carried = chunk[..whole].to_vec();
            position = start;
        }
        lines.reverse();
        let next = position + carried.len() as u64;
        // What has no line break in all these bytes is no line.
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
    fn a_log_that_is_not_there_is_empty() {
        let tail = LogReader::of(Path::new("/nowhere/app.log"));
        assert_eq!(tail.read(&Filter { limit: 10, ..Filter::default() }).unwrap(), Page::default());
    }
}
