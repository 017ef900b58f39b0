//! Splits a markdown answer into code and explanation while it is streamed.
//!
//! Fenced blocks are recognised by CommonMark's rules, line by line. Text is emitted as soon as its kind is certain:
//! only the start of a line that could still become a fence, and trailing white space, are held back.

use serde::Serialize;
use utoipa::ToSchema;

use super::task::AnswerShape;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Code, without fences.
    Code {
        /// The text, never empty.
        text: String,
        /// The block that starts with this piece.
        opens: Option<BlockStart>,
    },
    /// Everything else, markdown.
    Explanation(String),
}

/// The start of a code block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BlockStart {
    /// Index of the block in the answer, from 0.
    pub block: usize,
    /// Its language.
    pub language: String,
}

/// A streaming splitter.
#[derive(Debug)]
pub struct Splitter {
    /// The requested language.
    wanted: String,
    /// Whether every block is part of the explanation.
    explanation_only: bool,
    /// The language of the answer's first code block.
    first_language: Option<String>,
    state: ParserState,
    /// The start of the current line, as long as it may be a fence.
    pending_line: String,
    /// Whether the current line is certainly no fence, so that the rest of it is emitted as it arrives.
    passthrough: bool,
    code: BlockJoiner,
    explanation: BlockJoiner,
    blocks: usize,
    next_block_language: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ParserState {
    Prose,
    /// Inside a block that is part of the code.
    Code(Fence),
    /// Inside a block that is part of the explanation, such as a shell command.
    SideBlock(Fence),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fence {
    mark: char,
    length: usize,
    /// Columns before the fence; the content is indented by as much.
    indent: usize,
}

/// Languages of blocks that accompany the code and are not part of it.
const SIDE_LANGUAGES: &[&str] =
    &["bash", "console", "text", "output", "log", "json", "yaml", "toml", "xml", "diff", "markdown", "csv", "mermaid"];

impl Splitter {
    /// A splitter for an answer in the programming language `wanted`.
    #[must_use]
    pub fn new(wanted: &str) -> Self {
        Self {
            wanted: canonical(wanted),
            explanation_only: false,
            first_language: None,
            state: ParserState::Prose,
            pending_line: String::new(),
            passthrough: false,
            code: BlockJoiner::default(),
            explanation: BlockJoiner::default(),
            blocks: 0,
            next_block_language: None,
        }
    }

    /// A splitter for an answer of this shape: code blocks are separate only where code was requested.
    #[must_use]
    pub fn of(shape: AnswerShape, wanted: &str) -> Self {
        Self { explanation_only: shape != AnswerShape::CodeAndWords, ..Self::new(wanted) }
    }

    /// Adds the next text of the answer, and returns the pieces that are certain now.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for part in text.split_inclusive('\n') {
            self.part(part, &mut pieces);
        }
        pieces
    }

