//! Cleans up a completion: drops partial lines, repetitions of the surrounding code, and Python that is invalid at the
//! cursor.

use super::request::CompletionRequest;

/// Minimum letters and digits of a line whose repetition is no coincidence.
const MIN_DISTINCTIVE_CHARS: usize = 10;

/// The part of `text`, from its start, that is worth inserting at the cursor; empty if nothing is. `is_complete` is
/// whether the model stopped by itself.
#[must_use]
pub(crate) fn clean<'a>(text: &'a str, request: &CompletionRequest, is_complete: bool) -> &'a str {
    let text = if is_complete { text.trim_end() } else { drop_partial_line(text) };
    let text = without_repetition(text, &request.prefix, &request.suffix);
    if text.trim().is_empty() || repeats_the_line_above(text, &request.prefix) {
        return "";
    }
    if request.language == "python" {
        return &text[..check::python_valid_prefix_len(text, &request.prefix, &request.suffix)];
    }
    text
}

/// `text` up to its last complete line, or its last complete word if it has one line.
fn drop_partial_line(text: &str) -> &str {
    let end = text.rfind('\n').filter(|end| !text[..*end].trim().is_empty());
    end.map_or_else(|| text.trim_end_matches(is_word_char), |end| &text[..end]).trim_end()
}

/// Whether `text` only repeats the line above the cursor.
fn repeats_the_line_above(text: &str, prefix: &str) -> bool {
    let (above, line) = prefix.rsplit_once('\n').unwrap_or(("", prefix));
    let last = above.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    last.contains(char::is_alphanumeric) && format!("{line}{text}").trim() == last.trim()
}

/// `text` without what repeats the text after the cursor.
fn without_repetition<'a>(text: &'a str, prefix: &str, suffix: &str) -> &'a str {
    let rest = suffix.split('\n').next().unwrap_or_default().trim();
    let end = if rest.is_empty() { repeated_lines(text, prefix, suffix) } else { repeated_words(text, suffix) };
    end.map_or(text, |end| text[..end].trim_end())
}

/// Where `text` starts to repeat the rest of the cursor's line.
fn repeated_words(text: &str, suffix: &str) -> Option<usize> {
    let rest = suffix.trim_start();
    text.char_indices().map(|(start, _)| start).find(|start| {
        let (head, tail) = text.split_at(*start);
        let Some(after) = rest.strip_prefix(tail) else { return false };
        let closing = matches!(tail, ")" | "]" | "}" | "\"" | "'" | ":" | ";" | ",");
        (tail.chars().count() > 1 || closing)
            && splits_word(head, tail)
            && splits_word(tail, after)
            && !closes_open_bracket(head, tail)
    })
}

/// Where `text` starts to repeat the lines below the cursor.
fn repeated_lines(text: &str, prefix: &str, suffix: &str) -> Option<usize> {
    let below: Vec<&str> = suffix.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let typed = prefix.rsplit('\n').next().unwrap_or_default();
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let own = if number == 0 { format!("{typed}{line}") } else { line.to_owned() };
        let first = std::iter::once(own.trim_end());
        let mut lines =
            first.chain(text[start + line.len()..].lines().map(str::trim_end)).filter(|line| !line.is_empty());
        // A line of which the user has typed a part belongs to the user.
        let is_new = number > 0 || typed.trim().is_empty();
        if is_new && lines.next().is_some_and(|line| Some(&line) == below.first()) {
            let alike = lines.zip(&below[1..]).all(|(own, below)| below.starts_with(own));
            let letters = below[0].chars().filter(|char| char.is_alphanumeric()).count();
            if alike || letters >= MIN_DISTINCTIVE_CHARS && !below[0].trim_start().starts_with('@') {
                return Some(start);
            }
        }
        start += line.len();
    }
    None
}

/// Whether a word ends between `before` and `after`.
fn splits_word(before: &str, after: &str) -> bool {
    !(before.ends_with(is_word_char) && after.starts_with(is_word_char))
}

fn is_word_char(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Whether `tail` closes a bracket or a quote that `head` has opened, so that it is not the one after the cursor.
fn closes_open_bracket(head: &str, tail: &str) -> bool {
    let pairs = [('(', ')'), ('[', ']'), ('{', '}')];
    let brackets = pairs.iter().any(|(open, close)| {
        let balance =
            |text: &str| text.matches(*open).count().cast_signed() - text.matches(*close).count().cast_signed();
        balance(head) > 0 && balance(tail) < 0
    });
    let quotes = ['"', '\''].iter().any(|quote| head.matches(*quote).count() % 2 == 1 && tail.starts_with(*quote));
    brackets || quotes
}

#[cfg(test)]
mod tests {
    use super::{drop_partial_line, without_repetition};

    #[test]
    fn what_follows_the_cursor_is_not_repeated() {
        for (prefix, text, suffix, expected) in [
            ("call(", "a, b)", ")\n", "a, b"),
            ("call(", "foo(a)", ")\n", "foo(a)"),
            ("call(", "foo(a))", ")\n", "foo(a)"),
            ("x = \"", "hello\"", "\"\n", "hello"),
            ("call(", "\"b\"", "\")\n", "\"b\""),
            ("x = ", "foobar", "bar = 1", "foobar"),
            ("", "x", "x = 1", "x"),
            ("x = ", "value", "", "value"),
            ("x = ", "foo", "\nfoo(1)\n", "foo"),
            ("x = ", "a + b\nreturn c", "\nreturn c\n", "a + b"),
            ("def f():\n    ", "return 1", "\n    return 1\n", ""),
            ("def f():\n    ", "a = 1\n    return a", "\n\n    return a\n", "a = 1"),
            (
                "def f():\n    ",
                "if b:\n        return a\n    c()",
                "\n\n    return a\n",
                "if b:\n        return a\n    c()",
            ),
            ("def f():\n    ", "a = 1\n    return calculate(a)\n    b = 2", "\n\n    return calculate(a)\n", "a = 1"),
            // The same decorator, another method.
            (
                "class A:\n    ",
                "@property\n    def a(self):\n        return 1",
                "\n\n    @property\n    def b(self):\n        return 2\n",
                "@property\n    def a(self):\n        return 1",
            ),
        ] {
            assert_eq!(without_repetition(text, prefix, suffix), expected, "{prefix:?} {text:?} {suffix:?}");
        }
    }

    #[test]
    fn a_partial_line_or_word_is_dropped() {
        for (text, expected) in
            [("a = 1\nb = ca", "a = 1"), ("calc(resul", "calc("), ("\n    retur", "\n    "), ("abc", "")]
        {
            assert_eq!(drop_partial_line(text), expected.trim_end(), "{text:?}");
        }
    }
}
