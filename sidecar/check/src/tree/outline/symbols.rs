//! Names of symbols in a tree, and properties of nodes that do not follow from their kind.

use tree_sitter::Node;

use crate::tree::Role;

/// Names are truncated to this number of characters.
const MAX_NAME_CHARS: usize = 100;

/// The text of a node with whitespace collapsed, truncated to [`MAX_NAME_CHARS`].
fn node_text(node: Node<'_>, code: &str) -> String {
    let text = code.get(node.byte_range()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_NAME_CHARS).collect()
}

fn field_text(node: Node<'_>, name: &str, code: &str) -> Option<String> {
    node.child_by_field_name(name).map(|child| node_text(child, code))
}

/// The name of a function. `None` for an anonymous one, which is counted as part of its enclosing function.
pub(crate) fn function_name(node: Node<'_>, parent: Option<Node<'_>>, code: &str) -> Option<String> {
    let own = field_text(node, "name", code).or_else(|| declarator_name(node, code));
    let assigned = || {
        let fields: &[&str] = match parent?.kind() {
            "variable_declarator" | "public_field_definition" => &["name"],
            "field_definition" => &["property"],
            "pair" => &["key"],
            "assignment_expression" => &["left"],
            _ => &[],
        };
        fields.iter().find_map(|name| field_text(parent?, name, code))
    };
    own.or_else(assigned).filter(|name| !name.is_empty())
}

/// The name in a C declarator, nested in pointers and parentheses.
fn declarator_name(node: Node<'_>, code: &str) -> Option<String> {
    let mut current = node.child_by_field_name("declarator")?;
    while let Some(inner) = current.child_by_field_name("declarator").or_else(|| referenced_declarator(current)) {
        current = inner;
    }
    Some(node_text(current, code))
}

/// The declarator inside a C++ reference declarator; the grammar has no field for it.
fn referenced_declarator(node: Node<'_>) -> Option<Node<'_>> {
    (node.kind() == "reference_declarator").then(|| node.named_child(0)).flatten()
}

/// The name of a class, or of the type of an `impl` block.
pub(crate) fn class_name(node: Node<'_>, role: Role, code: &str) -> Option<String> {
    if role.has_any(Role::IMPL) {
        return field_text(node, "type", code).map(|name| without_generics(&name).to_owned());
    }
    if !role.has_any(Role::CLASS) {
        return None;
    }
    let complete = match node.kind() {
        "type_spec" => matches!(node.child_by_field_name("type")?.kind(), "struct_type" | "interface_type"),
        kind if kind.ends_with("_specifier") => node.child_by_field_name("body").is_some(),
        _ => true,
    };
    field_text(node, "name", code).filter(|_| complete)
}

/// A type name without its generic arguments.
fn without_generics(name: &str) -> &str {
    name.split(['<', '[']).next().unwrap_or(name).trim()
}

/// The receiver type of a Go method.
pub(crate) fn receiver_type(node: Node<'_>, code: &str) -> Option<String> {
    let receiver = field_text(node, "receiver", code)?;
    let name = receiver.trim_matches(['(', ')', ' ']).rsplit([' ', '*']).next()?.to_owned();
    Some(without_generics(&name).to_owned()).filter(|name| !name.is_empty())
}

/// Number of parameters of a function.
pub(crate) fn parameter_count(node: Node<'_>, code: &str) -> usize {
    if node.child_by_field_name("parameter").is_some() {
        return 1;
    }
    let list = node.child_by_field_name("parameters").or_else(|| {
        let mut current = node.child_by_field_name("declarator")?;
        loop {
            if let Some(list) = current.child_by_field_name("parameters") {
                return Some(list);
            }
            current = current.child_by_field_name("declarator").or_else(|| referenced_declarator(current))?;
        }
    });
    let Some(list) = list else { return 0 };
    let count = |child: Node<'_>| match child.kind() {
        "comment"
        | "line_comment"
        | "block_comment"
        | "attribute_item"
        | "keyword_separator"
        | "positional_separator" => 0,
        "parameter_declaration" if code.get(child.byte_range()) == Some("void") => 0,
        "parameter_declaration" => child.children_by_field_name("name", &mut child.walk()).count().max(1),
        _ => 1,
    };
    list.named_children(&mut list.walk()).map(count).sum()
}

