//! Code in figures.

use crate::analyze::Metrics;
use crate::tree::{Leaves, Shape};

/// The figures of code whose tree is known.
pub(crate) fn metrics(lines: usize, leaves: &Leaves, shape: &Shape) -> Metrics {
    Metrics {
        lines,
        code_lines: Some(leaves.code_lines),
        comment_lines: Some(leaves.comment_lines),
        functions: Some(shape.counts.functions),
        classes: Some(shape.counts.classes),
        imports: Some(shape.counts.imports),
        max_nesting: Some(shape.max_nesting),
        cyclomatic_complexity: Some(shape.complexity),
        maintainability_index: Some(maintainability(leaves.volume, shape.complexity, leaves.code_lines)),
    }
}

/// The maintainability index of Coleman and Oman (Using Metrics to Evaluate Software System Maintainability, IEEE Computer 27(8),
/// 1994) without its term for comments, scaled to 0 to 100 as Visual Studio does: 171 less 5.2 times the logarithm of Halstead's volume,
/// 0.23 times McCabe's number and 16.2 times the logarithm of the lines of code, over 1.71. To one decimal.
#[expect(clippy::cast_precision_loss, reason = "code has at most some ten thousand lines")]
fn maintainability(volume: f64, complexity: usize, code_lines: usize) -> f64 {
    let raw = 171.0 - 5.2 * volume.max(1.0).ln() - 0.23 * complexity as f64 - 16.2 * (code_lines.max(1) as f64).ln();
    (raw / 1.71 * 10.0).round().clamp(0.0, 1000.0) / 10.0
}
