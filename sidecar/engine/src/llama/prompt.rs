//! From what a request says to the tokens that the model reads, and what has to be left out for want of room.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::load::{fim_separator, fim_tokens};
use crate::prefix_cache::KvFidelity;
use crate::template::{Segment, Template};
use crate::{BYTES_PER_TOKEN, ChatMessage, ChunkReuse, Error, Prompt, RepoFile, Role, Truncation};

/// Room for an answer that a prompt has to leave free, in tokens.
const RESERVED_FOR_ANSWER: usize = 256;

/// Where a conversation is too long, this part of what fits is left out at a time, rounded up to whole messages: the beginning of the
/// prompt then stays the same over several questions, and need not be read again for each.
const TRUNCATION_STEP: usize = 8;

/// Lays out prompts for one model.
pub(super) struct PromptEncoder<'model> {
    pub model: &'model LlamaModel,
    pub template: Template,
    /// Tokens that prompt and answer may have together.
    pub limit: usize,
}

/// A prompt that fits.
pub(super) struct TokenizedPrompt {
    pub tokens: Vec<LlamaToken>,
    /// Messages that were left out, or ends that were cut.
    pub dropped: usize,
    /// How what was read of other texts may be used for it.
    pub allowed_reuse: KvFidelity,
}

impl TokenizedPrompt {
    fn new(tokens: Vec<LlamaToken>, dropped: usize) -> Self {
        Self { tokens, dropped, allowed_reuse: KvFidelity::Exact }
    }
}

