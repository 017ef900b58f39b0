//! What a place in a text is inside of, told by indentation: the function, the class around it, and so on.

/// How far above the lines are looked for, in bytes, and how many are told.
const ABOVE: usize = 20_000;
const MOST: usize = 6;

/// The longest line that is told, in bytes.
const LONGEST: usize = 120;

/// The lines at the end of `above` that open what the text `below` it is inside of, the outermost first. Neither has to be whole
/// or well formed.
#[must_use]
pub fn enclosing_scopes<'a>(above: &'a str, below: &str) -> Vec<&'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut least = below.lines().find(|line| !line.trim().is_empty()).map_or(0, indent);
    let above = &above[above.ceil_char_boundary(above.len().saturating_sub(ABOVE))..];
    let mut around = Vec::new();
    for line in above.lines().rev() {
        let opens = !line.trim().is_empty() && !line.trim_start().starts_with(['}', ')', ']', '#', '/', '*']);
        if opens && indent(line) < least && line.len() <= LONGEST && around.len() < MOST {
            least = indent(line);
            around.push(line);
        }
    }
    around.reverse();
    around
}
