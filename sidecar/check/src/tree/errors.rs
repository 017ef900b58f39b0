//! Where a tree shows that code is not well formed.

use tree_sitter::{Node, Tree};

use super::{Step, walk};
use crate::diagnostic::{Diagnostic, Severity};
use crate::locale::Locale;
use crate::position::Lines;

/// More would say nothing new.
const MOST: usize = 100;

/// Longer pieces of code are cut in messages, in characters.
const QUOTED: usize = 40;

/// The syntax errors of a tree in the order of the text, at most 100: what is missing, and what cannot be there. Of errors inside one another the
/// outermost is told, unless it is the whole text; one over several lines is shown on its first.
pub(crate) fn errors(tree: &Tree, code: &str, locale: Locale) -> Vec<Diagnostic> {
    let lines = &Lines::new(code);
    let mut found = Vec::new();
    walk(tree, |step| {
        let Step::Enter(node) = step else { return false };
        if found.len() == MOST || !node.has_error() {
            return false;
        }
        if node.is_missing() {
            found.push(missing(lines, node, locale));
            return false;
        }
        if node.is_error() && !(node == tree.root_node() && has_error_inside(node)) {
            found.push(unexpected(lines, node, code, locale));
            return false;
        }
        true
    });
    found
}

fn has_error_inside(node: Node<'_>) -> bool {
    node.children(&mut node.walk()).any(|child| child.has_error())
}

fn missing(lines: &Lines<'_>, node: Node<'_>, locale: Locale) -> Diagnostic {
    let what = node.kind();
    let message = locale.say(format!("여기에 `{what}`이(가) 필요합니다"), format!("`{what}` is missing here"));
    lines.finding(node.byte_range(), "invalid-syntax", message, Severity::Error)
}

fn unexpected(lines: &Lines<'_>, node: Node<'_>, code: &str, locale: Locale) -> Diagnostic {
    let range = node.byte_range();
    let text = code.get(range.clone()).unwrap_or_default();
    let skipped = text.len() - text.trim_start().len();
    let first_line = text.trim_start().lines().next().unwrap_or_default().trim_end();
    let start = range.start + skipped;
    let quoted: String = first_line.chars().take(QUOTED).collect();
    let message = if quoted.is_empty() {
        locale.say("코드가 끝나지 않았습니다", "the code ends too early")
    } else {
        locale.say(format!("구문 오류: `{quoted}`"), format!("syntax error at `{quoted}`"))
    };
    lines.finding(start..start + first_line.len(), "invalid-syntax", message, Severity::Error)
}
