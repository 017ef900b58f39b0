//! What parts of a tree are called, and what else their kinds do not tell.

use tree_sitter::Node;

use crate::tree::Role;

/// The longest name that is kept, in characters.
const LONGEST: usize = 100;

/// The text of a node on one line, cut where it is too long for a name.
fn text(node: Node<'_>, code: &str) -> String {
    let text = code.get(node.byte_range()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}

fn field(node: Node<'_>, name: &str, code: &str) -> Option<String> {
    node.child_by_field_name(name).map(|child| text(child, code))
}

/// The name of a function. `None` for one that has none, which then counts to what it is in.
pub fn function(node: Node<'_>, parent: Option<Node<'_>>, code: &str) -> Option<String> {
    let own = field(node, "name", code).or_else(|| declared(node, code));
    let given = || {
        let fields: &[&str] = match parent?.kind() {
            "variable_declarator" | "public_field_definition" => &["name"],
            "field_definition" => &["property"],
            "pair" => &["key"],
            "assignment_expression" => &["left"],
            _ => &[],
        };
        fields.iter().find_map(|name| field(parent?, name, code))
    };
    own.or_else(given).filter(|name| !name.is_empty())
}

/// The name in C, which is inside pointers and parentheses.
fn declared(node: Node<'_>, code: &str) -> Option<String> {
    let mut now = node.child_by_field_name("declarator")?;
    while let Some(inner) = now.child_by_field_name("declarator").or_else(|| reference(now)) {
        now = inner;
    }
    Some(text(now, code))
}

/// What a C++ reference refers to; its grammar has no name for that.
fn reference(node: Node<'_>) -> Option<Node<'_>> {
    (node.kind() == "reference_declarator").then(|| node.named_child(0)).flatten()
}

/// The name of a class, or of the type whose functions an `impl` holds.
pub fn class(node: Node<'_>, role: Role, code: &str) -> Option<String> {
    if role.is(Role::OWNER) {
        return field(node, "type", code).map(|name| bare(&name).to_owned());
    }
    if !role.is(Role::CLASS) {
        return None;
    }
    let complete = match node.kind() {
        "type_spec" => matches!(node.child_by_field_name("type")?.kind(), "struct_type" | "interface_type"),
        kind if kind.ends_with("_specifier") => node.child_by_field_name("body").is_some(),
        _ => true,
    };
    field(node, "name", code).filter(|_| complete)
}

/// A type's name without what it is made for.
fn bare(name: &str) -> &str {
    name.split(['<', '[']).next().unwrap_or(name).trim()
}

/// The type that a function of Go is called on, or that a function of C++ is named after.
pub fn receiver(node: Node<'_>, code: &str) -> Option<String> {
    let receiver = field(node, "receiver", code)?;
    let name = receiver.trim_matches(['(', ')', ' ']).rsplit([' ', '*']).next()?.to_owned();
    Some(bare(&name).to_owned()).filter(|name| !name.is_empty())
}

/// How many parameters a function has.
pub fn parameters(node: Node<'_>, code: &str) -> usize {
    if node.child_by_field_name("parameter").is_some() {
        return 1;
    }
    let list = node.child_by_field_name("parameters").or_else(|| {
        let mut now = node.child_by_field_name("declarator")?;
        loop {
            if let Some(list) = now.child_by_field_name("parameters") {
                return Some(list);
            }
            now = now.child_by_field_name("declarator").or_else(|| reference(now))?;
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

/// What is imported from.
pub fn imports(node: Node<'_>, code: &str) -> Vec<String> {
    let trim = |name: String| name.trim_matches(['"', '\'', '<', '>', '`']).to_owned();
    let single = ["module_name", "source", "path", "argument"].iter().find_map(|name| field(node, name, code));
    if let Some(name) = single {
        return vec![trim(name)];
    }
    if node.kind() == "future_import_statement" {
        return vec!["__future__".to_owned()];
    }
    let original = |name: Node<'_>| text(name.child_by_field_name("name").unwrap_or(name), code);
    let names: Vec<String> = node.children_by_field_name("name", &mut node.walk()).map(original).collect();
    if !names.is_empty() {
        return names;
    }
    let text = text(node, code);
    let name = text.trim_start_matches("import ").trim_start_matches("static ").trim_end_matches(';').trim();
    vec![trim(name.to_owned())]
}

/// Whether a case of a choice is one of its own: what is left for all the others is no decision.
pub fn is_a_case(node: Node<'_>, code: &str) -> bool {
    let first = node.child(0).map(|child| child.kind()).unwrap_or_default();
    let pattern = node.child_by_field_name("pattern").or_else(|| match node.kind() {
        "case_clause" => node.named_child(0),
        _ => None,
    });
    first != "default" && pattern.is_none_or(|pattern| code.get(pattern.byte_range()) != Some("_"))
}

/// Whether a loop goes as often as the code says, whatever the input.
pub fn is_constant(node: Node<'_>, code: &str) -> bool {
    let Some(over) = node.child_by_field_name("right") else { return false };
    match over.kind() {
        "list" | "tuple" | "array" => true,
        "call" => {
            let range = field(over, "function", code).is_some_and(|name| name == "range");
            let constant = |arguments: Node<'_>| {
                arguments.named_children(&mut arguments.walk()).all(|argument| argument.kind() == "integer")
            };
            range && over.child_by_field_name("arguments").is_some_and(constant)
        }
        _ => false,
    }
}

/// Whether it cannot be told how often a loop goes.
pub fn is_endless(node: Node<'_>) -> bool {
    let kind = node.kind();
    // Go has one word for every loop, and writes it without parentheses.
    let go = || {
        kind == "for_statement"
            && node.child_by_field_name("left").is_none()
            && node.child(1).is_some_and(|next| next.kind() != "(")
    };
    let counted = || node.named_children(&mut node.walk()).any(|child| child.kind().ends_with("_clause"));
    kind.starts_with("while") || kind.starts_with("loop") || kind.starts_with("do_") || go() && !counted()
}

/// Whether a call is one of the function `name` of `owner` itself.
pub fn is_call_of(node: Node<'_>, name: &str, owner: Option<&str>, code: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    if node.kind() == "method_invocation" {
        let object = field(node, "object", code);
        return field(node, "name", code).as_deref() == Some(name) && object.is_none_or(|object| object == "this");
    }
    let Some(called) = field(node, "function", code) else { return false };
    let rest = ["self.", "cls.", "this.", "Self::", "this->"].iter().find_map(|prefix| called.strip_prefix(prefix));
    let owned = || Some(called.strip_prefix(owner?)?.trim_start_matches([':', '.']) == name);
    called == name || rest == Some(name) || owned() == Some(true)
}
