//! Describing a completion: what kind of thing it inserts, how involved it is, and a name for it.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::language::Language;
use crate::scope::enclosing_scopes;
use crate::tree::{self, Grammar, Role, Step, Tree, walk};

/// What there is to say about an inserted piece of code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CompletionDescription {
    /// What kind of thing it is part of or makes.
    pub category: CompletionCategory,
    /// How involved it is.
    pub complexity: CompletionComplexity,
    /// A short name, such as `fibonacci(n)`; at most 60 characters, never empty.
    pub label: String,
}

/// What a completion makes or goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Category)]
pub enum CompletionCategory {
    /// A function, or a call of one.
    Function,
    /// A class, or what another language has in its place.
    Class,
    /// A value under a name, or an expression.
    Variable,
    /// Something imported.
    Import,
    /// A function in a class, or a call of one on an object.
    Method,
    /// A value of an object.
    Property,
    /// A statement that begins with a word of the language: `return`, `if`, `for`.
    Keyword,
}

/// How involved a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Complexity)]
pub enum CompletionComplexity {
    /// At most five lines, and the way parts at most twice.
    Simple,
    /// At most twenty lines, and the way parts at most six times.
    Moderate,
    /// More than that.
    Complex,
}

/// So much of the text before the cursor is read whole, in bytes. Of what is above it, only the lines that it is inside of.
const BEFORE: usize = 800;

/// So much of the inserted text is read for its category, in bytes. All together is little enough for tree-sitter to be quick, and
/// for the stack of an ordinary thread, in which it goes as deep as hostile text is long.
const INSERTED: usize = 1_000;

/// The longest label, in characters.
const LABEL: usize = 60;

/// How long tree-sitter may read.
const PATIENCE: Duration = Duration::from_millis(50);

/// Describes `code`, which is to be inserted after `before`, the text before the cursor. Either may be incomplete.
/// A fraction of a millisecond for fifty lines; never panics.
#[must_use]
pub fn describe_completion(code: &str, language: &str, before: &str) -> CompletionDescription {
    let before = tail(before);
    let text = format!("{before}{}", &code[..code.floor_char_boundary(INSERTED)]);
    let blank = code.len() - code.trim_start().len();
    let start = text.len().min(before.len() + blank);
    // The line that is gone on with, from its first word.
    let line_start = text[..start].rfind('\n').map_or(0, |end| end + 1);
    let head = text[line_start..].lines().next().unwrap_or_default().trim();
    let tree =
        Language::from_name(language).and_then(|language| Some((language, tree::parse(language, &text, PATIENCE)?)));
    let found =
        tree.as_ref().and_then(|(language, tree)| by_tree(tree, Grammar::of(*language), &text, line_start, start));
    let decisions = match &tree {
        Some((language, tree)) => decisions(tree, Grammar::of(*language), start),
        None => 0,
    };
    CompletionDescription {
        category: found.unwrap_or_else(|| by_words(head, &text[..line_start], &text[line_start..start])),
        complexity: complexity(code, decisions),
        label: label(head, code),
    }
}

/// The end of the text before the cursor, below the lines above it that are indented less: the function and the class around it.
fn tail(before: &str) -> String {
    let cut = before.ceil_char_boundary(before.len().saturating_sub(BEFORE));
    let start = if cut == 0 { 0 } else { before[cut..].find('\n').map_or(cut, |end| cut + end + 1) };
    let (above, end) = before.split_at(start);
    enclosing_scopes(above, end).into_iter().flat_map(|line| [line, "\n"]).chain([end]).collect()
}

/// The category by the outermost statement on the line that is gone on with. `None` where the tree has only an error there.
fn by_tree(tree: &Tree, grammar: &Grammar, text: &str, line_start: usize, start: usize) -> Option<CompletionCategory> {
    let after_dot = text[line_start..start].trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').ends_with('.');
    let first = line_start + text[line_start..].find(|c: char| !c.is_whitespace())?;
    let (mut category, mut classes) = (None, 0_usize);
    let mut inside = Vec::new();
    walk(tree, |step| match step {
        Step::Enter(node) => {
            let role = grammar.role(node);
            let range = node.byte_range();
            if category.is_some() || range.end <= first && range.end < text.len() || range.start > start {
                inside.push(false);
                return false;
            }
            let holds = role.is(Role::CLASS.and(Role::OWNER)) && range.start < line_start;
            // A function between takes the class away.
            let breaks = role.is(Role::FUNCTION) && range.start < line_start;
            if breaks {
                classes = 0;
            }
            classes += usize::from(holds);
            inside.push(holds);
            if range.start >= line_start && !node.is_error() {
                category = of(role, node.kind(), classes > 0);
            }
            true
        }
        Step::Leave => {
            classes = classes.saturating_sub(usize::from(inside.pop().unwrap_or_default()));
            false
        }
    });
    match category {
        Some(CompletionCategory::Import) => category,
        Some(_) if after_dot => Some(member(&text[start..])),
        Some(CompletionCategory::Function) if is_call(grammar, tree, first) => Some(call(&text[first..])),
        category => category,
    }
}

