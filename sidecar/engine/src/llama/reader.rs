//! From what a request says to the tokens that the model reads, and what has to be left out for want of room.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::load::{file_mark, fill_marks};
use crate::template::{Part, Template};
use crate::{Error, File, Keep, Message, Prompt, Role};

/// Room for an answer that a prompt has to leave free, in tokens.
const ANSWER_ROOM: usize = 256;

/// Lays out prompts for one model.
pub(super) struct Reader<'model> {
    pub model: &'model LlamaModel,
    pub template: Template,
    /// Tokens that prompt and answer may have together.
    pub limit: usize,
}

/// A prompt that fits.
pub(super) struct Laid {
    pub tokens: Vec<LlamaToken>,
    /// Messages that were left out, or ends that were cut.
    pub dropped: usize,
}

impl Reader<'_> {
    /// Lays out a prompt.
    pub fn read(&self, prompt: &Prompt) -> Result<Laid, Error> {
        match prompt {
            Prompt::Chat(messages) => self.chat(messages),
            Prompt::Text(text) => self.text(text),
            Prompt::Fill { files, path, prefix, suffix } => self.fill(files, path.as_deref(), prefix, suffix),
        }
    }

    /// The prompt without as many of the messages that may be left out as needed, oldest first; a question goes with its answer.
    fn chat(&self, messages: &[Message]) -> Result<Laid, Error> {
        let limit = self.limit.saturating_sub(ANSWER_ROOM);
        let mut kept: Vec<&Message> = messages.iter().collect();
        loop {
            let tokens = self.tokenize(&kept)?;
            if tokens.len() <= limit {
                return Ok(Laid { tokens, dropped: messages.len() - kept.len() });
            }
            let mut over = tokens.len() - limit;
            let before = kept.len();
            while over > 0
                && let Some(oldest) = kept.iter().position(|message| message.keep == Keep::IfRoom)
            {
                over = over.saturating_sub(self.count(&kept.remove(oldest).content));
                while kept.get(oldest).is_some_and(|next| next.keep == Keep::IfRoom && next.role == Role::Assistant) {
                    over = over.saturating_sub(self.count(&kept.remove(oldest).content));
                }
            }
            if kept.len() == before {
                return Err(Error::ContextTooLong { tokens: tokens.len(), limit });
            }
        }
    }

    /// A text as it is.
    fn text(&self, text: &str) -> Result<Laid, Error> {
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        vocab.tokenize_into(text.as_bytes(), &mut tokens, vocab.should_add_bos(), true);
        let limit = self.limit.saturating_sub(1);
        match tokens.len() {
            // There is nothing to go on from; most models begin a text after their end mark.
            0 => Ok(Laid { tokens: vec![vocab.eos()], dropped: 0 }),
            count if count > limit => Err(Error::ContextTooLong { tokens: count, limit }),
            _ => Ok(Laid { tokens, dropped: 0 }),
        }
    }

    /// A text with a gap, between the marks that the model was trained with. Where it is too long, three quarters of the room go
    /// to what stands before the gap, and other files get what is left.
    fn fill(&self, files: &[File], path: Option<&str>, prefix: &str, suffix: &str) -> Result<Laid, Error> {
        let vocab = self.model.vocab();
        let Some([before, after, gap]) = fill_marks(self.model) else { return Err(Error::CannotFill) };
        let (prefix, suffix) = (self.plain(prefix), self.plain(suffix));
        let room = self.limit.saturating_sub(ANSWER_ROOM + 4);
        let suffix_kept = suffix.len().min((room / 4).max(room.saturating_sub(prefix.len())));
        let prefix_kept = prefix.len().min(room - suffix_kept);
        let (beside, left_out) = self.beside(files, path, room - suffix_kept - prefix_kept);
        let cut = usize::from(prefix_kept < prefix.len()) + usize::from(suffix_kept < suffix.len());
        let bos = vocab.should_add_bos().then(|| vocab.bos());
        let mut tokens: Vec<LlamaToken> = bos.into_iter().chain(beside).chain([before]).collect();
        tokens.extend_from_slice(&prefix[prefix.len() - prefix_kept..]);
        tokens.push(after);
        tokens.extend_from_slice(&suffix[..suffix_kept]);
        tokens.push(gap);
        Ok(Laid { tokens, dropped: cut + left_out })
    }

    /// What stands before a text with a gap: other files, and the path of its own. As many files as there is `room` for, in tokens;
    /// also, how many were left out.
    fn beside(&self, files: &[File], path: Option<&str>, room: usize) -> (Vec<LlamaToken>, usize) {
        let Some(mark) = file_mark(self.model) else { return (Vec::new(), files.len()) };
        let file = |head: &str| [vec![mark], self.plain(head)].concat();
        let own = path.map(|path| file(&format!("{path}\n"))).filter(|own| own.len() <= room).unwrap_or_default();
        let (mut tokens, mut shown) = (Vec::new(), 0);
        for File { path, text } in files {
            let next = file(&format!("{path}\n{text}\n"));
            if tokens.len() + next.len() + own.len() > room {
                break;
            }
            tokens.extend(next);
            shown += 1;
        }
        tokens.extend(own);
        (tokens, files.len() - shown)
    }

    fn tokenize(&self, messages: &[&Message]) -> Result<Vec<LlamaToken>, Error> {
        let parts = self.template.render(messages).map_err(|error| Error::Broken(error.to_string()))?;
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        for part in &parts {
            match part {
                Part::Control(text) => vocab.tokenize_into(text.as_bytes(), &mut tokens, false, true),
                Part::Content(text) => vocab.tokenize_into(text.as_bytes(), &mut tokens, false, false),
            }
        }
        // A template that writes the first token itself must not get it twice.
        if vocab.should_add_bos() && tokens.first() != Some(&vocab.bos()) {
            tokens.insert(0, vocab.bos());
        }
        Ok(tokens)
    }

    /// Tokens of a text in which no control token is meant.
    fn plain(&self, text: &str) -> Vec<LlamaToken> {
        let mut tokens = Vec::new();
        self.model.vocab().tokenize_into(text.as_bytes(), &mut tokens, false, false);
        tokens
    }

    fn count(&self, text: &str) -> usize {
        self.plain(text).len()
    }
}
