//! Size metrics of a file: lines of code, comment lines and Halstead volume.

use std::collections::HashSet;

use tree_sitter::Tree;

use super::{Grammar, Role, WalkEvent, walk};

/// Size metrics of a file.
#[derive(Debug, Default)]
pub(crate) struct SizeMetrics {
    /// Lines with code.
    pub code_lines: usize,
    /// Lines with a comment.
    pub comment_lines: usize,
    /// Halstead volume `N * log2(n)` with program length `N` (number of tokens) and vocabulary `n` (number of distinct tokens, at
    /// least 2). Source: Halstead, "Elements of Software Science", 1977.
    pub halstead_volume: f64,
}

/// Computes the size metrics of a tree. `lines` is the number of lines in `code`. Tokens are the leaves of the tree.
pub(crate) fn size_metrics(tree: &Tree, grammar: &Grammar, code: &str, lines: usize) -> SizeMetrics {
    let (mut has_code, mut has_comment) = (vec![false; lines + 1], vec![false; lines + 1]);
    let (mut length, mut vocabulary) = (0_usize, HashSet::new());
    walk(tree, |event| {
        let WalkEvent::Enter(node) = event else { return false };
        let is_comment = grammar.role(node).has_any(Role::COMMENT);
        if !is_comment && node.child_count() > 0 {
            return true;
        }
        let text = code.get(node.byte_range()).unwrap_or_default();
        let mut last = node.end_position();
        if last.column == 0 && last.row > node.start_position().row {
            last.row -= 1;
        }
        let rows = node.start_position().row..=last.row;
        if is_comment {
            rows.for_each(|row| has_comment[row.min(lines)] = true);
        } else if !text.trim().is_empty() {
            rows.for_each(|row| has_code[row.min(lines)] = true);
            length += 1;
            vocabulary.insert(text);
        }
        false
    });
    let count = |rows: Vec<bool>| rows.into_iter().filter(|row| *row).count();
    #[expect(clippy::cast_precision_loss, reason = "code has at most some ten thousand tokens")]
    let halstead_volume = length as f64 * (vocabulary.len().max(2) as f64).log2();
    SizeMetrics { code_lines: count(has_code), comment_lines: count(has_comment), halstead_volume }
}
