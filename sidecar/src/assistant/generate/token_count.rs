//! Counts the tokens of a question's prompt, without sending it.

use engine::{BYTES_PER_TOKEN, Prompt};

use super::request::GenerationRequest;
use crate::assistant::{Assistant, Error};
use crate::inference::Target;

/// The context usage of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCount {
    /// Tokens of the prompt as it would be sent, without the earlier messages that do not fit.
    pub prompt_tokens: usize,
    /// The context size, for prompt and answer together, in tokens; `None` where a remote server does not report it.
    pub limit: Option<usize>,
    /// Earlier messages that would be left out.
    pub dropped: usize,
    /// Whether the question fits with its code and files.
    pub fits: bool,
    /// Whether the count is exact: by the model's tokenizer. A remote server's tokens are estimated.
    pub exact: bool,
    /// Tokens of each file, in request order.
    pub files: Vec<usize>,
}

impl Assistant {
    /// Builds the prompt of a question, and counts its tokens.
    ///
    /// # Errors
    /// What is wrong with the question, or why no model can count its tokens.
    pub async fn count_tokens(&self, owner: &str, request: GenerationRequest) -> Result<TokenCount, Error> {
        let (target, prompt) = self.build_request(owner, &request, String::new()).await?;
        let count = self.count_prompt(&target, prompt.prompt).await?;
        let mut files = Vec::with_capacity(request.files.len());
        for file in request.files {
            files.push(self.count_prompt(&target, Prompt::Text(file.content)).await?.prompt_tokens);
        }
        Ok(TokenCount { files, ..count })
    }

    async fn count_prompt(&self, target: &Target, prompt: Prompt) -> Result<TokenCount, Error> {
        let estimate = bytes(&prompt).div_ceil(BYTES_PER_TOKEN);
        let count = TokenCount {
            prompt_tokens: 0,
            limit: target.context(),
            dropped: 0,
            fits: true,
            exact: true,
            files: Vec::new(),
        };
        match self.router.count(target, prompt).await {
            Some(Ok(engine::PromptTokens { tokens, dropped })) => {
                Ok(TokenCount { prompt_tokens: tokens, dropped, ..count })
            }
            Some(Err(engine::Error::ContextTooLong { tokens, .. })) => {
                Ok(TokenCount { prompt_tokens: tokens, fits: false, ..count })
            }
            Some(Err(error)) => Err(error.into()),
            None => Ok(TokenCount { prompt_tokens: estimate, exact: false, ..count }),
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
