//! Code as a tree, by tree-sitter: for every language that is read here, and also for code that is not well formed.
//!
//! Trees are walked with a cursor and never by recursion, so that nesting costs no stack.

mod errors;
mod grammar;
mod leaves;
mod shape;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tree_sitter::{InputEdit, Node, ParseOptions, Parser, Point};

use crate::language::Language;

pub(crate) use errors::errors;
pub(crate) use grammar::{Grammar, Role};
pub(crate) use leaves::{Leaves, leaves};
pub(crate) use shape::{Shape, shape};
pub(crate) use tree_sitter::Tree;

/// Code is read in beginnings that are longer by so many bytes each.
const STEP: usize = 2048;

/// The longest that one step may take before the next is not tried. On code of usual shape it takes a fiftieth of that.
const SUSPICIOUS: Duration = Duration::from_millis(250);

/// Reads code as a tree. `None` if that is not done in `time`, which happens to code of hostile shape only.
///
/// On some texts that are not well formed at their end, that end costs tree-sitter time and memory by the square of the length: seconds and
/// gigabytes for ten thousand characters, and it cannot be stopped there. So ever longer beginnings are read, each with the tree of the one
/// before, until one step takes suspiciously long: then a little more did not cost much, and a lot more is never tried.
pub(crate) fn parse(language: Language, code: &str, time: Duration) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&Grammar::of(language).language).ok()?;
    let end = Instant::now() + time;
    let mut before: Option<(Tree, usize)> = None;
    while code.len() > STEP && before.as_ref().is_none_or(|(_, length)| *length < code.len()) {
        let start = Instant::now();
        let length = before.as_ref().map_or(0, |(_, length)| *length);
        let beginning = &code[..code.floor_char_boundary(length + STEP)];
        let known = before.map(|(tree, length)| extended(tree, length, beginning));
        let tree = read(&mut parser, beginning, known.as_ref(), end)?;
        if start.elapsed() > SUSPICIOUS {
            return None;
        }
        before = Some((tree, beginning.len()));
    }
    // Afresh, so that the tree does not depend on where the steps were.
    read(&mut parser, code, None, end)
}

/// The tree of the first `length` bytes of `text`, for reading the whole.
fn extended(mut tree: Tree, length: usize, text: &str) -> Tree {
    let (start, end) = (point(&text[..length]), point(text));
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

/// Where a text ends.
fn point(text: &str) -> Point {
    let rest = text.rfind('\n').map_or(text, |at| &text[at + 1..]);
    Point { row: text.bytes().filter(|byte| *byte == b'\n').count(), column: rest.len() }
}

fn read(parser: &mut Parser, code: &str, known: Option<&Tree>, end: Instant) -> Option<Tree> {
    let mut progress = |_: &tree_sitter::ParseState| {
        if Instant::now() < end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let bytes = code.as_bytes();
    parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), known, Some(options))
}

/// One step of a walk.
pub(crate) enum Step<'tree> {
    /// A node begins.
    Enter(Node<'tree>),
    /// The node that began last, of those that did not end, ends.
    Leave,
}

/// Walks a tree from its root in the order of the text. `visit` says of each node that begins whether to go into it.
pub(crate) fn walk<'tree>(tree: &'tree Tree, mut visit: impl FnMut(Step<'tree>) -> bool) {
    let mut cursor = tree.walk();
    loop {
        if visit(Step::Enter(cursor.node())) && cursor.goto_first_child() {
            continue;
        }
        loop {
            visit(Step::Leave);
            if cursor.goto_next_sibling() {
                break;
            }
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}
