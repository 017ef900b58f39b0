//! Classifies a completion: which kind of symbol or statement it inserts or continues.

use serde::Serialize;
use utoipa::ToSchema;

use crate::tree::{Grammar, Role, Tree, WalkEvent, walk};

/// The kind of symbol or statement that a completion inserts or continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Category)]
pub enum CompletionCategory {
    /// A function definition or call.
    Function,
    /// A class, struct, interface, trait or enum.
    Class,
    /// A variable or an expression.
    Variable,
    /// An import.
    Import,
    /// A method definition or call.
    Method,
    /// A property or field of an object.
    Property,
    /// A statement that starts with a keyword, such as `return`, `if` or `for`.
    Keyword,
}

/// The category of the outermost statement on the line that the completion continues. `None` if the tree has only an error there.
///
/// `line_start` is the byte offset of that line in `text`, `start` that of the completion's first non-blank character.
pub(super) fn category_from_tree(
    tree: &Tree,
    grammar: &Grammar,
    text: &str,
    line_start: usize,
    start: usize,
) -> Option<CompletionCategory> {
    let after_dot = text[line_start..start].trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').ends_with('.');
    let first = line_start + text[line_start..].find(|c: char| !c.is_whitespace())?;
    let (mut category, mut classes) = (None, 0_usize);
    let mut open_classes = Vec::new();
    walk(tree, |event| match event {
        WalkEvent::Enter(node) => {
            let role = grammar.role(node);
            let range = node.byte_range();
            if category.is_some() || range.end <= first && range.end < text.len() || range.start > start {
                open_classes.push(false);
                return false;
            }
            let opens_class = role.has_any(Role::CLASS.or(Role::IMPL)) && range.start < line_start;
            // A function inside a class: its body is no longer class level.
            let opens_function = role.has_any(Role::FUNCTION) && range.start < line_start;
            if opens_function {
                classes = 0;
            }
            classes += usize::from(opens_class);
            open_classes.push(opens_class);
            if range.start >= line_start && !node.is_error() {
                category = category_of_role(role, node.kind(), classes > 0);
            }
            true
        }
        WalkEvent::Leave => {
            classes = classes.saturating_sub(usize::from(open_classes.pop().unwrap_or_default()));
            false
        }
    });
    match category {
        Some(CompletionCategory::Import) => category,
        Some(_) if after_dot => Some(member_category(&text[start..])),
        Some(CompletionCategory::Function) if is_call(grammar, tree, first) => Some(call_category(&text[first..])),
        category => category,
    }
}

/// The category of a node with these roles.
fn category_of_role(role: Role, kind: &str, in_class: bool) -> Option<CompletionCategory> {
    let keywords = Role::KEYWORD.or(Role::LOOP).or(Role::BRANCH).or(Role::NESTING).or(Role::DECISION);
    Some(if role.has_any(Role::IMPORT) {
        CompletionCategory::Import
    } else if role.has_any(Role::CLASS.or(Role::IMPL)) {
        CompletionCategory::Class
    } else if role.has_any(Role::FUNCTION) && kind.starts_with("method") || role.has_any(Role::FUNCTION) && in_class {
        CompletionCategory::Method
    } else if role.has_any(Role::FUNCTION) {
        CompletionCategory::Function
    } else if role.has_any(keywords) && kind != "conditional_expression" && kind != "ternary_expression" {
        CompletionCategory::Keyword
    } else if role.has_any(Role::VARIABLE) {
        CompletionCategory::Variable
    } else if role.has_any(Role::CALL) {
        CompletionCategory::Function
    } else if role.has_any(Role::ATTRIBUTE) {
        CompletionCategory::Property
    } else {
        return None;
    })
}

/// Whether the statement at byte offset `at` is a call and not a definition.
fn is_call(grammar: &Grammar, tree: &Tree, at: usize) -> bool {
    let mut node = tree.root_node().descendant_for_byte_range(at, at + 1);
    while let Some(current) = node {
        if current.start_byte() < at {
            return false;
        }
        let role = grammar.role(current);
        if role.has_any(Role::FUNCTION) {
            return false;
        }
        if role.has_any(Role::CALL) {
            return true;
        }
        node = current.parent();
    }
    false
}

/// The category of a call: a method if the name is qualified, otherwise a function.
fn call_category(text: &str) -> CompletionCategory {
    let name = text.split('(').next().unwrap_or_default();
    if name.contains(['.', ':']) { CompletionCategory::Method } else { CompletionCategory::Function }
}

/// The category of the name after a dot: a method if it is called, otherwise a property.
fn member_category(rest: &str) -> CompletionCategory {
    let after = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    if after.starts_with('(') { CompletionCategory::Method } else { CompletionCategory::Property }
}

/// The category by the keywords of a line, for text without a tree or with only an error in it.
///
/// `head` is the line from its first word, `above` the text before the line, `line_prefix` the part of the line before the
/// completion.
pub(super) fn category_from_text(head: &str, above: &str, line_prefix: &str) -> CompletionCategory {
    const MODIFIERS: &[&str] = &[
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
    let word = words.find(|word| !MODIFIERS.contains(word)).unwrap_or_default().to_lowercase();
    let class_above = || above.lines().rev().find(|line| !line.starts_with([' ', '\t', '}', ')']) && !line.is_empty());
    match word.as_str() {
        "import" | "from" | "#include" | "use" | "using" | "require" | "package" | "source" => {
            CompletionCategory::Import
        }
        "class" | "struct" | "interface" | "enum" | "trait" | "type" | "impl" | "union" => CompletionCategory::Class,
        "def" | "fn" | "func" | "function" => {
            let indented = line_prefix.starts_with([' ', '\t']);
            let class = class_above().is_some_and(|line| line.starts_with("class ") || line.starts_with("impl"));
            if indented && class { CompletionCategory::Method } else { CompletionCategory::Function }
        }
        "return" | "if" | "elif" | "else" | "for" | "while" | "try" | "except" | "finally" | "with" | "raise"
        | "pass" | "break" | "continue" | "yield" | "await" | "match" | "case" | "switch" | "do" | "done" | "then"
        | "fi" | "throw" | "catch" | "select" | "insert" | "update" | "delete" | "create" | "alter" | "drop"
        | "where" | "join" | "order" | "group" | "having" | "assert" | "del" | "global" | "nonlocal" => {
            CompletionCategory::Keyword
        }
        _ if line_prefix.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').ends_with('.') => {
            member_category(head.rsplit('.').next().unwrap_or_default())
        }
        _ if head.contains('(') && !head.split('(').next().unwrap_or_default().contains('=') => call_category(head),
        _ => CompletionCategory::Variable,
    }
}
