//! How deep Python code is nested, and how wide: what rules can be applied to. It goes as deep itself, so it needs the stack of [`crate::deep`].

use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal};
use ruff_python_ast::{AnyNodeRef, ModModule};

/// Nodes that are nested deeper would overflow the stack of rules. Python itself gives up far sooner.
const DEEPEST: usize = 500;

/// Rules compare each operand of `and` and `or`, each target of an assignment and each base of a class with all the others, and may say
/// something about each pair: gigabytes of it for a few thousand.
const WIDEST: usize = 200;

/// Whether rules can be applied to the code.
pub fn is_usual(module: &ModModule) -> bool {
    let mut extent = Extent::default();
    extent.visit_body(&module.body);
    extent.deepest <= DEEPEST && extent.widest <= WIDEST
}

/// What was seen so far.
#[derive(Default)]
struct Extent {
    now: usize,
    deepest: usize,
    widest: usize,
}

impl<'a> SourceOrderVisitor<'a> for Extent {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        self.now += 1;
        self.deepest = self.deepest.max(self.now);
        let wide = match node {
            AnyNodeRef::ExprBoolOp(operation) => operation.values.len(),
            AnyNodeRef::StmtAssign(assignment) => assignment.targets.len(),
            AnyNodeRef::StmtClassDef(class) => class.bases().len(),
            _ => 0,
        };
        self.widest = self.widest.max(wide);
        TraversalSignal::Traverse
    }

    fn leave_node(&mut self, _: AnyNodeRef<'a>) {
        self.now -= 1;
    }
}
