//! Prompt encoding: renders the chat template or the FIM prompt of a request, tokenizes it, and truncates it to the context limit.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::load::{fim_separator, fim_tokens};
use crate::prefix_cache::KvFidelity;
use crate::template::{Segment, Template};
use crate::{BYTES_PER_TOKEN, ChatMessage, ChunkReuse, Error, Prompt, RepoFile, Role, Truncation};

/// Tokens of the context that a prompt leaves free for the answer.
const RESERVED_FOR_ANSWER: usize = 256;

/// A conversation that is too long is truncated in steps of this fraction of the context, rounded up to entire messages: the
/// prompt then has the same prefix over several requests, which is served from the KV cache.
const TRUNCATION_STEP: usize = 8;

/// Encodes prompts for one model.
pub(super) struct PromptEncoder<'model> {
    pub model: &'model LlamaModel,
    pub template: Template,
    /// Context limit in tokens, prompt and answer together.
    pub limit: usize,
}

/// A prompt within the context limit.
pub(super) struct TokenizedPrompt {
    pub tokens: Vec<LlamaToken>,
    /// Number of dropped messages; for a FIM prompt, of dropped files plus truncated ends of the text.
    pub dropped: usize,
    /// Bound on the fidelity of reused KV states.
    pub allowed_reuse: KvFidelity,
}

impl TokenizedPrompt {
    fn new(tokens: Vec<LlamaToken>, dropped: usize) -> Self {
        Self { tokens, dropped, allowed_reuse: KvFidelity::Exact }
    }
}

impl PromptEncoder<'_> {
    /// Encodes a prompt, truncated to the context limit.
    ///
    /// # Errors
    /// [`Error::ContextTooLong`], [`Error::FimUnsupported`], or [`Error::Inference`] if the template fails.
    pub(crate) fn encode(&self, prompt: &Prompt, chunk_reuse: ChunkReuse) -> Result<TokenizedPrompt, Error> {
        let mut encoded = match prompt {
            Prompt::Chat(messages) => self.chat(messages),
            Prompt::Text(text) => self.raw_text(text),
            Prompt::Fim { files, path, prefix, suffix } => self.fim(files, path.as_deref(), prefix, suffix),
        }?;
        let is_truncated = encoded.dropped > 0 || matches!(prompt, Prompt::Fim { .. });
        if is_truncated && chunk_reuse == ChunkReuse::KvShift {
            encoded.allowed_reuse = KvFidelity::Shifted;
        }
        Ok(encoded)
    }

    /// A conversation, without the oldest truncatable messages if it is too long. A user message is dropped with its answer.
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

    /// The messages that fit, counted from the newest, so that the cost of a long conversation is that of the kept part. The cut
    /// is at a multiple of the truncation step from the beginning, so it stays the same over several requests.
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

    /// Raw text, without a chat template.
    fn raw_text(&self, text: &str) -> Result<TokenizedPrompt, Error> {
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        vocab.tokenize_into(text.as_bytes(), &mut tokens, vocab.should_add_bos(), true);
        let limit = self.limit.saturating_sub(1);
        match tokens.len() {
            // A prompt needs at least one token; most models begin a text after EOS.
            0 => Ok(TokenizedPrompt::new(vec![vocab.eos()], 0)),
            count if count > limit => Err(Error::ContextTooLong { tokens: count, limit }),
            _ => Ok(TokenizedPrompt::new(tokens, 0)),
        }
    }

    /// A FIM prompt: repository context, prefix and suffix between the model's FIM tokens. If it is too long, three quarters of the
    /// budget go to the prefix, and the repository context gets what is left.
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
        let (repo_context, dropped_files) = self.repo_context(files, path, budget - suffix_kept - prefix_kept);
        let truncated = usize::from(prefix_kept < prefix.len()) + usize::from(suffix_kept < suffix.len());
        let bos = vocab.should_add_bos().then(|| vocab.bos());
        let mut tokens: Vec<LlamaToken> = bos.into_iter().chain(repo_context).chain([fim_prefix]).collect();
        tokens.extend_from_slice(&prefix[prefix.len() - prefix_kept..]);
        tokens.push(fim_suffix);
        tokens.extend_from_slice(&suffix[..suffix_kept]);
        tokens.push(fim_middle);
        Ok(TokenizedPrompt::new(tokens, truncated + dropped_files))
    }

    /// The repository context of a FIM prompt: other files, and the path of its own, within `budget` tokens. Also returns the
    /// number of dropped files.
    fn repo_context(&self, files: &[RepoFile], path: Option<&str>, budget: usize) -> (Vec<LlamaToken>, usize) {
        let Some(separator) = fim_separator(self.model) else { return (Vec::new(), files.len()) };
        let file = |head: &str| [vec![separator], self.tokenize_text(head)].concat();
        let own = path.map(|path| file(&format!("{path}\n"))).filter(|own| own.len() <= budget).unwrap_or_default();
        let (mut tokens, mut included) = (Vec::new(), 0);
        for RepoFile { path, text } in files {
            let next = file(&format!("{path}\n{text}\n"));
            if tokens.len() + next.len() + own.len() > budget {
                break;
            }
            tokens.extend(next);
            included += 1;
        }
        tokens.extend(own);
        (tokens, files.len() - included)
    }

    /// Renders the chat template and tokenizes it.
    fn tokenize(&self, messages: &[&ChatMessage]) -> Result<Vec<LlamaToken>, Error> {
        // A final assistant message is a partial answer, which is appended verbatim for the model to continue.
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
        // Not twice, if the template has it too.
        if vocab.should_add_bos() && tokens.first() != Some(&vocab.bos()) {
            tokens.insert(0, vocab.bos());
        }
        vocab.tokenize_into(partial.as_bytes(), &mut tokens, false, false);
        Ok(tokens)
    }

    /// Tokenizes a text without parsing control tokens.
    fn tokenize_text(&self, text: &str) -> Vec<LlamaToken> {
        let mut tokens = Vec::new();
        self.model.vocab().tokenize_into(text.as_bytes(), &mut tokens, false, false);
        tokens
    }

    fn count(&self, text: &str) -> usize {
        self.tokenize_text(text).len()
    }
}
