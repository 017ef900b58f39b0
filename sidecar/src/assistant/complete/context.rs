//! Builds the prompt of a completion: fill-in-the-middle (FIM) where the model supports it, otherwise a chat message.
//!
//! From the top: other files, extra context, the imports and enclosing scopes of the part of the file that was cut,
//! then the text before the cursor. While the user types, only the end of that changes, so the rest is served from the
//! KV cache.

use engine::{ChatMessage, ChunkReuse, Model, Priority, Prompt, RepoFile, Request, Role, Sampling};

use super::request::{CompletionRequest, OpenFile};
use super::stop::open_indent;
use crate::inference::Target;
use crate::inference::response_cache::CacheKey;

/// Maximum characters before the cursor; what is further away hardly matters, and costs prefill time.
const MAX_PREFIX: usize = 4000;

/// A longer text is cut at a multiple of so many characters, so that the cut, and with it the cached prefix, stays
/// where it is for that long.
const WINDOW_STEP: usize = 1000;

/// Maximum characters after the cursor. They are prefilled again whenever the text before the cursor has changed.
const MAX_SUFFIX: usize = 500;

/// Maximum characters of the imports of the part that was cut.
const MAX_IMPORTS: usize = 800;

/// Maximum characters of the extra context and the open files together.
const MAX_EXTRA_CONTEXT: usize = 2000;

/// Maximum tokens of a completion: of one line, and of a block.
const MAX_TOKENS: [u32; 2] = [64, 256];

/// Sampling temperature of the second suggestion and those after it.
const TEMPERATURE: f32 = 0.7;

/// A request to the model, with its cache key, and what was left out of the prompt.
#[derive(Debug, Clone)]
pub(crate) struct PreparedRequest {
    /// The request.
    pub request: Request,
    /// The key.
    pub key: CacheKey,
    /// What was left out, as the API names it.
    pub dropped: Vec<String>,
}

/// One request per suggestion. The first is greedy; the others are sampled with different seeds.
#[must_use]
pub(crate) fn requests(request: &CompletionRequest, target: &Target) -> Vec<PreparedRequest> {
    let Target { model, backend } = target;
    let context = FimContext::of(request, model);
    let prompt = context.prompt(request, model);
    let max_tokens = MAX_TOKENS[usize::from(request.multiline)];
    let (size, token_limit) = (model.size_bytes.to_string(), max_tokens.to_string());
    let prepare = |number: u32| {
        let temperature = if number == 0 { 0.0 } else { TEMPERATURE };
        let sampling = Sampling { temperature, top_p: 0.95, seed: number };
        let number = number.to_string();
        let who = [backend.as_str(), &model.device, &model.name, &size];
        let how = [number.as_str(), &token_limit, &request.language, open_indent(&request.prefix)];
        let texts = [&context.comments, &context.above, context.before, context.after];
        let files = context.files.iter().flat_map(|file| [&*file.path, &*file.text]);
        let key =
            CacheKey::of(who.into_iter().chain(how).chain(texts).chain(request.file_path.as_deref()).chain(files));
        let request = Request {
            logprobs: true,
            priority: Priority::Completion,
            chunk_reuse: if request.use_cache { ChunkReuse::KvShift } else { ChunkReuse::Off },
            ..Request::new(prompt.clone(), sampling, max_tokens)
        };
        PreparedRequest { request, key, dropped: context.dropped.clone() }
    };
    (0..request.max_suggestions).map(prepare).collect()
}

/// The context of a cursor that goes into the prompt.
struct FimContext<'a> {
    /// Other files, where the model supports repository context.
    files: Vec<RepoFile>,
    /// Extra context, as comments.
    comments: String,
    /// The imports and the enclosing scopes of the part that was cut.
    above: String,
    /// The text before the cursor, without the indentation of an empty line.
    before: &'a str,
    /// The text after it.
    after: &'a str,
    dropped: Vec<String>,
}

impl<'a> FimContext<'a> {
    fn of(request: &'a CompletionRequest, model: &Model) -> Self {
        let closed = &request.prefix[..request.prefix.len() - open_indent(&request.prefix).len()];
        let before = window(closed);
        let cut = &closed[..closed.len() - before.len()];
        let scopes = check::enclosing_scopes(cut, before).into_iter().flat_map(|line| [line, "\n"]);
        let above: String = imports(cut).into_iter().flat_map(|line| [line, "\n"]).chain(scopes).collect();
        let after = truncated(&request.suffix, MAX_SUFFIX);
        let mut comments = String::new();
        let mark = comment_marker(&request.language);
        let mut comment = |line: &str| comments.extend([mark, " ", line.trim_end(), "\n"]);
        request.context.iter().flat_map(|context| context.lines()).for_each(&mut comment);
        if !model.supports_repo_context {
            for OpenFile { path, content } in &request.files {
                comment(&format!("File: {path}"));
                content.lines().for_each(&mut comment);
            }
            if let Some(path) = &request.file_path {
                comment(&format!("File: {path}"));
            }
        }
        let full_length = comments.len();
        comments.truncate(truncated(&comments, MAX_EXTRA_CONTEXT).len());
        let (files, files_cut) = if model.supports_repo_context {
            files(&request.files, MAX_EXTRA_CONTEXT - comments.chars().count())
        } else {
            (Vec::new(), false)
        };
        let dropped = [
            (!cut.is_empty(), "prefix"),
            (after.len() < request.suffix.len(), "suffix"),
            (files_cut || comments.len() < full_length, "files"),
        ];
        let dropped = dropped.into_iter().filter(|(left_out, _)| *left_out).map(|(_, what)| what.to_owned()).collect();
        Self { files, comments, above, before, after, dropped }
    }

