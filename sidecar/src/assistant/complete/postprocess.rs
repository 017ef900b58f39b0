//! What of an answer is offered: nothing that is there already, nothing torn off, and no Python that cannot stand where it goes.

use super::request::CompletionRequest;

/// Letters and digits that make a line more than what many lines of a text look like.
const TELLING: usize = 10;

/// The part of `text` that is worth inserting at the request, from its beginning; empty if nothing is. `whole` is whether the model
/// had come to an end.
#[must_use]
pub fn clean<'a>(text: &'a str, request: &CompletionRequest, whole: bool) -> &'a str {
    let text = if whole { text.trim_end() } else { drop_partial_line(text) };
    let text = without_repetition(text, &request.prefix, &request.suffix);
    if text.trim().is_empty() || repeats_the_line_above(text, &request.prefix) {
        return "";
    }
    if request.language == "python" {
        return &text[..check::python_valid_prefix_len(text, &request.prefix, &request.suffix)];
    }
    text
}

/// `text` up to its last whole line, or its last whole word if it has one line.
fn drop_partial_line(text: &str) -> &str {
    let end = text.rfind('\n').filter(|end| !text[..*end].trim().is_empty());
    end.map_or_else(|| text.trim_end_matches(is_of_word), |end| &text[..end]).trim_end()
}

/// Whether `text` is nothing but what the line above the cursor says.
fn repeats_the_line_above(text: &str, prefix: &str) -> bool {
    let (above, line) = prefix.rsplit_once('\n').unwrap_or(("", prefix));
    let last = above.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    last.contains(char::is_alphanumeric) && format!("{line}{text}").trim() == last.trim()
}

/// `text` without what the text after the cursor says.
fn without_repetition<'a>(text: &'a str, prefix: &str, suffix: &str) -> &'a str {
    let rest = suffix.split('\n').next().unwrap_or_default().trim();
    let end = if rest.is_empty() { repeated_lines(text, prefix, suffix) } else { repeated_words(text, suffix) };
    end.map_or(text, |end| text[..end].trim_end())
}

/// Where `text` begins to say what the rest of the cursor's line says.
fn repeated_words(text: &str, suffix: &str) -> Option<usize> {
    let rest = suffix.trim_start();
    text.char_indices().map(|(start, _)| start).find(|start| {
        let (said, tail) = text.split_at(*start);
        let Some(after) = rest.strip_prefix(tail) else { return false };
        let closing = matches!(tail, ")" | "]" | "}" | "\"" | "'" | ":" | ";" | ",");
        (tail.chars().count() > 1 || closing)
            && splits_word(said, tail)
            && splits_word(tail, after)
            && !closes_what_is_open(said, tail)
    })
}

/// Where `text` begins to say what the lines below the cursor say.
fn repeated_lines(text: &str, prefix: &str, suffix: &str) -> Option<usize> {
    let below: Vec<&str> = suffix.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let begun = prefix.rsplit('\n').next().unwrap_or_default();
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let own = if number == 0 { format!("{begun}{line}") } else { line.to_owned() };
        let first = std::iter::once(own.trim_end());
        let mut lines =
            first.chain(text[start + line.len()..].lines().map(str::trim_end)).filter(|line| !line.is_empty());
        // A line of which the user has written a part is the user's.
        let is_new = number > 0 || begun.trim().is_empty();
        if is_new && lines.next().is_some_and(|line| Some(&line) == below.first()) {
            let alike = lines.zip(&below[1..]).all(|(own, below)| below.starts_with(own));
            let letters = below[0].chars().filter(|char| char.is_alphanumeric()).count();
            if alike || letters >= TELLING && !below[0].trim_start().starts_with('@') {
                return Some(start);
            }
        }
        start += line.len();
    }
    None
}

/// Whether a word ends between the two.
fn splits_word(before: &str, after: &str) -> bool {
    !(before.ends_with(is_of_word) && after.starts_with(is_of_word))
}

fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Whether `tail` closes a bracket or a quote that `said` has opened, so that it is not the one after the request.
fn closes_what_is_open(said: &str, tail: &str) -> bool {
    let pairs = [('(', ')'), ('[', ']'), ('{', '}')];
    let brackets = pairs.iter().any(|(open, close)| {
        let balance =
            |text: &str| text.matches(*open).count().cast_signed() - text.matches(*close).count().cast_signed();
        balance(said) > 0 && balance(tail) < 0
    });
    let quotes = ['"', '\''].iter().any(|quote| said.matches(*quote).count() % 2 == 1 && tail.starts_with(*quote));
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
    fn what_the_model_was_torn_away_from_is_left_off() {
        for (text, expected) in
            [("a = 1\nb = ca", "a = 1"), ("calc(resul", "calc("), ("\n    retur", "\n    "), ("abc", "")]
        {
            assert_eq!(drop_partial_line(text), expected.trim_end(), "{text:?}");
        }
    }
}
