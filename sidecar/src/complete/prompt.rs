//! What the model is shown of a file: the text around the cursor for models that fill gaps, a task in words for others.

use engine::{Lane, Message, Model, Prompt, Request, Role, Sampling};

use super::ask::Cursor;
use super::ending::open_indent;
use crate::answers::Key;

/// Characters before the cursor that the model is shown; what is further away hardly matters, and is slow to read.
const BEFORE: usize = 4000;

/// Characters after the cursor that the model is shown.
const AFTER: usize = 1000;

/// Characters of everything else: the context and the open files together.
const AROUND: usize = 2000;

/// Tokens of a completion at most: of one line, and of a block.
const MOST_TOKENS: [u32; 2] = [64, 256];

/// A request to the model, with the key that its answer is kept under, and whether some of the text was left out.
#[derive(Debug, Clone)]
pub struct Laid {
    /// The request.
    pub request: Request,
    /// The key.
    pub key: Key,
    /// What was left out, in words of the API.
    pub dropped: Vec<String>,
}

/// The request for suggestion `number`, from 0. The first is the likeliest; others are drawn.
#[must_use]
pub fn request(cursor: &Cursor, model: &Model, number: u32) -> Laid {
    let closed = &cursor.prefix[..cursor.prefix.len() - open_indent(&cursor.prefix).len()];
    let prefix = ending(closed, BEFORE);
    let suffix = beginning(&cursor.suffix, AFTER);
    let around = around(cursor);
    let dropped = [
        (prefix.len() < closed.len(), "prefix"),
        (suffix.len() < cursor.suffix.len(), "suffix"),
        (around.chars().count() > AROUND, "files"),
    ];
    let dropped = dropped.into_iter().filter(|(left_out, _)| *left_out).map(|(_, what)| what.to_owned()).collect();
    let around = beginning(&around, AROUND);
    let prompt = if model.fills {
        Prompt::Fill { prefix: format!("{around}{prefix}"), suffix: suffix.to_owned() }
    } else {
        Prompt::Chat(in_words(cursor, around, prefix, suffix))
    };
    let temperature = if number == 0 { 0.0 } else { 0.7 };
    let max_tokens = MOST_TOKENS[usize::from(cursor.several_lines)];
    let sampling = Sampling { temperature, top_p: 0.95, seed: number };
    let (size, how) = (model.size_bytes.to_string(), format!("{number} {max_tokens}"));
    let key = Key::of([model.name.as_str(), &size, &how, &cursor.language, around, prefix, suffix]);
    let request = Request { probabilities: true, lane: Lane::Completion, ..Request::new(prompt, sampling, max_tokens) };
    Laid { request, key, dropped }
}

/// What stands above the text, as comments of its language: context and open files.
fn around(cursor: &Cursor) -> String {
    let mark = match cursor.language.as_str() {
        "python" | "bash" | "ruby" | "yaml" => "#",
        "sql" => "--",
        _ => "//",
    };
    let mut text = String::new();
    let mut comment = |line: &str| {
        text.push_str(mark);
        text.push(' ');
        text.push_str(line.trim_end());
        text.push('\n');
    };
    cursor.context.iter().flat_map(|context| context.lines()).for_each(&mut comment);
    for file in &cursor.files {
        comment(&format!("File: {}", file.path));
        file.content.lines().for_each(&mut comment);
    }
    if let Some(path) = &cursor.file_path {
        comment(&format!("File: {path}"));
    }
    text
}

fn in_words(cursor: &Cursor, around: &str, prefix: &str, suffix: &str) -> Vec<Message> {
    let language = &cursor.language;
    let task = format!(
        "You complete {language} code. Write only the code that comes at <CURSOR>, in one markdown code block, without the code \
         that is there already."
    );
    vec![
        Message::new(Role::System, task),
        Message::new(Role::User, format!("```{language}\n{around}{prefix}<CURSOR>{suffix}\n```")),
    ]
}

/// The last `count` characters, from the beginning of a line where that leaves something.
fn ending(text: &str, count: usize) -> &str {
    let Some((start, _)) = text.char_indices().rev().nth(count.saturating_sub(1)).filter(|(start, _)| *start > 0)
    else {
        return text;
    };
    let cut = &text[start..];
    cut.find('\n').map(|end| &cut[end + 1..]).filter(|rest| !rest.is_empty()).unwrap_or(cut)
}

/// The first `count` characters.
fn beginning(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_lines_and_never_inside_a_character() {
        assert_eq!(ending("가나\n다라\n마바", 4), "마바");
        assert_eq!(ending("가나다라", 2), "다라");
        assert_eq!(ending("abc", 10), "abc");
        assert_eq!(beginning("가나다", 2), "가나");
    }
}
