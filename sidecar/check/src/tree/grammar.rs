//! Maps node kinds of each tree-sitter grammar to language-independent roles: one table per grammar.

use std::sync::LazyLock;

use tree_sitter::Node;

use crate::language::Language;

/// The roles of a node kind, as a bit set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role(u16);

impl Role {
    /// A function or method with a body.
    pub(crate) const FUNCTION: Self = Self(1);
    /// A class, struct, interface, trait or enum.
    pub(crate) const CLASS: Self = Self(1 << 1);
    /// An import.
    pub(crate) const IMPORT: Self = Self(1 << 2);
    /// A loop: a decision point that adds a nesting level.
    pub(crate) const LOOP: Self = Self(1 << 3);
    /// A loop inside an expression, as in a comprehension: a decision point.
    pub(crate) const INLINE_LOOP: Self = Self(1 << 4);
    /// A branch: a decision point that adds a nesting level.
    pub(crate) const BRANCH: Self = Self(1 << 5);
    /// A decision point that adds no nesting level.
    pub(crate) const DECISION: Self = Self(1 << 6);
    /// A block that adds a nesting level without being a decision point.
    pub(crate) const NESTING: Self = Self(1 << 7);
    /// A comment.
    pub(crate) const COMMENT: Self = Self(1 << 8);
    /// A function call.
    pub(crate) const CALL: Self = Self(1 << 9);
    /// A statement that starts with a keyword.
    pub(crate) const KEYWORD: Self = Self(1 << 10);
    /// An assignment or a variable declaration.
    pub(crate) const VARIABLE: Self = Self(1 << 11);
    /// A field or member access, or a field declaration.
    pub(crate) const ATTRIBUTE: Self = Self(1 << 12);
    /// A block with methods of a class that is defined outside of it, such as `impl`.
    pub(crate) const IMPL: Self = Self(1 << 13);

    /// Whether it contains any of `roles`.
    pub(crate) fn has_any(self, roles: Self) -> bool {
        self.0 & roles.0 != 0
    }

    /// The union of both sets.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A tree-sitter grammar with the roles of its node kinds.
pub(crate) struct Grammar {
    pub language: tree_sitter::Language,
    roles: Vec<Role>,
}

impl Grammar {
    /// The grammar of a language, initialised on first use.
    pub(crate) fn of(language: Language) -> &'static Self {
        static PYTHON: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(tree_sitter_python::LANGUAGE, PYTHON_ROLES));
        static JAVASCRIPT: LazyLock<Grammar> =
            LazyLock::new(|| Grammar::new(tree_sitter_javascript::LANGUAGE, SCRIPT_ROLES));
        static TYPESCRIPT: LazyLock<Grammar> =
            LazyLock::new(|| Grammar::new(tree_sitter_typescript::LANGUAGE_TYPESCRIPT, SCRIPT_ROLES));
        static TSX: LazyLock<Grammar> =
            LazyLock::new(|| Grammar::new(tree_sitter_typescript::LANGUAGE_TSX, SCRIPT_ROLES));
        static JAVA: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(tree_sitter_java::LANGUAGE, JAVA_ROLES));
        static GO: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(tree_sitter_go::LANGUAGE, GO_ROLES));
        static RUST: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(tree_sitter_rust::LANGUAGE, RUST_ROLES));
        static C: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(tree_sitter_c::LANGUAGE, C_ROLES));
        static CPP: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(tree_sitter_cpp::LANGUAGE, C_ROLES));
        match language {
            Language::Python => &PYTHON,
            Language::JavaScript => &JAVASCRIPT,
            Language::TypeScript => &TYPESCRIPT,
            Language::Tsx => &TSX,
            Language::Java => &JAVA,
            Language::Go => &GO,
            Language::Rust => &RUST,
            Language::C => &C,
            Language::Cpp => &CPP,
        }
    }

    fn new(language: impl Into<tree_sitter::Language>, table: &[(Role, &[&str])]) -> Self {
        let language = language.into();
        let role = |id: usize| {
            let id = u16::try_from(id).expect("node kind ids are u16");
            let kind = language.node_kind_for_id(id).filter(|_| language.node_kind_is_named(id)).unwrap_or_default();
            let matching = table.iter().filter(|(_, kinds)| kinds.contains(&kind));
            matching.fold(Role(0), |roles, (role, _)| roles.or(*role))
        };
        let roles = (0..language.node_kind_count()).map(role).collect();
        Self { language, roles }
    }

    /// The roles of a node.
    pub(crate) fn role(&self, node: Node<'_>) -> Role {
        self.roles.get(usize::from(node.kind_id())).copied().unwrap_or(Role(0))
    }
}

