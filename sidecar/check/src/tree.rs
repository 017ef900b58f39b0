//! Syntax trees by tree-sitter, for all supported languages and also for code with syntax errors.
//!
//! Trees are walked with a cursor instead of recursion, so that deep nesting does not use the stack.

mod grammar;
mod outline;
mod size_metrics;
mod syntax_errors;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tree_sitter::{InputEdit, Node, ParseOptions, Parser, Point};

use crate::language::Language;

pub(crate) use grammar::{Grammar, Role};
pub(crate) use outline::{Outline, outline};
pub(crate) use size_metrics::{SizeMetrics, size_metrics};
pub(crate) use syntax_errors::syntax_errors;
pub(crate) use tree_sitter::Tree;

/// Code is parsed in growing prefixes. Each is longer than the one before by this number of bytes.
const CHUNK_BYTES: usize = 2048;

/// Parsing stops if one prefix takes longer than this. Ordinary code takes a fiftieth of it.
const MAX_CHUNK_TIME: Duration = Duration::from_millis(250);

/// Parses code. `None` if it takes longer than `timeout`, which happens with hostile code only.
///
/// For some texts with a syntax error at the end, tree-sitter's error recovery takes quadratic time and memory, seconds and
/// gigabytes for ten thousand characters, and it cannot be cancelled there. So growing prefixes are parsed incrementally until
/// one takes suspiciously long: that prefix is only a little longer than one that was cheap, and a much longer one is never
/// tried.
pub(crate) fn parse(language: Language, code: &str, timeout: Duration) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&Grammar::of(language).language).ok()?;
    let deadline = Instant::now() + timeout;
    let mut previous: Option<(Tree, usize)> = None;
    while code.len() > CHUNK_BYTES && previous.as_ref().is_none_or(|(_, length)| *length < code.len()) {
        let start = Instant::now();
        let length = previous.as_ref().map_or(0, |(_, length)| *length);
        let prefix = &code[..code.floor_char_boundary(length + CHUNK_BYTES)];
        let old_tree = previous.map(|(tree, length)| edit_for_append(tree, length, prefix));
        let tree = parse_until(&mut parser, prefix, old_tree.as_ref(), deadline)?;
        if start.elapsed() > MAX_CHUNK_TIME {
            return None;
        }
        previous = Some((tree, prefix.len()));
    }
    // Parsed from scratch, so that the tree does not depend on the chunk boundaries.
    parse_until(&mut parser, code, None, deadline)
}

/// Edits the tree of the first `length` bytes of `text` for an incremental parse of all of `text`.
fn edit_for_append(mut tree: Tree, length: usize, text: &str) -> Tree {
    let (start, end) = (end_point(&text[..length]), end_point(text));
    tree.edit(&InputEdit {
        start_byte: length,
        old_end_byte: length,
        new_end_byte: text.len(),
        start_position: start,
        old_end_position: start,
        new_end_position: end,
    });
    tree
}

/// Row and column of the end of a text.
fn end_point(text: &str) -> Point {
    let last_line = text.rfind('\n').map_or(text, |at| &text[at + 1..]);
    Point { row: text.bytes().filter(|byte| *byte == b'\n').count(), column: last_line.len() }
}

fn parse_until(parser: &mut Parser, code: &str, old_tree: Option<&Tree>, deadline: Instant) -> Option<Tree> {
    let mut progress = |_: &tree_sitter::ParseState| {
        if Instant::now() < deadline { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let bytes = code.as_bytes();
    parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), old_tree, Some(options))
}

/// An event of a depth-first walk.
pub(crate) enum WalkEvent<'tree> {
    /// The walk enters a node.
    Enter(Node<'tree>),
    /// The walk leaves the node that it entered last and has not left yet.
    Leave,
}

/// Walks a tree depth-first in source order. The return value of `visit` for [`WalkEvent::Enter`] decides whether the node's
/// children are visited.
pub(crate) fn walk<'tree>(tree: &'tree Tree, mut visit: impl FnMut(WalkEvent<'tree>) -> bool) {
    let mut cursor = tree.walk();
    loop {
        if visit(WalkEvent::Enter(cursor.node())) && cursor.goto_first_child() {
            continue;
        }
        loop {
            visit(WalkEvent::Leave);
            if cursor.goto_next_sibling() {
                break;
            }
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}
