//! Finds where a completion stops: at the end of the line, or of the block that the cursor is in.

/// The stop condition of a completion.
#[derive(Debug, Clone)]
pub struct CompletionStop {
    multiline: bool,
    /// Indentation of the cursor's line, in columns.
    indent: usize,
}

impl CompletionStop {
    /// The stop condition for a completion after `prefix`.
    #[must_use]
    pub fn new(prefix: &str, multiline: bool) -> Self {
        let line = prefix.rsplit('\n').next().unwrap_or_default();
        Self { multiline, indent: indent(line) }
    }

    /// The length in bytes at which `text`, as generated so far, is to be cut. `None` while it may continue.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<usize> {
        let mut start = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let is_complete = line.ends_with('\n');
            let blank = line.trim().is_empty();
            if number > 0 && !blank && self.dedents(line, is_complete) {
                return Some(text[..start].trim_end().len());
            }
            if !self.multiline && is_complete && !text[..start + line.len()].trim().is_empty() {
                return Some(text[..start + line.len()].trim_end().len());
            }
            start += line.len();
            if number > 0 && is_complete && !blank && indent(line) <= self.indent && closes_bracket(line) {
                return Some(text[..start].trim_end().len());
            }
        }
        None
    }

    /// Whether a line is outside the block: it is indented no further than the cursor's line, and neither closes a
    /// bracket nor continues the same statement.
    fn dedents(&self, line: &str, is_complete: bool) -> bool {
        if indent(line) > self.indent || closes_bracket(line) {
            return false;
        }
        let word = line.trim_start();
        let continuations = ["else", "elif", "except", "finally", "catch", "case", "default"];
        // A partial word may become one of these.
        !continuations.iter().any(|other| word.starts_with(other) || (!is_complete && other.starts_with(word)))
    }
}

fn closes_bracket(line: &str) -> bool {
    line.trim_start().starts_with(['}', ')', ']'])
}

fn indent(line: &str) -> usize {
    line.chars().take_while(|character| character.is_whitespace() && *character != '\n').count()
}

/// The white space before the cursor, where there is nothing else on its line.
///
/// Models continue from the end of a line better than from inside its indentation, so the model generates the
/// indentation itself.
#[must_use]
pub fn open_indent(prefix: &str) -> &str {
    let line = &prefix[prefix.rfind('\n').map_or(0, |newline| newline + 1)..];
    if prefix.contains('\n') && line.chars().all(|character| matches!(character, ' ' | '\t')) { line } else { "" }
}

/// `text` without the indentation that is before the cursor already.
#[must_use]
pub fn after_indent<'a>(text: &'a str, indent: &str) -> &'a str {
    let common = text.bytes().zip(indent.bytes()).take_while(|(a, b)| a == b).count();
    &text[common..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(prefix: &str, multiline: bool, text: &str) -> String {
        let end = CompletionStop::new(prefix, multiline).find(text).unwrap_or(text.len());
        text[..end].to_owned()
    }

    #[test]
    fn a_block_ends_where_the_code_is_no_further_indented() {
        for (prefix, text, expected) in [
            (
                "def fibonacci(",
                "n):\n    if n <= 1:\n        return n\n    return fibonacci(n-1)\n\nprint(fibonacci(5))\n",
                "n):\n    if n <= 1:\n        return n\n    return fibonacci(n-1)",
            ),
            ("x = ", "1\ny = 2\n", "1"),
            // The cursor's line is empty: all indented lines belong to the block.
            ("for a in b:\n", "    print(a)\n    c()\nd()\n", "    print(a)\n    c()"),
            ("if a:\n    b()\n", "else:\n    c()\nd()\n", "else:\n    c()"),
            ("    value = [", "\n        1,\n    ]\n    return", "\n        1,\n    ]"),
            ("fn f() {", "\n    g();\n}\n\nfn h() {", "\n    g();\n}"),
            ("try:\n    a()\n", "except E:\n    b()\n\nc()", "except E:\n    b()"),
        ] {
            assert_eq!(cut(prefix, true, text), expected, "{prefix:?}");
        }
    }

    #[test]
    fn one_line_ends_with_the_line() {
        assert_eq!(cut("x = ", false, "1 + 2\ny = 3"), "1 + 2");
        assert_eq!(cut("if a:", false, "\n    b()\n    c()"), "\n    b()");
        assert_eq!(CompletionStop::new("x = ", false).find("1 + 2"), None, "the line may continue");
    }

    #[test]
    fn a_partial_word_that_may_become_else_does_not_stop() {
        let stop = CompletionStop::new("if a:\n    b()\n", true);
        assert_eq!(stop.find("c()\ne"), None);
        assert_eq!(stop.find("c()\nend = 1\n"), Some(3));
    }

    #[test]
    fn existing_indentation_is_not_inserted_again() {
        for (prefix, text, expected) in [
            ("def f():\n    ", "    return 1", "return 1"),
            ("def f():\n    ", "return 1", "return 1"),
            ("def f():\n    ", "        return 1", "    return 1"),
            ("def f():\n\t", "\treturn 1", "return 1"),
            ("    ", "    x", "    x"),
            ("x = ", " 1", " 1"),
        ] {
            assert_eq!(after_indent(text, open_indent(prefix)), expected, "{prefix:?}");
        }
    }
}
