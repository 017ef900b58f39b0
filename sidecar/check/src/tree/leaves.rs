//! The words of code, counted: lines of code and of comments, and Halstead's volume.

use std::collections::HashSet;

use tree_sitter::Tree;

use super::{Grammar, Role, Step, walk};

/// What the words of code add up to.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    /// Lines with code on them.
    pub code_lines: usize,
    /// Lines with a comment on them.
    pub comment_lines: usize,
    /// Halstead's volume: the number of words, times the logarithm to base 2 of the number of different ones.
    pub volume: f64,
}

/// Counts the words of a tree.
pub(crate) fn leaves(tree: &Tree, grammar: &Grammar, code: &str, lines: usize) -> Leaves {
    let (mut with_code, mut with_comment) = (vec![false; lines + 1], vec![false; lines + 1]);
    let (mut words, mut different) = (0_usize, HashSet::new());
    walk(tree, |step| {
        let Step::Enter(node) = step else { return false };
        let comment = grammar.role(node).is(Role::COMMENT);
        if !comment && node.child_count() > 0 {
            return true;
        }
        let text = code.get(node.byte_range()).unwrap_or_default();
        let mut last = node.end_position();
        if last.column == 0 && last.row > node.start_position().row {
            last.row -= 1;
        }
        let rows = node.start_position().row..=last.row;
        if comment {
            rows.for_each(|row| with_comment[row.min(lines)] = true);
        } else if !text.trim().is_empty() {
            rows.for_each(|row| with_code[row.min(lines)] = true);
            words += 1;
            different.insert(text);
        }
        false
    });
    let count = |rows: Vec<bool>| rows.into_iter().filter(|row| *row).count();
    #[expect(clippy::cast_precision_loss, reason = "there are at most some ten thousand words")]
    let volume = words as f64 * (different.len().max(2) as f64).log2();
    Leaves { code_lines: count(with_code), comment_lines: count(with_comment), volume }
}
