//! Describes a completion for the suggestion list of an editor: category, complexity and label.

mod category;

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::language::Language;
use crate::scope::enclosing_scopes;
use crate::tree::{self, Grammar, Role, Tree, WalkEvent, walk};
pub use category::CompletionCategory;
use category::{category_from_text, category_from_tree};

/// The description of a completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CompletionDescription {
    /// The kind of symbol or statement that it inserts or continues.
    pub category: CompletionCategory,
    /// Its size class.
    pub complexity: CompletionComplexity,
    /// Short label, such as `fibonacci(n)`; at most 60 characters, never empty.
    pub label: String,
}

/// Size class of a completion, by its non-blank lines and decision points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Complexity)]
pub enum CompletionComplexity {
    /// At most 5 lines and 2 decision points.
    Simple,
    /// At most 20 lines and 6 decision points.
    Moderate,
    /// Anything larger.
    Complex,
}

/// Bytes directly before the cursor that are parsed in full. Of the text above, only the lines that open the enclosing scopes are
/// parsed.
const MAX_BYTES_BEFORE: usize = 800;

/// Bytes of the completion that are parsed. Together with [`MAX_BYTES_BEFORE`] this is little enough for tree-sitter to be fast,
/// and for its recursion on hostile text to fit the stack of an ordinary thread.
const MAX_INSERTED_BYTES: usize = 1_000;

/// Maximum length of a label, in characters.
const MAX_LABEL_CHARS: usize = 60;

/// Time limit for parsing with tree-sitter.
const PARSE_TIMEOUT: Duration = Duration::from_millis(50);

/// Describes the completion `code` at the cursor after `before`. Both may be incomplete.
///
/// Takes a fraction of a millisecond for fifty lines; never panics.
#[must_use]
pub fn describe_completion(code: &str, language: &str, before: &str) -> CompletionDescription {
    let before = context_before(before);
    let text = format!("{before}{}", &code[..code.floor_char_boundary(MAX_INSERTED_BYTES)]);
    let leading_whitespace = code.len() - code.trim_start().len();
    let start = text.len().min(before.len() + leading_whitespace);
    // The line that the completion continues, from its first word.
    let line_start = text[..start].rfind('\n').map_or(0, |end| end + 1);
    let head = text[line_start..].lines().next().unwrap_or_default().trim();
    let tree = Language::from_name(language)
        .and_then(|language| Some((language, tree::parse(language, &text, PARSE_TIMEOUT)?)));
    let found = tree
        .as_ref()
        .and_then(|(language, tree)| category_from_tree(tree, Grammar::of(*language), &text, line_start, start));
    let decision_points = match &tree {
        Some((language, tree)) => decision_points(tree, Grammar::of(*language), start),
        None => 0,
    };
    CompletionDescription {
        category: found.unwrap_or_else(|| category_from_text(head, &text[..line_start], &text[line_start..start])),
        complexity: complexity(code, decision_points),
        label: label(head, code),
    }
}

/// The end of the text before the cursor, preceded by the lines that open its enclosing scopes, such as class and function.
fn context_before(before: &str) -> String {
    let cut = before.ceil_char_boundary(before.len().saturating_sub(MAX_BYTES_BEFORE));
    let start = if cut == 0 { 0 } else { before[cut..].find('\n').map_or(cut, |end| cut + end + 1) };
    let (above, end) = before.split_at(start);
    enclosing_scopes(above, end).into_iter().flat_map(|line| [line, "\n"]).chain([end]).collect()
}

/// Number of decision points from byte offset `start` on.
fn decision_points(tree: &Tree, grammar: &Grammar, start: usize) -> usize {
    let branch_points = Role::LOOP.or(Role::INLINE_LOOP).or(Role::BRANCH).or(Role::DECISION);
    let mut count = 0;
    walk(tree, |event| {
        let WalkEvent::Enter(node) = event else { return false };
        count += usize::from(node.start_byte() >= start && grammar.role(node).has_any(branch_points));
        node.end_byte() > start
    });
    count
}

fn complexity(code: &str, decision_points: usize) -> CompletionComplexity {
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    if lines <= 5 && decision_points <= 2 {
        CompletionComplexity::Simple
    } else if lines <= 20 && decision_points <= 6 {
        CompletionComplexity::Moderate
    } else {
        CompletionComplexity::Complex
    }
}

