//! From what a request says to the tokens that the model reads, and what has to be left out for want of room.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::load::{file_mark, fill_marks};
use crate::prefix_cache::KvFidelity;
use crate::template::{Part, Template};
use crate::{ChatMessage, ChunkReuse, Error, Prompt, RepoFile, Request, Role, Truncation};

/// Room for an answer that a prompt has to leave free, in tokens.
const ANSWER_ROOM: usize = 256;

/// Where a conversation is too long, this part of what fits is left out at a time, rounded up to whole messages: the beginning of the
/// prompt then stays the same over several questions, and need not be read again for each.
const DROPPED_AT_A_TIME: usize = 8;

/// Bytes that make a token, roughly.
const BYTES_OF_TOKEN: usize = 4;

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
    /// How what was read of other texts may be used for it.
    pub likeness: KvFidelity,
}

impl Laid {
    fn new(tokens: Vec<LlamaToken>, dropped: usize) -> Self {
        Self { tokens, dropped, likeness: KvFidelity::Exact }
    }
}

impl Reader<'_> {
    /// Lays out a prompt.
    pub fn read(&self, request: &Request) -> Result<Laid, Error> {
        let mut laid = match &request.prompt {
            Prompt::Chat(messages) => self.chat(messages),
            Prompt::Text(text) => self.text(text),
            Prompt::Fim { files, path, prefix, suffix } => self.fill(files, path.as_deref(), prefix, suffix),
        }?;
        let cut = laid.dropped > 0 || matches!(request.prompt, Prompt::Fim { .. });
        if cut && request.chunk_reuse == ChunkReuse::KvShift {
            laid.likeness = KvFidelity::Shifted;
        }
        Ok(laid)
    }

    /// The prompt without as many of the messages that may be left out as needed, oldest first; a question goes with its answer.
    fn chat(&self, messages: &[ChatMessage]) -> Result<Laid, Error> {
        let limit = self.limit.saturating_sub(ANSWER_ROOM);
        let written: usize = messages.iter().map(|message| message.content.len()).sum();
        let mut kept: Vec<&ChatMessage> = messages.iter().collect();
        if written > limit * BYTES_OF_TOKEN * 2 {
            kept = self.recent(messages, limit);
        }
        loop {
            let tokens = self.tokenize(&kept)?;
            if tokens.len() <= limit {
                return Ok(Laid::new(tokens, messages.len() - kept.len()));
            }
            let before = kept.len();
            if before == messages.len() {
                kept = self.recent(messages, limit);
            }
            if kept.len() == before {
                let Some(oldest) = kept.iter().position(|message| message.truncation == Truncation::Allowed) else {
                    return Err(Error::ContextTooLong { tokens: tokens.len(), limit });
                };
                kept.remove(oldest);
                while kept
                    .get(oldest)
                    .is_some_and(|next| next.truncation == Truncation::Allowed && next.role == Role::Assistant)
                {
                    kept.remove(oldest);
                }
            }
        }
    }

    /// The messages without the oldest, where not all fit: counted from the newest, so that a long conversation costs no more than
    /// what is kept of it. The cut is where a certain amount has been written since the beginning, and stays there for a while.
    fn recent<'m>(&self, messages: &'m [ChatMessage], limit: usize) -> Vec<&'m ChatMessage> {
        let may_go = |message: &&ChatMessage| message.truncation == Truncation::Allowed;
        let fixed: usize =
            messages.iter().filter(|message| !may_go(message)).map(|message| self.count(&message.content)).sum();
        let old: Vec<&ChatMessage> = messages.iter().filter(may_go).collect();
        let (mut room, mut first) = (limit.saturating_sub(fixed), old.len());
        while first > 0 {
            let Some(rest) = room.checked_sub(self.count(&old[first - 1].content)) else { break };
            (room, first) = (rest, first - 1);
        }
        let mut dropped: usize = old[..first].iter().map(|message| message.content.len()).sum();
        let at_a_time = (limit * BYTES_OF_TOKEN / DROPPED_AT_A_TIME).max(1);
        let enough = dropped.next_multiple_of(at_a_time);
        while let Some(next) = old.get(first).map(|message| message.content.len())
            && (dropped < enough && next <= at_a_time || first > 0 && old[first].role == Role::Assistant)
        {
            dropped += next;
            first += 1;
        }
        let mut left = first;
        let stays = |message: &&ChatMessage| {
            let goes = may_go(message) && left > 0;
            left -= usize::from(goes);
            !goes
        };
        messages.iter().filter(stays).collect()
    }

    /// A text as it is.
    fn text(&self, text: &str) -> Result<Laid, Error> {
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        vocab.tokenize_into(text.as_bytes(), &mut tokens, vocab.should_add_bos(), true);
        let limit = self.limit.saturating_sub(1);
        match tokens.len() {
            // There is nothing to go on from; most models begin a text after their end mark.
            0 => Ok(Laid::new(vec![vocab.eos()], 0)),
            count if count > limit => Err(Error::ContextTooLong { tokens: count, limit }),
            _ => Ok(Laid::new(tokens, 0)),
        }
    }

    /// A text with a gap, between the marks that the model was trained with. Where it is too long, three quarters of the room go
    /// to what stands before the gap, and other files get what is left.
    fn fill(&self, files: &[RepoFile], path: Option<&str>, prefix: &str, suffix: &str) -> Result<Laid, Error> {
        let vocab = self.model.vocab();
        let Some([before, after, gap]) = fill_marks(self.model) else { return Err(Error::FimUnsupported) };
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
        Ok(Laid::new(tokens, cut + left_out))
    }

    /// What stands before a text with a gap: other files, and the path of its own. As many files as there is `room` for, in tokens;
    /// also, how many were left out.
    fn beside(&self, files: &[RepoFile], path: Option<&str>, room: usize) -> (Vec<LlamaToken>, usize) {
        let Some(mark) = file_mark(self.model) else { return (Vec::new(), files.len()) };
        let file = |head: &str| [vec![mark], self.plain(head)].concat();
        let own = path.map(|path| file(&format!("{path}\n"))).filter(|own| own.len() <= room).unwrap_or_default();
        let (mut tokens, mut shown) = (Vec::new(), 0);
        for RepoFile { path, text } in files {
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

    fn tokenize(&self, messages: &[&ChatMessage]) -> Result<Vec<LlamaToken>, Error> {
        // Words of the model at the end are a beginning that it goes on with, exactly as they are.
        let (messages, begun) = match messages.split_last() {
            Some((last, before)) if last.role == Role::Assistant => (before, last.content.as_str()),
            _ => (messages, ""),
        };
        let parts = self.template.render(messages).map_err(|error| Error::Inference(error.to_string()))?;
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
        vocab.tokenize_into(begun.as_bytes(), &mut tokens, false, false);
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