    /// Ends the answer, and returns what was held back.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if !self.pending_line.is_empty() {
            self.line(&mut pieces);
        }
        pieces
    }

    /// All code so far.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code.written
    }

    /// All explanation so far.
    #[must_use]
    pub fn explanation(&self) -> &str {
        &self.explanation.written
    }

    /// Adds a part of one line, with its line break if it has arrived.
    fn part(&mut self, part: &str, pieces: &mut Vec<Piece>) {
        if self.passthrough {
            self.emit(part, pieces);
        } else {
            self.pending_line.push_str(part);
            let ended = self.pending_line.ends_with('\n');
            if ended {
                self.line(pieces);
            } else if !self.may_be_fence() {
                self.passthrough = true;
                let pending_line = std::mem::take(&mut self.pending_line);
                let text = self.without_indent(&pending_line).to_owned();
                self.emit(&text, pieces);
            }
        }
        if part.ends_with('\n') {
            self.passthrough = false;
        }
    }

    /// Handles a complete line that was held back: a fence, or text after all.
    fn line(&mut self, pieces: &mut Vec<Piece>) {
        let line = std::mem::take(&mut self.pending_line);
        match self.state.clone() {
            ParserState::Prose => match opening_fence(&line) {
                Some((fence, info)) => self.open(fence, &info, &line, pieces),
                None => self.emit(&line, pieces),
            },
            ParserState::Code(fence) if is_closing_fence(&line, fence) => {
                self.code.end_part();
                self.next_block_language = None;
                self.state = ParserState::Prose;
            }
            ParserState::SideBlock(fence) if is_closing_fence(&line, fence) => {
                self.emit(&line, pieces);
                self.state = ParserState::Prose;
            }
            ParserState::Code(_) | ParserState::SideBlock(_) => {
                let text = self.without_indent(&line).to_owned();
                self.emit(&text, pieces);
            }
        }
    }

    fn open(&mut self, fence: Fence, info: &str, line: &str, pieces: &mut Vec<Piece>) {
        let language = canonical(info);
        if self.is_code(&language) {
            let language = if language.is_empty() { self.wanted.clone() } else { language };
            self.first_language.get_or_insert_with(|| language.clone());
            self.explanation.end_part();
            self.next_block_language = Some(language);
            self.state = ParserState::Code(fence);
        } else {
            self.emit(line, pieces);
            self.state = ParserState::SideBlock(fence);
        }
    }

    /// Whether a block is part of the code: one in the requested language, and the first one in any programming
    /// language, with those that follow it in the same language.
    fn is_code(&self, language: &str) -> bool {
        if self.explanation_only {
            return false;
        }
        match &self.first_language {
            Some(found) => !language.is_empty() && (language == found || language == self.wanted),
            None => language == self.wanted || !SIDE_LANGUAGES.contains(&language),
        }
    }

    fn emit(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        if let ParserState::Code(_) = self.state {
            let text = self.code.add(text);
            if !text.is_empty() {
                let opens = self.next_block_language.take().map(|language| {
                    self.blocks += 1;
                    BlockStart { block: self.blocks - 1, language }
                });
                pieces.push(Piece::Code { text, opens });
            }
        } else {
            let text = self.explanation.add(text);
            if !text.is_empty() {
                pieces.push(Piece::Explanation(text));
            }
        }
    }

    /// Whether the pending line can still become a fence.
    fn may_be_fence(&self) -> bool {
        match self.state {
            ParserState::Prose => {
                let rest = after_marker(&self.pending_line).trim_start_matches([' ', '\t']);
                let mark = rest.chars().next();
                let run = rest.chars().take_while(|&character| Some(character) == mark).count();
                match mark {
                    None => true,
                    Some('`' | '~') => run >= 3 || run == rest.chars().count(),
                    _ => is_marker_beginning(self.pending_line.trim_start()),
                }
            }
            ParserState::Code(fence) | ParserState::SideBlock(fence) => {
                let rest = self.pending_line.trim_start_matches(' ');
                let after = rest.trim_start_matches(fence.mark);
                let run = rest.len() - after.len();
                after.trim().is_empty() && (after.is_empty() || run >= fence.length)
            }
        }
    }

    /// A line of a block without the indentation of its list item or its fence.
    fn without_indent<'a>(&self, line: &'a str) -> &'a str {
        match self.state {
            ParserState::Code(fence) => {
                let spaces = line.bytes().take_while(|&byte| byte == b' ').count();
                &line[spaces.min(fence.indent)..]
            }
            ParserState::Prose | ParserState::SideBlock(_) => line,
        }
    }
}

/// An opening fence, and its info string.
fn opening_fence(line: &str) -> Option<(Fence, String)> {
    let after = after_marker(line);
    let rest = after.trim_start_matches([' ', '\t']);
    let mark = rest.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = rest.chars().take_while(|&character| character == mark).count();
    let info = rest[length..].trim();
    if length < 3 || (mark == '`' && info.contains('`')) {
        return None;
    }
    Some((Fence { mark, length, indent: line.len() - rest.len() }, info.to_owned()))
}

fn is_closing_fence(line: &str, fence: Fence) -> bool {
    let rest = line.trim_start_matches(' ');
    let indent = line.len() - rest.len();
    let after = rest.trim_start_matches(fence.mark);
    rest.len() - after.len() >= fence.length && after.trim().is_empty() && indent <= fence.indent + 3
}

