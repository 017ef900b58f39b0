//! Syntax errors of a tree-sitter tree as diagnostics.

use tree_sitter::{Node, Tree};

use super::{WalkEvent, walk};
use crate::diagnostic::{Diagnostic, Severity};
use crate::line_index::LineIndex;
use crate::locale::Locale;

/// Maximum number of syntax errors; further ones add no information.
const MAX_ERRORS: usize = 100;

/// Code quoted in a message is truncated to this number of characters.
const MAX_QUOTED_CHARS: usize = 40;

/// The syntax errors of a tree in source order, at most [`MAX_ERRORS`]: missing tokens and unexpected code.
///
/// Of nested errors only the outermost is reported, unless it covers the whole file. An error over several lines is reported on
/// its first.
pub(crate) fn syntax_errors(tree: &Tree, code: &str, locale: Locale) -> Vec<Diagnostic> {
    let lines = &LineIndex::new(code);
    let mut errors = Vec::new();
    walk(tree, |event| {
        let WalkEvent::Enter(node) = event else { return false };
        if errors.len() == MAX_ERRORS || !node.has_error() {
            return false;
        }
        if node.is_missing() {
            errors.push(missing_token(lines, node, locale));
            return false;
        }
        if node.is_error() && !(node == tree.root_node() && has_nested_error(node)) {
            errors.push(unexpected_code(lines, node, code, locale));
            return false;
        }
        true
    });
    errors
}

fn has_nested_error(node: Node<'_>) -> bool {
    node.children(&mut node.walk()).any(|child| child.has_error())
}

fn missing_token(lines: &LineIndex<'_>, node: Node<'_>, locale: Locale) -> Diagnostic {
    let token = node.kind();
    let message = locale.translate(format!("여기에 `{token}`이(가) 필요합니다"), format!("missing `{token}`"));
    lines.diagnostic(node.byte_range(), "invalid-syntax", message, Severity::Error)
}

fn unexpected_code(lines: &LineIndex<'_>, node: Node<'_>, code: &str, locale: Locale) -> Diagnostic {
    let range = node.byte_range();
    let text = code.get(range.clone()).unwrap_or_default();
    let leading_whitespace = text.len() - text.trim_start().len();
    let first_line = text.trim_start().lines().next().unwrap_or_default().trim_end();
    let start = range.start + leading_whitespace;
    let quoted: String = first_line.chars().take(MAX_QUOTED_CHARS).collect();
    let message = if quoted.is_empty() {
        locale.translate("코드가 중간에 끝났습니다", "unexpected end of code")
    } else {
        locale.translate(format!("구문 오류: `{quoted}`"), format!("syntax error at `{quoted}`"))
    };
    lines.diagnostic(start..start + first_line.len(), "invalid-syntax", message, Severity::Error)
}