/// The line that the completion continues, or its own first line if that is empty, without trailing punctuation.
fn label(head: &str, code: &str) -> String {
    let first = code.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = if head.is_empty() { first } else { head };
    let trimmed = line.trim_end_matches([':', '{', ';', ' ', ',']);
    let shown = if trimmed.is_empty() { line } else { trimmed };
    match shown.chars().count() {
        0 => "…".to_owned(),
        length if length > MAX_LABEL_CHARS => shown.chars().take(MAX_LABEL_CHARS - 1).chain(['…']).collect(),
        _ => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A class that starts further above the cursor than `MAX_BYTES_BEFORE`.
    const FAR_ABOVE: &str = concat!(
        "class A:\n    def a(self):\n",
        "        first = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        second = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        third = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        fourth = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        fifth = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        sixth = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        seventh = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        eighth = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        ninth = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        tenth = 'this line is here to be long and to be in between, as lines of code are'\n",
        "        return first\n\n    ",
    );

    #[test]
    fn the_category_follows_from_the_code_and_the_cursor_position() {
        use CompletionCategory::{Class, Function, Import, Keyword, Method, Property, Variable};
        for (language, before, code, expected) in [
            (
                "python",
                "def fibonacci(",
                "n):\n    if n <= 1:\n        return n\n    return fibonacci(n-1) + fibonacci(n-2)",
                Function,
            ),
            ("python", "def fibonacci(", "n", Function),
            ("python", "class Stack:\n    def push(", "self, item):\n        self.items.append(item)", Method),
            ("python", "class Stack:\n    def push(self, item):\n        ", "self.items.append(item)", Method),
            ("python", "class Stack:\n    def push(self, item):\n        self.", "items.append(item)", Property),
            ("python", "class Stack:\n    def push(self, item):\n        self.items.", "append(item)", Method),
            ("python", "class Stack", ":\n    pass", Class),
            ("python", "", "class Stack:\n    pass", Class),
            ("python", "import ", "numpy as np", Import),
            ("python", "from os import ", "path", Import),
            ("python", "def f(x):\n    ", "return x + 1", Keyword),
            ("python", "def f(x):\n    return ", "x + 1", Keyword),
            ("python", "def f(x):", "\n    return x", Keyword),
            ("python", "x = ", "[1, 2, 3]", Variable),
            ("python", "for i in ", "range(10):\n    print(i)", Keyword),
            ("python", "def f():\n    pass\n\n", "print('안녕')", Function),
            ("python", "이름", " = '값'", Variable),
            ("javascript", "function add(", "a, b) {\n  return a + b;\n}", Function),
            ("javascript", "const add = ", "(a, b) => a + b;", Variable),
            ("typescript", "class A {\n  ", "area(): number { return 1; }\n}", Method),
            ("java", "import ", "java.util.List;", Import),
            ("go", "func add(", "a int, b int) int {\n\treturn a + b\n}", Function),
            ("rust", "fn add(", "a: i32, b: i32) -> i32 {\n    a + b\n}", Function),
            ("rust", "impl A {\n    fn add(", "&self) -> i32 {\n        1\n    }\n}", Method),
            ("c", "#include ", "<stdio.h>\n", Import),
            ("cpp", "class A", " {\n public:\n  int x;\n};", Class),
            ("python", FAR_ABOVE, "def b(self):\n        pass", Method),
            ("sql", "", "SELECT * FROM users", Keyword),
            ("bash", "", "x=1", Variable),
        ] {
            let description = describe_completion(code, language, before);
            assert_eq!(description.category, expected, "{language}: {before:?} + {code:?}: {description:?}");
        }
    }

    #[test]
    fn a_label_is_the_line_that_the_completion_continues() {
        for (before, code, label) in [
            ("def fibonacci(", "n):\n    return n", "def fibonacci(n)"),
            ("x = 1\n", "", "…"),
            ("", "\n\n  y = 2", "y = 2"),
            ("", "가".repeat(80).as_str(), format!("{}…", "가".repeat(59)).as_str()),
        ] {
            assert_eq!(describe_completion(code, "python", before).label, label);
        }
    }

    #[test]
    fn complexity_counts_lines_and_decision_points() {
        let branches = |count: usize| "if x:\n    y()\n".repeat(count);
        for (code, expected) in [
            ("x = 1".to_owned(), CompletionComplexity::Simple),
            (branches(2), CompletionComplexity::Simple),
            (branches(3), CompletionComplexity::Moderate),
            (branches(10), CompletionComplexity::Complex),
            ("x = 1\n".repeat(21), CompletionComplexity::Complex),
        ] {
            assert_eq!(describe_completion(&code, "python", "").complexity, expected, "{code}");
        }
    }
}