/// A line without the marker of a list item at its start: `- `, `* `, `+ `, `1. ` or `1) `.
fn after_marker(line: &str) -> &str {
    let text = line.trim_start_matches(' ');
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let marker = match (digits, text.as_bytes().get(digits)) {
        (0, Some(b'-' | b'*' | b'+')) => 1,
        (1..=9, Some(b'.' | b')')) => digits + 1,
        _ => return line,
    };
    text[marker..].strip_prefix(' ').unwrap_or(line)
}

/// Whether a partial line may become the marker of a list item.
fn is_marker_beginning(text: &str) -> bool {
    let rest = text.trim_start_matches(|character: char| character.is_ascii_digit());
    matches!(rest, "" | "." | ")") || (text.len() == 1 && matches!(text, "-" | "*" | "+"))
}

/// Joins parts with an empty line, without leading and trailing white space.
#[derive(Debug, Default)]
struct BlockJoiner {
    written: String,
    /// White space that is written once something follows it.
    pending: String,
    /// Whether the next text starts a part.
    fresh: bool,
}

impl BlockJoiner {
    /// Adds text, and returns what can be emitted now.
    fn add(&mut self, text: &str) -> String {
        let solid = text.trim_end();
        if solid.is_empty() {
            self.pending.push_str(text);
            return String::new();
        }
        let mut out = if self.written.is_empty() || self.fresh {
            // A part starts with its first line that is not empty, and retains that line's indentation.
            let beginning = format!("{}{solid}", self.pending);
            let line = beginning.len() - beginning.trim_start().len();
            let line = beginning[..line].rfind('\n').map_or(0, |newline| newline + 1);
            let separator = if self.written.is_empty() { "" } else { "\n\n" };
            format!("{separator}{}", &beginning[line..])
        } else {
            format!("{}{solid}", self.pending)
        };
        self.fresh = false;
        self.pending.clear();
        self.pending.push_str(&text[solid.len()..]);
        self.written.push_str(&out);
        out.shrink_to_fit();
        out
    }

    fn end_part(&mut self) {
        self.pending.clear();
        self.fresh = true;
    }
}

