//! Limits on the depth and width of Python code, beyond which Ruff's rules are not applied.
//!
//! The check recurses as deep as the code is nested, so it needs [`crate::big_stack`].

use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal};
use ruff_python_ast::{AnyNodeRef, ModModule};

/// Maximum nesting of syntax nodes: deeper code would overflow the stack in the rules. CPython's own limit is far lower.
const MAX_DEPTH: usize = 500;

/// Maximum number of operands of `and` or `or`, targets of an assignment, or bases of a class. Rules compare them pairwise and
/// may report every pair: gigabytes of diagnostics for a few thousand.
const MAX_WIDTH: usize = 200;

/// Whether the code is within both limits, so that rules can be applied.
pub(crate) fn within_limits(module: &ModModule) -> bool {
    let mut guard = DepthGuard::default();
    guard.visit_body(&module.body);
    guard.max_depth <= MAX_DEPTH && guard.max_width <= MAX_WIDTH
}

/// Measures depth and width of the visited nodes.
#[derive(Default)]
struct DepthGuard {
    depth: usize,
    max_depth: usize,
    max_width: usize,
}

impl<'a> SourceOrderVisitor<'a> for DepthGuard {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        self.depth += 1;
        self.max_depth = self.max_depth.max(self.depth);
        let width = match node {
            AnyNodeRef::ExprBoolOp(operation) => operation.values.len(),
            AnyNodeRef::StmtAssign(assignment) => assignment.targets.len(),
            AnyNodeRef::StmtClassDef(class) => class.bases().len(),
            _ => 0,
        };
        self.max_width = self.max_width.max(width);
        TraversalSignal::Traverse
    }

    fn leave_node(&mut self, _: AnyNodeRef<'a>) {
        self.depth -= 1;
    }
}
