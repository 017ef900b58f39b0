//! Code as a tree, by tree-sitter: for every language that is read here, and also for code that is not well formed.
//!
//! Trees are walked with a cursor and never by recursion, so that nesting costs no stack.

mod errors;
mod grammar;
mod leaves;
mod shape;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tree_sitter::{Node, ParseOptions, Parser};

use crate::language::Language;

pub(crate) use errors::errors;
pub(crate) use grammar::{Grammar, Role};
pub(crate) use leaves::{Leaves, leaves};
pub(crate) use shape::{Shape, shape};
pub(crate) use tree_sitter::Tree;

/// Reads code as a tree. `None` if that is not done in `time`, which happens to code of hostile shape only.
pub(crate) fn parse(language: Language, code: &str, time: Duration) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&Grammar::of(language).language).ok()?;
    let end = Instant::now() + time;
    let mut progress = |_: &tree_sitter::ParseState| {
        if Instant::now() < end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let bytes = code.as_bytes();
    parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options))
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
