//! Generates code: builds the prompt of a question, sends it to the model, splits the answer and stores both.

pub mod enhanced;
pub mod markdown_splitter;
pub mod prompt;
mod recorder;
pub mod request;
pub mod review;
pub mod task;
pub mod token_count;

use std::collections::VecDeque;
use std::time::Instant;

use engine::{Priority, Request};

pub use self::markdown_splitter::BlockStart;
use self::markdown_splitter::Splitter;
use self::prompt::PromptContext;
use self::recorder::{AcceptedRequest, CachedAnswer, ContextUsage, PartialAnswer, StreamRecorder};
pub use self::request::{ContextFile, GenerationRequest};
use self::review::Finding;
pub use self::task::ModelType;
use super::{Assistant, Error};
use crate::base::i18n::LocalizedText;
use crate::base::validation::ValidationErrors;
use crate::inference::response_cache::{CacheKind, CacheLookup, CachePolicy, Source};
use crate::inference::{Event as StreamEvent, EventStream, ModelIdentity, Target};
use crate::store::{self, ConversationRef, Finish, NewMessage};

/// An accepted question. Dropping it stops the model at its next step; what was generated so far is stored.
#[derive(Debug)]
pub struct Generation {
    /// Metadata that is known before the first token.
    pub start: GenerationStart,
    events: Events,
}

/// The source of a generation's events.
#[derive(Debug)]
enum Events {
    /// The model generates them.
    Live(Box<StreamRecorder>),
    /// The answer was cached.
    Cached(VecDeque<Event>),
}

impl Generation {
    /// The next event; `None` after [`Event::Done`] or [`Event::Failed`]. Cancel-safe: no event is lost when the future
    /// is dropped.
    pub async fn next(&mut self) -> Event {
        match &mut self.events {
            Events::Live(recorder) => recorder.next().await,
            Events::Cached(events) => events.pop_front().unwrap_or(Event::Failed(engine::Error::EngineStopped.into())),
        }
    }
}

/// Metadata that is known once the model has accepted the prompt.
#[derive(Debug, Clone)]
pub struct GenerationStart {
    /// The conversation that contains the question.
    pub conversation_id: String,
    /// The question's own id.
    pub message_id: String,
    /// The model that answers.
    pub identity: ModelIdentity,
}

/// What a generation yields.
#[derive(Debug)]
pub enum Event {
    /// The next piece of code.
    Code {
        /// The text, never empty.
        text: String,
        /// The block that starts with this piece.
        opens: Option<BlockStart>,
    },
    /// The next piece of explanation, markdown.
    Explanation(String),
    /// The answer is complete.
    Done(Box<GenerationResult>),
    /// The answer ends early.
    Failed(Error),
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct GenerationResult {
    /// The answer, markdown.
    pub answer: String,
    /// The code in it.
    pub generated_code: String,
    /// The rest of it.
    pub explanation: String,
    /// Why it ended.
    pub finish: Finish,
    /// Whether it was cached, or generated for another request.
    pub cached: bool,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer.
    pub completion_tokens: usize,
    /// The context size, for prompt and answer together, in tokens; `None` where a remote server does not report it.
    pub limit: Option<usize>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: usize,
    /// Seconds from the request to the last token.
    pub processing_time: f64,
    /// Seconds from the request to the first token (TTFT).
    pub time_to_first_token: Option<f64>,
    /// Decode speed, in tokens per second.
    pub tokens_per_second: Option<f64>,
}

/// Maximum number of earlier messages in a prompt; no context holds more, since each takes ten tokens or more.
const MAX_HISTORY: i64 = 2000;

/// Maximum length of a conversation's title, in characters.
const MAX_TITLE: usize = 80;

impl Assistant {
    /// Sends a question to the model. Returns when the prompt was accepted, before the first token.
    ///
    /// # Errors
    /// What is wrong with the question, or why the model cannot take it.
    pub async fn generate(&self, owner: &str, mut request: GenerationRequest) -> Result<Generation, Error> {
        self.require_running()?;
        let requested_at = Instant::now();
        let resumed = self.resume_target(owner, &mut request).await?;
        let partial = resumed.as_ref().map(PartialAnswer::of).unwrap_or_default();
        let (target, prompt) = self.build_request(owner, &request, partial.answer.clone()).await?;
        let policy = if request.use_cache { CachePolicy::Use } else { CachePolicy::Bypass };
        let key = prompt::key(&prompt, &request, &target);
        let lookup = CacheLookup { kind: CacheKind::Generation, key, model: target.identity(), policy };
        let mut stream = match self.cache.get(&lookup) {
            Some(stream) => stream,
            None => self.cache.share(lookup, self.router.submit(&target, prompt)?),
        };
        let StreamEvent::Accepted(accepted) = stream.next_within(&self.wait_limits()).await? else {
            return Err(engine::Error::EngineStopped.into());
        };
        let identity = accepted.model;
        let context =
            ContextUsage { prompt_tokens: accepted.prompt_tokens, limit: accepted.limit, dropped: accepted.dropped };
        let splitter = Splitter::of(request.kind.shape(), &request.language);
        let (conversation_id, message_id) = match resumed {
            Some(message) => (message.conversation_id, message.id),
            None => {
                let mut message = new_message(owner, &request, &identity);
                if stream.source == Source::Cached {
                    // Question and answer are stored together, before the client receives any of them.
                    let cached = CachedAnswer::collect(stream, splitter, requested_at, &context).await;
                    let cached = cached.ok_or(engine::Error::EngineStopped)?;
                    message.answer = Some(cached.progress);
                    let (conversation_id, message_id) = self.store.add_message(message).await?;
                    let start = GenerationStart { conversation_id, message_id, identity };
                    return Ok(Generation { start, events: Events::Cached(cached.events) });
                }
                self.store.add_message(message).await?
            }
        };
        let start = GenerationStart { conversation_id, message_id: message_id.clone(), identity };
        let accepted = AcceptedRequest { kind: request.kind, message_id, requested_at, context, partial };
        let recorder = StreamRecorder::new(self.clone(), accepted, splitter, stream);
        Ok(Generation { start, events: Events::Live(Box::new(recorder)) })
    }

