//! Where a byte of the text is for a person: line and column from 1, columns in characters.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Edit, Severity};

/// The longest part of a line that a finding shows, in characters.
const SHOWN: usize = 200;

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub line: u32,
    pub column: u32,
}

/// The lines of a text. They end with `\n`, `\r\n` or `\r`.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let ends = |(at, byte): (usize, &u8)| match byte {
            b'\n' => Some(at + 1),
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => Some(at + 1),
            _ => None,
        };
        let starts = std::iter::once(0).chain(bytes.iter().enumerate().filter_map(ends)).collect();
        Self { text, starts }
    }

    /// How many lines there are, as an editor counts them: a line that ends begins another, unless nothing follows.
    pub fn count(&self) -> usize {
        if self.starts.last() == Some(&self.text.len()) { self.starts.len() - 1 } else { self.starts.len() }
    }

    /// The place of a byte; one in the middle of a character is at that character, one past the end at the end.
    pub fn position(&self, byte: usize) -> Position {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let column = self.text[self.starts[line]..byte].chars().count();
        Position { line: number(line + 1), column: number(column + 1) }
    }

    /// The byte where a line begins; the end of the text for one that is not there.
    pub fn start(&self, line: u32) -> usize {
        let index = (line as usize).checked_sub(1);
        index.and_then(|index| self.starts.get(index).copied()).unwrap_or(self.text.len())
    }

    /// The text of a line, without its end.
    pub fn line(&self, line: u32) -> &'a str {
        let line = line as usize;
        let Some(start) = line.checked_sub(1).and_then(|line| self.starts.get(line)) else { return "" };
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }

    /// A finding at these bytes, without a fix.
    pub fn finding(&self, range: Range<usize>, code: &str, message: String, severity: Severity) -> Diagnostic {
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
            source_line: self.line(start.line).chars().take(SHOWN).collect(),
            fix: None,
        }
    }

    /// New text in place of these bytes.
    pub fn edit(&self, range: Range<usize>, content: String) -> Edit {
        let (start, end) = (self.position(range.start), self.position(range.end));
        Edit { start_line: start.line, start_column: start.column, end_line: end.line, end_column: end.column, content }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_every_kind_of_line_end_is_one() {
        let lines = Lines::new("가나 = 1\r\nb\rc\n\td");
        for (byte, line, column) in
            [(0, 1, 1), (3, 1, 2), (4, 1, 2), (6, 1, 3), (12, 2, 1), (14, 3, 1), (17, 4, 2), (99, 4, 3)]
        {
            assert_eq!(lines.position(byte), Position { line, column }, "byte {byte}");
        }
        assert_eq!((lines.count(), lines.line(1), lines.line(4), lines.line(9)), (4, "가나 = 1", "\td", ""));
        assert_eq!((Lines::new("a\n").count(), Lines::new("").count(), Lines::new("\n\n").count()), (1, 0, 2));
    }
}