type Roles = &'static [(Role, &'static [&'static str])];

const PYTHON_ROLES: Roles = &[
    (Role::FUNCTION, &["function_definition"]),
    (Role::CLASS, &["class_definition"]),
    (Role::IMPORT, &["import_statement", "import_from_statement", "future_import_statement"]),
    (Role::LOOP, &["for_statement", "while_statement"]),
    (Role::INLINE_LOOP, &["for_in_clause"]),
    (Role::BRANCH, &["if_statement"]),
    (Role::DECISION, &["elif_clause", "conditional_expression", "if_clause", "except_clause", "case_clause"]),
    (Role::NESTING, &["try_statement", "with_statement", "match_statement"]),
    (Role::COMMENT, &["comment"]),
    (Role::CALL, &["call"]),
    (
        Role::KEYWORD,
        &[
            "return_statement",
            "raise_statement",
            "pass_statement",
            "break_statement",
            "continue_statement",
            "assert_statement",
            "delete_statement",
            "global_statement",
            "nonlocal_statement",
            "yield",
            "await",
            "else_clause",
            "finally_clause",
        ],
    ),
    (Role::VARIABLE, &["assignment", "augmented_assignment", "named_expression"]),
    (Role::ATTRIBUTE, &["attribute"]),
];

const SCRIPT_ROLES: Roles = &[
    (
        Role::FUNCTION,
        &[
            "function_declaration",
            "function_expression",
            "generator_function",
            "generator_function_declaration",
            "arrow_function",
            "method_definition",
        ],
    ),
    (
        Role::CLASS,
        &["class_declaration", "class", "abstract_class_declaration", "interface_declaration", "enum_declaration"],
    ),
    (Role::IMPORT, &["import_statement"]),
    (Role::LOOP, &["for_statement", "for_in_statement", "while_statement", "do_statement"]),
    (Role::BRANCH, &["if_statement"]),
    (Role::DECISION, &["switch_case", "ternary_expression", "catch_clause"]),
    (Role::NESTING, &["try_statement", "switch_statement"]),
    (Role::COMMENT, &["comment", "html_comment"]),
    (Role::CALL, &["call_expression"]),
    (
        Role::KEYWORD,
        &[
            "return_statement",
            "throw_statement",
            "break_statement",
            "continue_statement",
            "else_clause",
            "finally_clause",
            "yield_expression",
            "await_expression",
        ],
    ),
    (
        Role::VARIABLE,
        &[
            "lexical_declaration",
            "variable_declaration",
            "assignment_expression",
            "augmented_assignment_expression",
            "type_alias_declaration",
        ],
    ),
    (Role::ATTRIBUTE, &["member_expression", "public_field_definition", "field_definition", "property_signature"]),
];

const JAVA_ROLES: Roles = &[
    (Role::FUNCTION, &["method_declaration", "constructor_declaration", "compact_constructor_declaration"]),
    (Role::CLASS, &["class_declaration", "interface_declaration", "enum_declaration", "record_declaration"]),
    (Role::IMPORT, &["import_declaration"]),
    (Role::LOOP, &["for_statement", "enhanced_for_statement", "while_statement", "do_statement"]),
    (Role::BRANCH, &["if_statement"]),
    (Role::DECISION, &["switch_label", "ternary_expression", "catch_clause"]),
    (Role::NESTING, &["try_statement", "try_with_resources_statement", "switch_expression"]),
    (Role::COMMENT, &["line_comment", "block_comment"]),
    (Role::CALL, &["method_invocation", "object_creation_expression"]),
    (
        Role::KEYWORD,
        &[
            "return_statement",
            "throw_statement",
            "break_statement",
            "continue_statement",
            "finally_clause",
            "assert_statement",
            "yield_statement",
            "package_declaration",
        ],
    ),
    (Role::VARIABLE, &["local_variable_declaration", "assignment_expression"]),
    (Role::ATTRIBUTE, &["field_access", "field_declaration"]),
];

const GO_ROLES: Roles = &[
    (Role::FUNCTION, &["function_declaration", "method_declaration"]),
    (Role::CLASS, &["type_spec"]),
    (Role::IMPORT, &["import_spec"]),
    (Role::LOOP, &["for_statement"]),
    (Role::BRANCH, &["if_statement"]),
    (Role::DECISION, &["expression_case", "type_case", "communication_case"]),
    (Role::NESTING, &["expression_switch_statement", "type_switch_statement", "select_statement"]),
    (Role::COMMENT, &["comment"]),
    (Role::CALL, &["call_expression"]),
    (
        Role::KEYWORD,
        &[
            "return_statement",
            "break_statement",
            "continue_statement",
            "go_statement",
            "defer_statement",
            "goto_statement",
            "package_clause",
            "fallthrough_statement",
        ],
    ),
    (Role::VARIABLE, &["short_var_declaration", "assignment_statement", "var_declaration", "const_declaration"]),
    (Role::ATTRIBUTE, &["selector_expression", "field_declaration"]),
];

const RUST_ROLES: Roles = &[
    (Role::FUNCTION, &["function_item"]),
    (Role::CLASS, &["struct_item", "enum_item", "trait_item", "union_item"]),
    (Role::IMPL, &["impl_item"]),
    (Role::IMPORT, &["use_declaration", "extern_crate_declaration"]),
    (Role::LOOP, &["for_expression", "while_expression", "loop_expression"]),
    (Role::BRANCH, &["if_expression"]),
    (Role::DECISION, &["match_arm"]),
    (Role::NESTING, &["match_expression"]),
    (Role::COMMENT, &["line_comment", "block_comment"]),
    (Role::CALL, &["call_expression", "macro_invocation"]),
    (
        Role::KEYWORD,
        &[
            "return_expression",
            "break_expression",
            "continue_expression",
            "else_clause",
            "await_expression",
            "mod_item",
        ],
    ),
    (
        Role::VARIABLE,
        &[
            "let_declaration",
            "assignment_expression",
            "compound_assignment_expr",
            "const_item",
            "static_item",
            "type_item",
        ],
    ),
    (Role::ATTRIBUTE, &["field_expression", "field_declaration"]),
];

const C_ROLES: Roles = &[
    (Role::FUNCTION, &["function_definition"]),
    (Role::CLASS, &["struct_specifier", "union_specifier", "class_specifier", "enum_specifier"]),
    (Role::IMPORT, &["preproc_include"]),
    (Role::LOOP, &["for_statement", "for_range_loop", "while_statement", "do_statement"]),
    (Role::BRANCH, &["if_statement"]),
    (Role::DECISION, &["case_statement", "conditional_expression", "catch_clause"]),
    (Role::NESTING, &["try_statement", "switch_statement"]),
    (Role::COMMENT, &["comment"]),
    (Role::CALL, &["call_expression"]),
    (
        Role::KEYWORD,
        &[
            "return_statement",
            "throw_statement",
            "break_statement",
            "continue_statement",
            "goto_statement",
            "else_clause",
            "using_declaration",
            "namespace_definition",
        ],
    ),
    (Role::VARIABLE, &["declaration", "assignment_expression", "type_definition", "alias_declaration"]),
    (Role::ATTRIBUTE, &["field_expression", "field_declaration"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_in_a_role_table_exists_in_one_of_its_grammars() {
        use Language::{C, Cpp, Go, Java, JavaScript, Python, Rust, Tsx, TypeScript};
        for (languages, table) in [
            (&[Python][..], PYTHON_ROLES),
            (&[JavaScript, TypeScript, Tsx], SCRIPT_ROLES),
            (&[Java], JAVA_ROLES),
            (&[Go], GO_ROLES),
            (&[Rust], RUST_ROLES),
            (&[C, Cpp], C_ROLES),
        ] {
            for kind in table.iter().flat_map(|(_, kinds)| kinds.iter()) {
                let known = |language: &Language| Grammar::of(*language).language.id_for_node_kind(kind, true) != 0;
                assert!(languages.iter().any(known), "`{kind}` is not a node kind of {languages:?}");
            }
        }
    }
}
