//! Maps byte offsets to 1-based lines and columns, where columns count characters.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Edit, Severity};

/// Maximum length of a diagnostic's `source_line`, in characters.
const MAX_SOURCE_LINE_CHARS: usize = 200;

/// A line and a column, both 1-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub line: u32,
    pub column: u32,
}

/// Line starts of a text. Lines end with `\n`, `\r\n` or `\r`.
#[derive(Debug)]
pub(crate) struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let next_start = |(at, byte): (usize, &u8)| match byte {
            b'\n' => Some(at + 1),
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => Some(at + 1),
            _ => None,
        };
        let starts = std::iter::once(0).chain(bytes.iter().enumerate().filter_map(next_start)).collect();
        Self { text, starts }
    }

    /// Number of lines. A line ending at the end of the text does not start another line.
    pub(crate) fn line_count(&self) -> usize {
        if self.starts.last() == Some(&self.text.len()) { self.starts.len() - 1 } else { self.starts.len() }
    }

    /// Position of a byte offset. An offset inside a character maps to that character, one past the end to the end.
    pub(crate) fn position(&self, byte: usize) -> Position {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let column = self.text[self.starts[line]..byte].chars().count();
        Position { line: saturating_u32(line + 1), column: saturating_u32(column + 1) }
    }

    /// Byte offset of the start of a line (1-based); the end of the text if there is no such line.
    pub(crate) fn line_start(&self, line: u32) -> usize {
        let index = (line as usize).checked_sub(1);
        index.and_then(|index| self.starts.get(index).copied()).unwrap_or(self.text.len())
    }

    /// Text of a line (1-based) without its line ending; empty if there is no such line.
    pub(crate) fn line_text(&self, line: u32) -> &'a str {
        let line = line as usize;
        let Some(start) = line.checked_sub(1).and_then(|line| self.starts.get(line)) else { return "" };
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }

    /// Creates a diagnostic for a byte range, without a fix.
    pub(crate) fn diagnostic(
        &self,
        range: Range<usize>,
        code: &str,
        message: String,
        severity: Severity,
    ) -> Diagnostic {
        let start = self.position(range.start);
        let end = self.position(range.end).max(start);
        Diagnostic {
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            code: code.into(),
            message,
            severity,
            source_line: self.line_text(start.line).chars().take(MAX_SOURCE_LINE_CHARS).collect(),
            fix: None,
        }
    }

    /// Creates an edit that replaces a byte range with `content`.
    pub(crate) fn edit(&self, range: Range<usize>, content: String) -> Edit {
        let (start, end) = (self.position(range.start), self.position(range.end));
        Edit { start_line: start.line, start_column: start.column, end_line: end.line, end_column: end.column, content }
    }
}

fn saturating_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_all_line_endings_are_recognised() {
        let lines = LineIndex::new("가나 = 1\r\nb\rc\n\td");
        for (byte, line, column) in
            [(0, 1, 1), (3, 1, 2), (4, 1, 2), (6, 1, 3), (12, 2, 1), (14, 3, 1), (17, 4, 2), (99, 4, 3)]
        {
            assert_eq!(lines.position(byte), Position { line, column }, "byte {byte}");
        }
        assert_eq!(
            (lines.line_count(), lines.line_text(1), lines.line_text(4), lines.line_text(9)),
            (4, "가나 = 1", "\td", "")
        );
        assert_eq!(
            (LineIndex::new("a\n").line_count(), LineIndex::new("").line_count(), LineIndex::new("\n\n").line_count()),
            (1, 0, 2)
        );
    }
}
