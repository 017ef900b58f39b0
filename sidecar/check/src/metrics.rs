//! Code metrics of a parsed file, including the maintainability index.

use crate::analyze::Metrics;
use crate::tree::{Outline, SizeMetrics};

/// Combines the line count, the size metrics and the outline into the metrics that clients see.
pub(crate) fn metrics(lines: usize, size: &SizeMetrics, outline: &Outline) -> Metrics {
    Metrics {
        lines,
        code_lines: Some(size.code_lines),
        comment_lines: Some(size.comment_lines),
        functions: Some(outline.counts.functions),
        classes: Some(outline.counts.classes),
        imports: Some(outline.counts.imports),
        max_nesting: Some(outline.max_nesting),
        cyclomatic_complexity: Some(outline.cyclomatic_complexity),
        maintainability_index: Some(maintainability_index(
            size.halstead_volume,
            outline.cyclomatic_complexity,
            size.code_lines,
        )),
    }
}

/// The maintainability index, from 0 to 100 with one decimal: `(171 - 5.2 ln V - 0.23 G - 16.2 ln L) / 1.71` with Halstead volume
/// `V`, cyclomatic complexity `G` and lines of code `L`.
///
/// Source: Coleman, Ash, Lowther and Oman, "Using Metrics to Evaluate Software System Maintainability", IEEE Computer 27(8),
/// 1994, without its comment term, rescaled to 0..100 as Visual Studio does.
#[expect(clippy::cast_precision_loss, reason = "code has at most some ten thousand lines")]
fn maintainability_index(volume: f64, complexity: usize, code_lines: usize) -> f64 {
    let raw = 171.0 - 5.2 * volume.max(1.0).ln() - 0.23 * complexity as f64 - 16.2 * (code_lines.max(1) as f64).ln();
    (raw / 1.71 * 10.0).round().clamp(0.0, 1000.0) / 10.0
}