    /// Selects a model and builds the request for it; the answer continues after `partial`.
    async fn build_request(
        &self,
        owner: &str,
        request: &GenerationRequest,
        partial: String,
    ) -> Result<(Target, Request), Error> {
        let history = self.history(owner, request).await?;
        let profile = self.profiles.get(owner).await?.with(request.profile.clone());
        let target = self.router.select(Priority::Chat).await?;
        let diagnostics = diagnostics(request).await;
        let context = PromptContext { history, diagnostics, partial_answer: partial };
        Ok((target, prompt::build(request, &profile, &context)))
    }

    /// The message whose answer is continued, if the request names one; its question becomes that of the request.
    async fn resume_target(
        &self,
        owner: &str,
        request: &mut GenerationRequest,
    ) -> Result<Option<store::Message>, Error> {
        let Some(id) = &request.continues else { return Ok(None) };
        if request.replaces.is_some() {
            return Err(Error::ReplacesAndContinues);
        }
        let conversation = self.require_conversation(owner, request, "continues").await?;
        let latest = self.store.latest(&conversation).await?.filter(|message| message.id == *id);
        let Some(message) = latest else {
            let what = LocalizedText::new(
                "이 대화의 마지막 메시지가 아닙니다",
                "is not the last message of this conversation",
            );
            return Err(Error::ReferenceNotFound(ValidationErrors::field("continues", what)));
        };
        if matches!(message.finish.as_deref(), None | Some("stop")) {
            return Err(Error::NotResumable);
        }
        request.kind = ModelType::of(&message.kind).unwrap_or_default();
        request.question.clone_from(&message.question);
        request.code_context.clone_from(&message.code_context);
        request.files = ContextFile::from_json(message.files.as_deref());
        request.language.clone_from(&message.language);
        Ok(Some(message))
    }

    /// The thread so far, up to the message that is replaced or continued, if there is one.
    async fn history(&self, owner: &str, request: &GenerationRequest) -> Result<Vec<store::Message>, Error> {
        if request.conversation_id.is_none() && request.replaces.is_none() {
            return Ok(Vec::new());
        }
        let id = self.require_conversation(owner, request, "replaces").await?;
        if let Some(replaced) = &request.replaces
            && !self.store.in_thread(&id, replaced).await?
        {
            let what = LocalizedText::new("이 대화에 없는 메시지입니다", "is not a message of this conversation");
            return Err(Error::ReferenceNotFound(ValidationErrors::field("replaces", what)));
        }
        let before = request.replaces.as_deref().or(request.continues.as_deref());
        Ok(self.store.thread(&id, before, MAX_HISTORY).await?)
    }

    /// The conversation of a request, which is required by its field `field`.
    async fn require_conversation(
        &self,
        owner: &str,
        request: &GenerationRequest,
        field: &str,
    ) -> Result<String, Error> {
        let unknown = |field: &str, what: LocalizedText| Error::ReferenceNotFound(ValidationErrors::field(field, what));
        let Some(id) = &request.conversation_id else {
            return Err(unknown(field, LocalizedText::new("conversation_id가 필요합니다", "needs a conversation_id")));
        };
        if self.store.conversation(owner, id).await?.is_none() {
            return Err(unknown(
                "conversation_id",
                LocalizedText::new("존재하지 않는 대화입니다", "is not a conversation of yours"),
            ));
        }
        Ok(id.clone())
    }
}

/// The row of an accepted question.
fn new_message(owner: &str, request: &GenerationRequest, identity: &ModelIdentity) -> NewMessage {
    let conversation = match &request.conversation_id {
        Some(id) => ConversationRef::Existing { id: id.clone(), replaces: request.replaces.clone() },
        None => ConversationRef::New { title: title(&request.question) },
    };
    NewMessage {
        conversation,
        owner: owner.to_owned(),
        question: request.question.clone(),
        kind: request.kind.as_str(),
        code_context: request.code_context.clone(),
        files: ContextFile::to_json(&request.files),
        language: request.language.clone(),
        model: identity.model.clone(),
        backend: identity.backend.as_str(),
        answer: None,
    }
}

/// The linter's diagnostics of the code, for the tasks that use them.
async fn diagnostics(request: &GenerationRequest) -> Vec<Finding> {
    let file = || request.files.first().map(|file| file.content.clone());
    let code = request.code_context.clone().or_else(file).filter(|_| request.kind.uses_diagnostics());
    let Some(code) = code else { return Vec::new() };
    let language = request.language.clone();
    let findings = tokio::task::spawn_blocking(move || review::lint(&code, &language));
    findings.await.expect("checking code does not panic, and is not cancelled")
}

/// The first line of a question, shortened at a word.
fn title(question: &str) -> String {
    let line = question.trim().lines().next().unwrap_or_default().trim();
    if line.chars().count() <= MAX_TITLE {
        return line.to_owned();
    }
    let cut: String = line.chars().take(MAX_TITLE).collect();
    let words_only = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{words_only}…")
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_title_is_the_first_line_and_ends_at_a_word() {
        assert_eq!(title("  중복 제거\n자세히"), "중복 제거");
        let long = title(&"가나다 ".repeat(60));
        assert!(long.chars().count() <= 81 && long.ends_with("가나다…"), "{long}");
    }
}
