//! How deep Python code is nested. It goes as deep itself, so it needs the stack of [`crate::deep`].

use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal};
use ruff_python_ast::{AnyNodeRef, ModModule};

/// The most nodes that are inside one another.
pub fn of(module: &ModModule) -> usize {
    let mut depth = Depth::default();
    depth.visit_body(&module.body);
    depth.deepest
}

#[derive(Default)]
struct Depth {
    now: usize,
    deepest: usize,
}

impl<'a> SourceOrderVisitor<'a> for Depth {
    fn enter_node(&mut self, _: AnyNodeRef<'a>) -> TraversalSignal {
        self.now += 1;
        self.deepest = self.deepest.max(self.now);
        TraversalSignal::Traverse
    }

    fn leave_node(&mut self, _: AnyNodeRef<'a>) {
        self.now -= 1;
    }
}