/// The canonical name of a language: `python` for `py`, `Python3` or `{.python}`. Empty for an empty info string.
#[must_use]
pub fn canonical(info: &str) -> String {
    let word = info.trim().trim_start_matches(['{', '.']);
    let end = word.find(|character: char| character.is_whitespace() || matches!(character, ',' | '{' | '}' | ':'));
    let word = word[..end.unwrap_or(word.len())].to_lowercase();
    let name = match word.as_str() {
        "py" | "py3" | "python3" | "pycon" | "ipython" => "python",
        "js" | "jsx" | "node" | "mjs" => "javascript",
        "ts" | "tsx" => "typescript",
        "c++" | "cc" | "cxx" | "hpp" => "cpp",
        "c#" | "cs" => "csharp",
        "h" => "c",
        "golang" => "go",
        "rs" => "rust",
        "kt" => "kotlin",
        "rb" => "ruby",
        "sh" | "shell" | "zsh" | "shell-session" | "terminal" | "cmd" | "powershell" | "ps1" => "bash",
        "mysql" | "postgresql" | "postgres" | "sqlite" | "plsql" => "sql",
        "txt" | "plaintext" | "plain" => "text",
        "stdout" | "result" => "output",
        "yml" => "yaml",
        "md" => "markdown",
        other => other,
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code and explanation of an answer that arrives in pieces of `size` characters.
    fn split(answer: &str, size: usize) -> (String, String) {
        let mut splitter = Splitter::new("python");
        let characters: Vec<char> = answer.chars().collect();
        let mut pieces: Vec<Piece> =
            characters.chunks(size).flat_map(|chunk| splitter.push(&chunk.iter().collect::<String>())).collect();
        pieces.extend(splitter.finish());
        let (mut code, mut explanation) = (String::new(), String::new());
        for piece in pieces {
            match piece {
                Piece::Code { text, .. } => code += &text,
                Piece::Explanation(text) => explanation += &text,
            }
        }
        assert_eq!(
            (code.as_str(), explanation.as_str()),
            (splitter.code(), splitter.explanation()),
            "the emitted pieces add up to the result"
        );
        (code, explanation)
    }

    const CASES: &[(&str, &str, &str)] = &[
        (
            "중복을 제거합니다.\n\n```python\ndef f(x):\n    return x\n```\n\n끝.",
            "def f(x):\n    return x",
            "중복을 제거합니다.\n\n끝.",
        ),
        ("```py\na = 1\n\n\nb = 2\n\n```", "a = 1\n\n\nb = 2", ""),
        ("only words, `code` and ``more``", "", "only words, `code` and ``more``"),
        ("first\n```python\na\n```\nthen\n```python\nb\n```", "a\n\nb", "first\n\nthen"),
        (
            "```python\na\n```\nInstall:\n```bash\npip install x\n```\nDone",
            "a",
            "Install:\n```bash\npip install x\n```\nDone",
        ),
        ("```bash\npip install x\n```\n```python\na\n```", "a", "```bash\npip install x\n```"),
        ("```javascript\nlet a = 1\n```\n```js\nlet b\n```", "let a = 1\n\nlet b", ""),
        ("```\na = 1\n```\n```\n1\n```", "a = 1", "```\n1\n```"),
        ("~~~python\nx = '```'\n~~~", "x = '```'", ""),
        ("````python\ns = \"\"\"\n```\n\"\"\"\n````", "s = \"\"\"\n```\n\"\"\"", ""),
        (
            "```python\ndef f():\n    \"\"\"\n    ```\n    f()\n    ```\n    \"\"\"\n```\nok",
            "def f():\n    \"\"\"\n    ```\n    f()\n    ```\n    \"\"\"",
            "ok",
        ),
        ("1. first:\n   ```python\n   if a:\n       b\n   ```\n2. next", "if a:\n    b", "1. first:\n\n2. next"),
        ("- ```python\n  a\n  ```", "a", ""),
        ("```python\nunfinished", "unfinished", ""),
        ("```python\n```\nnothing", "", "nothing"),
        ("``` not a `fence` ```\nx", "", "``` not a `fence` ```\nx"),
        ("```python\r\na = 1\r\n```\r\nend", "a = 1", "end"),
        ("- item\n* item\n10. item", "", "- item\n* item\n10. item"),
        ("", "", ""),
    ];

    #[test]
    fn an_answer_is_split_the_same_whatever_the_size_of_its_pieces() {
        for (answer, code, explanation) in CASES {
            for size in [1, 2, 3, 7, 1000] {
                let expected = ((*code).to_owned(), (*explanation).to_owned());
                assert_eq!(split(answer, size), expected, "{answer:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_markdown_parser_finds_the_same_blocks() {
        use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
        for (answer, ..) in CASES {
            let mut blocks = Vec::new();
            let mut inside = false;
            for event in Parser::new(answer) {
                match event {
                    Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => {
                        inside = true;
                        blocks.push(String::new());
                    }
                    Event::End(TagEnd::CodeBlock) => inside = false,
                    Event::Text(text) if inside => *blocks.last_mut().unwrap() += &text,
                    _ => {}
                }
            }
            let (code, explanation) = split(answer, 1);
            for block in blocks.iter().map(|block| block.trim_end()).filter(|block| !block.is_empty()) {
                assert!(code.contains(block) || explanation.contains(block), "{block:?} of {answer:?}");
            }
            assert_eq!(
                blocks.iter().all(|block| block.trim().is_empty()),
                code.is_empty() && !explanation.contains("\n```"),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn text_is_emitted_before_its_line_ends() {
        let mut splitter = Splitter::new("python");
        assert_eq!(splitter.push("def"), vec![Piece::Explanation("def".into())]);
        assert_eq!(
            splitter.push("\n```python\nre"),
            vec![Piece::Code { text: "re".into(), opens: Some(BlockStart { block: 0, language: "python".into() }) }]
        );
        assert_eq!(splitter.push("turn 1"), vec![Piece::Code { text: "turn 1".into(), opens: None }]);
    }
}