/// The category of a statement with this role.
fn of(role: Role, kind: &str, in_class: bool) -> Option<CompletionCategory> {
    let keywords = Role::KEYWORD.and(Role::LOOP).and(Role::BRANCH).and(Role::NEST).and(Role::DECISION);
    Some(if role.is(Role::IMPORT) {
        CompletionCategory::Import
    } else if role.is(Role::CLASS.and(Role::OWNER)) {
        CompletionCategory::Class
    } else if role.is(Role::FUNCTION) && kind.starts_with("method") || role.is(Role::FUNCTION) && in_class {
        CompletionCategory::Method
    } else if role.is(Role::FUNCTION) {
        CompletionCategory::Function
    } else if role.is(keywords) && kind != "conditional_expression" && kind != "ternary_expression" {
        CompletionCategory::Keyword
    } else if role.is(Role::VARIABLE) {
        CompletionCategory::Variable
    } else if role.is(Role::CALL) {
        CompletionCategory::Function
    } else if role.is(Role::ATTRIBUTE) {
        CompletionCategory::Property
    } else {
        return None;
    })
}

/// Whether the statement that begins at this byte is a call and no definition.
fn is_call(grammar: &Grammar, tree: &Tree, at: usize) -> bool {
    let mut node = tree.root_node().descendant_for_byte_range(at, at + 1);
    while let Some(now) = node {
        if now.start_byte() < at {
            return false;
        }
        let role = grammar.role(now);
        if role.is(Role::FUNCTION) {
            return false;
        }
        if role.is(Role::CALL) {
            return true;
        }
        node = now.parent();
    }
    false
}

/// A call of a function, or of a method where there is a dot before the name.
fn call(text: &str) -> CompletionCategory {
    let name = text.split('(').next().unwrap_or_default();
    if name.contains(['.', ':']) { CompletionCategory::Method } else { CompletionCategory::Function }
}

/// What follows a dot: a method where it is called, otherwise a value.
fn member(rest: &str) -> CompletionCategory {
    let after = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    if after.starts_with('(') { CompletionCategory::Method } else { CompletionCategory::Property }
}

/// The category by the words of a line, where there is no tree or only an error.
fn by_words(head: &str, above: &str, begun: &str) -> CompletionCategory {
    const BEFORE_WORDS: &[&str] = &[
        "pub",
        "public",
        "private",
        "protected",
        "static",
        "final",
        "abstract",
        "async",
        "export",
        "default",
        "unsafe",
        "const",
        "override",
        "virtual",
        "inline",
        "extern",
    ];
    let mut words = head.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '#').filter(|word| !word.is_empty());
    let word = words.find(|word| !BEFORE_WORDS.contains(word)).unwrap_or_default().to_lowercase();
    let class_above = || above.lines().rev().find(|line| !line.starts_with([' ', '\t', '}', ')']) && !line.is_empty());
    match word.as_str() {
        "import" | "from" | "#include" | "use" | "using" | "require" | "package" | "source" => {
            CompletionCategory::Import
        }
        "class" | "struct" | "interface" | "enum" | "trait" | "type" | "impl" | "union" => CompletionCategory::Class,
        "def" | "fn" | "func" | "function" => {
            let indented = begun.starts_with([' ', '\t']);
            let class = class_above().is_some_and(|line| line.starts_with("class ") || line.starts_with("impl"));
            if indented && class { CompletionCategory::Method } else { CompletionCategory::Function }
        }
        "return" | "if" | "elif" | "else" | "for" | "while" | "try" | "except" | "finally" | "with" | "raise"
        | "pass" | "break" | "continue" | "yield" | "await" | "match" | "case" | "switch" | "do" | "done" | "then"
        | "fi" | "throw" | "catch" | "select" | "insert" | "update" | "delete" | "create" | "alter" | "drop"
        | "where" | "join" | "order" | "group" | "having" | "assert" | "del" | "global" | "nonlocal" => {
            CompletionCategory::Keyword
        }
        _ if begun.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').ends_with('.') => {
            member(head.rsplit('.').next().unwrap_or_default())
        }
        _ if head.contains('(') && !head.split('(').next().unwrap_or_default().contains('=') => call(head),
        _ => CompletionCategory::Variable,
    }
}

/// How often the way parts after this byte.
fn decisions(tree: &Tree, grammar: &Grammar, start: usize) -> usize {
    let parts = Role::LOOP.and(Role::INLINE_LOOP).and(Role::BRANCH).and(Role::DECISION);
    let mut count = 0;
    walk(tree, |step| {
        let Step::Enter(node) = step else { return false };
        count += usize::from(node.start_byte() >= start && grammar.role(node).is(parts));
        node.end_byte() > start
    });
    count
}

fn complexity(code: &str, decisions: usize) -> CompletionComplexity {
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    if lines <= 5 && decisions <= 2 {
        CompletionComplexity::Simple
    } else if lines <= 20 && decisions <= 6 {
        CompletionComplexity::Moderate
    } else {
        CompletionComplexity::Complex
    }
}

/// The line that is gone on with, without what opens a block; the first inserted line where that is empty.
fn label(head: &str, code: &str) -> String {
    let first = code.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = if head.is_empty() { first } else { head };
    let bare = line.trim_end_matches([':', '{', ';', ' ', ',']);
    let shown = if bare.is_empty() { line } else { bare };
    match shown.chars().count() {
        0 => "…".to_owned(),
        length if length > LABEL => shown.chars().take(LABEL - 1).chain(['…']).collect(),
        _ => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A class whose first line is more than a screen above.
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
    fn the_category_follows_from_what_is_inserted_and_where() {
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
    fn a_label_is_the_line_that_is_gone_on_with() {
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
    fn complexity_counts_lines_and_where_the_way_parts() {
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
