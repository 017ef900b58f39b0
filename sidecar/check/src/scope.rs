//! Finds the scopes that enclose a position in a text (function, class and so on) by indentation.

/// How far above the position is searched, in bytes.
const MAX_BYTES_ABOVE: usize = 20_000;

/// Maximum number of scopes that are returned.
const MAX_SCOPES: usize = 6;

/// Lines longer than this, in bytes, are skipped.
const MAX_LINE_BYTES: usize = 120;

/// Returns the lines of `above` that open the scopes around the text `below`, outermost first. Both may be incomplete or
/// syntactically invalid.
#[must_use]
pub fn enclosing_scopes<'a>(above: &'a str, below: &str) -> Vec<&'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut min_indent = below.lines().find(|line| !line.trim().is_empty()).map_or(0, indent);
    let above = &above[above.ceil_char_boundary(above.len().saturating_sub(MAX_BYTES_ABOVE))..];
    let mut scopes = Vec::new();
    for line in above.lines().rev() {
        let may_open = !line.trim().is_empty() && !line.trim_start().starts_with(['}', ')', ']', '#', '/', '*']);
        if may_open && indent(line) < min_indent && line.len() <= MAX_LINE_BYTES && scopes.len() < MAX_SCOPES {
            min_indent = indent(line);
            scopes.push(line);
        }
    }
    scopes.reverse();
    scopes
}
