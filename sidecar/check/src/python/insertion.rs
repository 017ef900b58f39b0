//! Whether code can stand where it is to be inserted: what the parser says of the text with it, and did not say without it.

use ruff_python_ast::token::TokenKind;
use ruff_text_size::Ranged;

use super::parse;

/// So many lines are taken off the end of an insertion at most to make it well formed.
const MOST_CUTS: usize = 16;

/// The length in bytes of the longest beginning of `code`, in whole lines, that can stand between `before` and `after` without
/// making well-formed Python ill-formed; 0 if none can. Mistakes that are elsewhere in the text do not count, and neither does
/// what is unfinished for want of what the cursor's line began: an open bracket, a block without a body.
///
/// A few milliseconds for a thousand lines; never panics.
#[must_use]
pub fn python_valid_prefix_len(code: &str, before: &str, after: &str) -> usize {
    crate::deep::run(|| {
        let place = Place::new(before, after);
        let mut end = code.trim_end().len();
        for _ in 0..MOST_CUTS {
            if end == 0 || place.takes(&code[..end]) {
                return end;
            }
            end = code[..end].rfind('\n').map_or(0, |line| code[..line].trim_end().len());
        }
        0
    })
    .unwrap_or(0)
}

/// A cursor in a text, and what is wrong with the text already.
struct Place<'a> {
    before: &'a str,
    after: &'a str,
    /// Where the cursor's line begins.
    line: usize,
    known: Vec<Mistake>,
}

/// A mistake below the cursor: how far from the end of the text, and what.
type Mistake = (usize, String);

impl<'a> Place<'a> {
    fn new(before: &'a str, after: &'a str) -> Self {
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        let below = after.find('\n').map_or("", |newline| &after[newline + 1..]);
        // Without the cursor's line, which is not written yet.
        let without = format!("{}{below}", &before[..line]);
        let known = mistakes(&without).into_iter().map(|(start, what)| (without.len() - start, what)).collect();
        Self { before, after, line, known }
    }

    /// Whether the text is no worse with this code in it.
    fn takes(&self, code: &str) -> bool {
        if self.is_sound(code, "") {
            return true;
        }
        let Some(closers) = self.missing_closers(code) else { return false };
        let body = format!("\n{}    pass", self.indent());
        let opens_block = code.ends_with(':');
        // What the user has begun and has yet to finish.
        [closers.clone(), format!("{closers}{body}"), format!("{closers}:{body}")]
            .iter()
            .enumerate()
            .any(|(number, rest)| (number != 1 || opens_block) && !rest.is_empty() && self.is_sound(code, rest))
    }

    fn indent(&self) -> &str {
        let line = &self.before[self.line..];
        &line[..line.len() - line.trim_start().len()]
    }

    /// Whether the text with `code`, and with `rest` to finish it, has no mistake that it did not have.
    fn is_sound(&self, code: &str, rest: &str) -> bool {
        let whole = [self.before, code, rest, self.after].concat();
        let end = self.before.len() + code.len() + rest.len();
        mistakes(&whole)
            .into_iter()
            .all(|(start, what)| start < self.line || start >= end && self.known.contains(&(whole.len() - start, what)))
    }

    /// The brackets that were opened before the cursor and are open after `code`. `None` if `code` leaves one of its own open.
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

/// Where the parser stumbles, and why.
fn mistakes(text: &str) -> Vec<(usize, String)> {
    let parsed = parse(text);
    parsed.errors().iter().map(|error| (error.range().start().to_usize(), error.error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::python_valid_prefix_len;

    #[test]
    fn the_longest_beginning_that_can_stand_is_found() {
        for (before, code, after, expected) in [
            // Whole as it is.
            ("def f(", "n):\n    return n", "", "n):\n    return n"),
            ("x = ", "1 + 2", "\ny = 3\n", "1 + 2"),
            ("foo(", "a, b", ")\n", "a, b"),
            ("for x in ", "range(3):", "\n    print(x)\n", "range(3):"),
            ("try:\n", "    a()\nexcept E:\n    b()", "", "    a()\nexcept E:\n    b()"),
            // Unfinished by the user.
            ("print(", "a, b", "", "a, b"),
            ("x = [\n    1,\n    ", "2,", "\n", "2,"),
            ("if ", "a == b:", "\n", "a == b:"),
            ("def f(", "n", "", "n"),
            ("try:\n    ", "a()", "", "a()"),
            // Cut back to what can stand.
            ("def f():\n    ", "a = 1\n    b = (", "\n", "a = 1"),
            ("def f():\n    ", "a = 1\n    if a:", "\n\nx = 1\n", "a = 1\n    if a:"),
            ("x = ", "1\n  y = 2", "", "1"),
            // Nothing of it can.
            ("x = ", "= 1", "", ""),
            ("x = ", "[1, 2", "\ny = 3\n", ""),
            ("x = ", "'abc", "\n", ""),
            ("foo(a", "))", "\n", ""),
            ("return ", "else:", "\n", ""),
            // Mistakes elsewhere are not its own.
            ("def g(:\n    pass\n\nx = ", "1", "\n", "1"),
            ("x = ", "1", "\n\ndef g(:\n    pass\n", "1"),
            ("", "", "", ""),
        ] {
            let end = python_valid_prefix_len(code, before, after);
            assert_eq!(&code[..end], expected, "{before:?} + {code:?} + {after:?}");
        }
    }
}