    fn prompt(&self, request: &CompletionRequest, model: &Model) -> Prompt {
        let Self { comments, above, before, after, .. } = self;
        if model.supports_fim {
            return Prompt::Fim {
                files: self.files.clone(),
                path: request.file_path.clone().filter(|_| model.supports_repo_context),
                prefix: format!("{comments}{above}{before}"),
                suffix: (*after).to_owned(),
            };
        }
        let language = &request.language;
        let task = format!(
            "You complete {language} code. Write only the code that comes at <CURSOR>, in one markdown code block, without the \
             code that is there already."
        );
        Prompt::Chat(vec![
            ChatMessage::new(Role::System, task),
            ChatMessage::new(Role::User, format!("```{language}\n{comments}{above}{before}<CURSOR>{after}\n```")),
        ])
    }
}

/// As much of the other files as fits into `budget` characters, cut at line ends; and whether something was left out.
fn files(open: &[OpenFile], mut budget: usize) -> (Vec<RepoFile>, bool) {
    let (mut files, mut cut) = (Vec::new(), false);
    for OpenFile { path, content } in open {
        let text = truncated(content, budget.saturating_sub(path.chars().count()));
        cut |= text.len() < content.len();
        if !text.trim().is_empty() {
            budget -= path.chars().count() + text.chars().count();
            files.push(RepoFile { path: path.clone(), text: text.to_owned() });
        }
    }
    (files, cut)
}

fn comment_marker(language: &str) -> &'static str {
    match language {
        "python" | "bash" | "ruby" | "yaml" => "#",
        "sql" => "--",
        _ => "//",
    }
}

/// The last part of a text, at most [`MAX_PREFIX`] characters, from the start of a line where possible. Where it starts stays the
/// same while the text grows by up to [`WINDOW_STEP`] characters, so that the KV cache is reused.
fn window(text: &str) -> &str {
    let count = text.chars().count();
    if count <= MAX_PREFIX {
        return text;
    }
    let skipped = ((count - MAX_PREFIX) / WINDOW_STEP + 1) * WINDOW_STEP;
    let start = text.char_indices().nth(skipped).map_or(0, |(start, _)| start);
    let cut = &text[start..];
    cut.find('\n').map(|end| &cut[end + 1..]).filter(|rest| !rest.is_empty()).unwrap_or(cut)
}

/// The first `count` characters at most, up to the end of a line where possible.
fn truncated(text: &str, count: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(count) else { return text };
    let cut = &text[..end];
    cut.rfind('\n').map(|end| &cut[..=end]).filter(|rest| !rest.trim().is_empty()).unwrap_or(cut)
}

/// The import lines of a text: unindented lines that start with an import keyword, with the lines that belong to them.
fn imports(text: &str) -> Vec<&str> {
    const KEYWORDS: [&str; 7] = ["import ", "from ", "use ", "using ", "#include", "package ", "require"];
    let (mut found, mut open, mut budget) = (Vec::new(), false, MAX_IMPORTS);
    for line in text.lines() {
        let is_import = KEYWORDS.iter().any(|word| line.starts_with(word));
        if !is_import && !open {
            continue;
        }
        let (opening, closing) = (line.matches(['(', '{']).count(), line.matches([')', '}']).count());
        open = (open && closing == 0) || opening > closing;
        let Some(rest) = budget.checked_sub(line.chars().count() + 1) else { break };
        budget = rest;
        found.push(line);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> String {
        (0..count).map(|number| format!("가 = {number:05}\n")).collect()
    }

    #[test]
    fn a_long_text_is_cut_at_lines_and_the_cut_stays_while_it_grows() {
        assert_eq!(window("abc"), "abc");
        assert_eq!(window(&"가".repeat(5000)).chars().count(), 3000);
        let (mut moved, mut first) = (0, String::new());
        for count in 500..700 {
            let text = lines(count);
            let window = window(&text);
            assert!(window.starts_with("가 = ") && (2900..=4000).contains(&window.chars().count()), "{count}");
            let now = window.lines().next().unwrap().to_owned();
            moved += usize::from(now != first);
            first = now;
        }
        // 200 lines of ten characters: two steps.
        assert!(moved <= 3, "{moved}");
    }

    #[test]
    fn a_prefix_ends_with_a_line_and_never_inside_a_character() {
        assert_eq!(truncated("가나다", 2), "가나");
        assert_eq!(truncated("가\n나다라", 4), "가\n");
        assert_eq!(truncated("가\n나", 3), "가\n나");
    }

    #[test]
    fn imports_are_found_with_the_lines_that_belong_to_them() {
        let text = "import os\nfrom a import (\n    b,\n    c,\n)\nx = 1\nimportant = 2\n    import no\nuse std::{\n    io,\n};\n";
        let expected = ["import os", "from a import (", "    b,", "    c,", ")", "use std::{", "    io,", "};"];
        assert_eq!(imports(text), expected);
        assert!(imports(&"import a\n".repeat(1000)).len() <= MAX_IMPORTS / 9);
    }
}