impl PromptEncoder<'_> {
    /// Lays out a prompt.
    pub fn encode(&self, prompt: &Prompt, chunk_reuse: ChunkReuse) -> Result<TokenizedPrompt, Error> {
        let mut encoded = match prompt {
            Prompt::Chat(messages) => self.chat(messages),
            Prompt::Text(text) => self.raw_text(text),
            Prompt::Fim { files, path, prefix, suffix } => self.fim(files, path.as_deref(), prefix, suffix),
        }?;
        let cut = encoded.dropped > 0 || matches!(prompt, Prompt::Fim { .. });
        if cut && chunk_reuse == ChunkReuse::KvShift {
            encoded.allowed_reuse = KvFidelity::Shifted;
        }
        Ok(encoded)
    }

    /// The prompt without as many of the messages that may be left out as needed, oldest first; a question goes with its answer.
    fn chat(&self, messages: &[ChatMessage]) -> Result<TokenizedPrompt, Error> {
        let limit = self.limit.saturating_sub(RESERVED_FOR_ANSWER);
        let total_bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let mut kept: Vec<&ChatMessage> = messages.iter().collect();
        if total_bytes > limit * BYTES_PER_TOKEN * 2 {
            kept = self.truncate_history(messages, limit);
        }
        loop {
            let tokens = self.tokenize(&kept)?;
            if tokens.len() <= limit {
                return Ok(TokenizedPrompt::new(tokens, messages.len() - kept.len()));
            }
            let before = kept.len();
            if before == messages.len() {
                kept = self.truncate_history(messages, limit);
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
    fn truncate_history<'m>(&self, messages: &'m [ChatMessage], limit: usize) -> Vec<&'m ChatMessage> {
        let is_truncatable = |message: &&ChatMessage| message.truncation == Truncation::Allowed;
        let fixed: usize = messages
            .iter()
            .filter(|message| !is_truncatable(message))
            .map(|message| self.count(&message.content))
            .sum();
        let old: Vec<&ChatMessage> = messages.iter().filter(is_truncatable).collect();
        let (mut budget, mut first) = (limit.saturating_sub(fixed), old.len());
        while first > 0 {
            let Some(rest) = budget.checked_sub(self.count(&old[first - 1].content)) else { break };
            (budget, first) = (rest, first - 1);
        }
        let mut dropped: usize = old[..first].iter().map(|message| message.content.len()).sum();
        let step = (limit * BYTES_PER_TOKEN / TRUNCATION_STEP).max(1);
        let target = dropped.next_multiple_of(step);
        while let Some(next) = old.get(first).map(|message| message.content.len())
            && (dropped < target && next <= step || first > 0 && old[first].role == Role::Assistant)
        {
            dropped += next;
            first += 1;
        }
        let mut left = first;
        let is_kept = |message: &&ChatMessage| {
            let is_dropped = is_truncatable(message) && left > 0;
            left -= usize::from(is_dropped);
            !is_dropped
        };
        messages.iter().filter(is_kept).collect()
    }

    /// A text as it is.
    fn raw_text(&self, text: &str) -> Result<TokenizedPrompt, Error> {
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        vocab.tokenize_into(text.as_bytes(), &mut tokens, vocab.should_add_bos(), true);
        let limit = self.limit.saturating_sub(1);
        match tokens.len() {
            // There is nothing to go on from; most models begin a text after their end mark.
            0 => Ok(TokenizedPrompt::new(vec![vocab.eos()], 0)),
            count if count > limit => Err(Error::ContextTooLong { tokens: count, limit }),
            _ => Ok(TokenizedPrompt::new(tokens, 0)),
        }
    }

    /// A text with a gap, between the marks that the model was trained with. Where it is too long, three quarters of the room go
    /// to what stands before the gap, and other files get what is left.
    fn fim(
        &self,
        files: &[RepoFile],
        path: Option<&str>,
        prefix: &str,
        suffix: &str,
    ) -> Result<TokenizedPrompt, Error> {
        let vocab = self.model.vocab();
        let Some([fim_prefix, fim_suffix, fim_middle]) = fim_tokens(self.model) else {
            return Err(Error::FimUnsupported);
        };
        let (prefix, suffix) = (self.tokenize_text(prefix), self.tokenize_text(suffix));
        let budget = self.limit.saturating_sub(RESERVED_FOR_ANSWER + 4);
        let suffix_kept = suffix.len().min((budget / 4).max(budget.saturating_sub(prefix.len())));
        let prefix_kept = prefix.len().min(budget - suffix_kept);
        let (repo_context, left_out) = self.repo_context(files, path, budget - suffix_kept - prefix_kept);
        let cut = usize::from(prefix_kept < prefix.len()) + usize::from(suffix_kept < suffix.len());
        let bos = vocab.should_add_bos().then(|| vocab.bos());
        let mut tokens: Vec<LlamaToken> = bos.into_iter().chain(repo_context).chain([fim_prefix]).collect();
        tokens.extend_from_slice(&prefix[prefix.len() - prefix_kept..]);
        tokens.push(fim_suffix);
        tokens.extend_from_slice(&suffix[..suffix_kept]);
        tokens.push(fim_middle);
        Ok(TokenizedPrompt::new(tokens, cut + left_out))
    }

    /// What stands before a text with a gap: other files, and the path of its own. As many files as there is `room` for, in tokens;
    /// also, how many were left out.
    fn repo_context(&self, files: &[RepoFile], path: Option<&str>, budget: usize) -> (Vec<LlamaToken>, usize) {
        let Some(separator) = fim_separator(self.model) else { return (Vec::new(), files.len()) };
        let file = |head: &str| [vec![separator], self.tokenize_text(head)].concat();
        let own = path.map(|path| file(&format!("{path}\n"))).filter(|own| own.len() <= budget).unwrap_or_default();
        let (mut tokens, mut shown) = (Vec::new(), 0);
        for RepoFile { path, text } in files {
            let next = file(&format!("{path}\n{text}\n"));
            if tokens.len() + next.len() + own.len() > budget {
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
        let (messages, partial) = match messages.split_last() {
            Some((last, before)) if last.role == Role::Assistant => (before, last.content.as_str()),
            _ => (messages, ""),
        };
        let segments = self.template.render(messages).map_err(|error| Error::Inference(error.to_string()))?;
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        for segment in &segments {
            match segment {
                Segment::Control(text) => vocab.tokenize_into(text.as_bytes(), &mut tokens, false, true),
                Segment::Content(text) => vocab.tokenize_into(text.as_bytes(), &mut tokens, false, false),
            }
        }
        // A template that writes the first token itself must not get it twice.
        if vocab.should_add_bos() && tokens.first() != Some(&vocab.bos()) {
            tokens.insert(0, vocab.bos());
        }
        vocab.tokenize_into(partial.as_bytes(), &mut tokens, false, false);
        Ok(tokens)
    }

    /// Tokens of a text in which no control token is meant.
    fn tokenize_text(&self, text: &str) -> Vec<LlamaToken> {
        let mut tokens = Vec::new();
        self.model.vocab().tokenize_into(text.as_bytes(), &mut tokens, false, false);
        tokens
    }

    fn count(&self, text: &str) -> usize {
        self.tokenize_text(text).len()
    }
}