/// The modules that an import statement names.
pub(crate) fn imported_modules(node: Node<'_>, code: &str) -> Vec<String> {
    let trim = |name: String| name.trim_matches(['"', '\'', '<', '>', '`']).to_owned();
    let single = ["module_name", "source", "path", "argument"].iter().find_map(|name| field_text(node, name, code));
    if let Some(name) = single {
        return vec![trim(name)];
    }
    if node.kind() == "future_import_statement" {
        return vec!["__future__".to_owned()];
    }
    let original = |name: Node<'_>| node_text(name.child_by_field_name("name").unwrap_or(name), code);
    let names: Vec<String> = node.children_by_field_name("name", &mut node.walk()).map(original).collect();
    if !names.is_empty() {
        return names;
    }
    let text = node_text(node, code);
    let name = text.trim_start_matches("import ").trim_start_matches("static ").trim_end_matches(';').trim();
    vec![trim(name.to_owned())]
}

/// Whether a switch case or match arm is a decision point: the default case is not.
pub(crate) fn is_explicit_case(node: Node<'_>, code: &str) -> bool {
    let first = node.child(0).map(|child| child.kind()).unwrap_or_default();
    let pattern = node.child_by_field_name("pattern").or_else(|| match node.kind() {
        "case_clause" => node.named_child(0),
        _ => None,
    });
    first != "default" && pattern.is_none_or(|pattern| code.get(pattern.byte_range()) != Some("_"))
}

/// Whether the iteration count of a loop is constant, whatever the input.
pub(crate) fn is_constant_loop(node: Node<'_>, code: &str) -> bool {
    let Some(over) = node.child_by_field_name("right") else { return false };
    match over.kind() {
        "list" | "tuple" | "array" => true,
        "call" => {
            let range = field_text(over, "function", code).is_some_and(|name| name == "range");
            let constant = |arguments: Node<'_>| {
                arguments.named_children(&mut arguments.walk()).all(|argument| argument.kind() == "integer")
            };
            range && over.child_by_field_name("arguments").is_some_and(constant)
        }
        _ => false,
    }
}

/// Whether the iteration count of a loop is unknown, as for `while`.
pub(crate) fn is_unbounded_loop(node: Node<'_>) -> bool {
    let kind = node.kind();
    // Go uses `for` for every loop, without parentheses.
    let go = || {
        kind == "for_statement"
            && node.child_by_field_name("left").is_none()
            && node.child(1).is_some_and(|next| next.kind() != "(")
    };
    let counted = || node.named_children(&mut node.walk()).any(|child| child.kind().ends_with("_clause"));
    kind.starts_with("while") || kind.starts_with("loop") || kind.starts_with("do_") || go() && !counted()
}

/// Whether a call refers to the function `name` of `owner`, i.e. is recursive.
pub(crate) fn is_call_of(node: Node<'_>, name: &str, owner: Option<&str>, code: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    if node.kind() == "method_invocation" {
        let object = field_text(node, "object", code);
        return field_text(node, "name", code).as_deref() == Some(name) && object.is_none_or(|object| object == "this");
    }
    let Some(called) = field_text(node, "function", code) else { return false };
    let rest = ["self.", "cls.", "this.", "Self::", "this->"].iter().find_map(|prefix| called.strip_prefix(prefix));
    let owned = || Some(called.strip_prefix(owner?)?.trim_start_matches([':', '.']) == name);
    called == name || rest == Some(name) || owned() == Some(true)
}
