//! Decides how much of a completion can be inserted at the cursor without adding syntax errors to Python code.

use ruff_python_ast::token::TokenKind;
use ruff_text_size::Ranged;

use super::parse;

/// Maximum number of lines trimmed from the end of a completion to make it valid.
const MAX_TRIMMED_LINES: usize = 16;

/// The length in bytes of the longest prefix of `code`, in whole lines, that can be inserted between `before` and `after` without
/// adding a syntax error; 0 if there is none.
///
/// Existing syntax errors elsewhere in the text do not count. Neither does code that the cursor's line leaves unfinished: an open
/// bracket, or a block without a body.
///
/// Takes a few milliseconds for a thousand lines; never panics.
#[must_use]
pub fn python_valid_prefix_len(code: &str, before: &str, after: &str) -> usize {
    crate::big_stack::run(|| {
        let point = InsertionPoint::new(before, after);
        let mut end = code.trim_end().len();
        for _ in 0..MAX_TRIMMED_LINES {
            if end == 0 || point.accepts(&code[..end]) {
                return end;
            }
            end = code[..end].rfind('\n').map_or(0, |line| code[..line].trim_end().len());
        }
        0
    })
    .unwrap_or(0)
}

/// A cursor in a text, with the syntax errors that the text has already.
struct InsertionPoint<'a> {
    before: &'a str,
    after: &'a str,
    /// Byte offset of the start of the cursor's line.
    line_start: usize,
    existing: Vec<SyntaxIssue>,
}

/// A syntax error below the cursor: distance from the end of the text in bytes, and message.
type SyntaxIssue = (usize, String);

impl<'a> InsertionPoint<'a> {
    fn new(before: &'a str, after: &'a str) -> Self {
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let below = after.find('\n').map_or("", |newline| &after[newline + 1..]);
        // The cursor's line is left out: it is still being written.
        let text = format!("{}{below}", &before[..line_start]);
        let existing = syntax_errors(&text).into_iter().map(|(start, message)| (text.len() - start, message)).collect();
        Self { before, after, line_start, existing }
    }

    /// Whether inserting `code` adds no syntax error.
    fn accepts(&self, code: &str) -> bool {
        if self.adds_no_issue(code, "") {
            return true;
        }
        let Some(closers) = self.missing_closers(code) else { return false };
        let body = format!("\n{}    pass", self.indent());
        let opens_block = code.ends_with(':');
        // What the user may still type to finish the code before the cursor.
        [closers.clone(), format!("{closers}{body}"), format!("{closers}:{body}")]
            .iter()
            .enumerate()
            .any(|(number, rest)| (number != 1 || opens_block) && !rest.is_empty() && self.adds_no_issue(code, rest))
    }

    fn indent(&self) -> &str {
        let line = &self.before[self.line_start..];
        &line[..line.len() - line.trim_start().len()]
    }

    /// Whether the text has no new syntax error with `code` inserted and finished by `rest`.
    fn adds_no_issue(&self, code: &str, rest: &str) -> bool {
        let text = [self.before, code, rest, self.after].concat();
        let end = self.before.len() + code.len() + rest.len();
        syntax_errors(&text).into_iter().all(|(start, message)| {
            start < self.line_start || start >= end && self.existing.contains(&(text.len() - start, message))
        })
    }

    /// The closing brackets for those that were opened before the cursor and are still open after `code`. `None` if `code` itself
    /// leaves a bracket open.
    fn missing_closers(&self, code: &str) -> Option<String> {
        let text = [self.before, code].concat();
        let mut open = Vec::new();
        for token in parse(&text).tokens() {
            match token.kind() {
                TokenKind::Lpar => open.push((token.start().to_usize(), ')')),
                TokenKind::Lsqb => open.push((token.start().to_usize(), ']')),
                TokenKind::Lbrace => open.push((token.start().to_usize(), '}')),
                TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                    open.pop();
                }
                _ => {}
            }
        }
        let own = open.iter().any(|(start, _)| *start >= self.before.len());
        (!own).then(|| open.iter().rev().map(|(_, closer)| closer).collect())
    }
}

/// The syntax errors of a text: byte offset and message.
fn syntax_errors(text: &str) -> Vec<(usize, String)> {
    let parsed = parse(text);
    parsed.errors().iter().map(|error| (error.range().start().to_usize(), error.error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::python_valid_prefix_len;

    #[test]
    fn the_longest_valid_prefix_is_found() {
        for (before, code, after, expected) in [
            // Valid as a whole.
            ("def f(", "n):\n    return n", "", "n):\n    return n"),
            ("x = ", "1 + 2", "\ny = 3\n", "1 + 2"),
            ("foo(", "a, b", ")\n", "a, b"),
            ("for x in ", "range(3):", "\n    print(x)\n", "range(3):"),
            ("try:\n", "    a()\nexcept E:\n    b()", "", "    a()\nexcept E:\n    b()"),
            // Unfinished code before the cursor.
            ("print(", "a, b", "", "a, b"),
            ("x = [\n    1,\n    ", "2,", "\n", "2,"),
            ("if ", "a == b:", "\n", "a == b:"),
            ("def f(", "n", "", "n"),
            ("try:\n    ", "a()", "", "a()"),
            // Trimmed to a valid prefix.
            ("def f():\n    ", "a = 1\n    b = (", "\n", "a = 1"),
            ("def f():\n    ", "a = 1\n    if a:", "\n\nx = 1\n", "a = 1\n    if a:"),
            ("x = ", "1\n  y = 2", "", "1"),
            // No valid prefix.
            ("x = ", "= 1", "", ""),
            ("x = ", "[1, 2", "\ny = 3\n", ""),
            ("x = ", "'abc", "\n", ""),
            ("foo(a", "))", "\n", ""),
            ("return ", "else:", "\n", ""),
            // Existing syntax errors elsewhere do not count.
            ("def g(:\n    pass\n\nx = ", "1", "\n", "1"),
            ("x = ", "1", "\n\ndef g(:\n    pass\n", "1"),
            ("", "", "", ""),
        ] {
            let end = python_valid_prefix_len(code, before, after);
            assert_eq!(&code[..end], expected, "{before:?} + {code:?} + {after:?}");
        }
    }
}
