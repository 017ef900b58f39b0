//! How much room a question would take in the model's window, without asking it.

use engine::{BYTES_PER_TOKEN, Prompt};

use super::ask::Ask;
use crate::app::App;
use crate::backend::Candidate;
use crate::error::Error;

/// What a question takes of the model's window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Tokens of the whole prompt, without what would be left out of it.
    pub prompt_tokens: usize,
    /// Tokens that prompt and answer may have together; `None` if it is unknown.
    pub limit: Option<usize>,
    /// Earlier messages that would be left out.
    pub dropped: usize,
    /// Whether the question with its code and files has room at all.
    pub fits: bool,
    /// Whether the model itself has counted; a remote server's tokens are estimated.
    pub exact: bool,
    /// Tokens of each file, in their order.
    pub files: Vec<usize>,
}

impl App {
    /// Lays the prompt of a question out, and counts.
    ///
    /// # Errors
    /// What is wrong with the question, or why no model can count.
    pub async fn measure(&self, owner: &str, ask: Ask) -> Result<Measure, Error> {
        let (candidate, request) = self.lay_out(owner, &ask, String::new()).await?;
        let room = self.room(&candidate, request.prompt).await?;
        let mut files = Vec::with_capacity(ask.files.len());
        for file in ask.files {
            files.push(self.room(&candidate, Prompt::Text(file.content)).await?.prompt_tokens);
        }
        Ok(Measure { files, ..room })
    }

    async fn room(&self, candidate: &Candidate, prompt: Prompt) -> Result<Measure, Error> {
        let limit = candidate.model.context.map(|tokens| tokens as usize);
        let estimate = bytes(&prompt).div_ceil(BYTES_PER_TOKEN);
        let counted = Measure { prompt_tokens: 0, limit, dropped: 0, fits: true, exact: true, files: Vec::new() };
        match self.backend.count(candidate, prompt).await {
            Some(Ok(engine::PromptTokens { tokens, dropped })) => {
                Ok(Measure { prompt_tokens: tokens, dropped, ..counted })
            }
            Some(Err(engine::Error::ContextTooLong { tokens, .. })) => {
                Ok(Measure { prompt_tokens: tokens, fits: false, ..counted })
            }
            Some(Err(error)) => Err(error.into()),
            None => Ok(Measure { prompt_tokens: estimate, exact: false, ..counted }),
        }
    }
}

fn bytes(prompt: &Prompt) -> usize {
    match prompt {
        Prompt::Chat(messages) => messages.iter().map(|message| message.content.len()).sum(),
        Prompt::Text(text) => text.len(),
        Prompt::Fim { prefix, suffix, .. } => prefix.len() + suffix.len(),
    }
}
