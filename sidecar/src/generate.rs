//! Turning a question into code: check it, lay out the prompt, ask the model, split its answer, keep both.

pub mod ask;
pub mod enhanced;
pub mod findings;
pub mod kind;
pub mod measure;
pub mod profile;
pub mod prompt;
mod record;
pub mod split;

use std::time::Instant;

use engine::{Priority, Request};
use tokio::sync::mpsc;
use tracing::Instrument;

pub use self::ask::{Ask, ContextFile};
use self::findings::Finding;
pub use self::kind::ModelType;
use self::prompt::Ground;
use self::record::{Accepted, Begun, Recording, Room, Whole};
pub use self::split::Opened;
use self::split::Splitter;
use crate::answers::{Kind, Origin, Question, Reuse};
use crate::app::App;
use crate::backend::{Candidate, Voice};
use crate::error::{Error, Invalid, Message};
use crate::store::{self, Finish, NewMessage, Thread};

/// An accepted question. Dropping it stops the model at its next step; what was said so far is kept.
#[derive(Debug)]
pub struct Generation {
    /// What the caller is told first.
    pub start: Start,
    /// What follows; the last one is [`Event::Done`] or [`Event::Failed`].
    events: mpsc::Receiver<Event>,
}

impl Generation {
    /// The next event. Nothing follows [`Event::Done`] and [`Event::Failed`], so it must not be asked for then.
    pub async fn next(&mut self) -> Event {
        // The recording always says how it ended, unless it died.
        let died = || Event::Failed(Error::Internal("the task of a generation ended without a word".into()));
        self.events.recv().await.unwrap_or_else(died)
    }
}

/// What is known when the model has accepted the prompt.
#[derive(Debug, Clone)]
pub struct Start {
    /// The conversation that the question became part of.
    pub conversation_id: String,
    /// The question's own id.
    pub message_id: String,
    /// Who answers.
    pub voice: Voice,
}

/// What a generation yields.
#[derive(Debug)]
pub enum Event {
    /// The next piece of code. `opens` tells of a new block.
    Code {
        /// The text, never empty.
        text: String,
        /// The block that begins with this piece.
        opens: Option<Opened>,
    },
    /// The next piece of explanation, markdown.
    Explanation(String),
    /// The answer is whole.
    Done(Box<Outcome>),
    /// The answer breaks off.
    Failed(Error),
}

/// A finished answer.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The whole answer, markdown.
    pub answer: String,
    /// The code in it.
    pub generated_code: String,
    /// The rest of it.
    pub explanation: String,
    /// Why it ended.
    pub finish: Finish,
    /// Whether it was made for an earlier question, or for somebody else who asked the same.
    pub cached: bool,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer.
    pub completion_tokens: usize,
    /// Tokens that prompt and answer may have together; `None` where a remote server does not tell.
    pub limit: Option<usize>,
    /// Earlier messages that were left out of the prompt.
    pub dropped: usize,
    /// Seconds from the question to the last token.
    pub processing_time: f64,
    /// Seconds from the question to the first token.
    pub time_to_first_token: Option<f64>,
    /// Speed of the answer once it had begun.
    pub tokens_per_second: Option<f64>,
}

/// Earlier messages of a conversation that the model is told at most; no context holds more, since each takes ten tokens or more.
const REMEMBERED: i64 = 2000;

/// Longest title of a conversation, in characters.
const TITLE: usize = 80;

impl App {
    /// Asks the model. Comes back when the prompt was accepted, with the answer still to come.
    ///
    /// # Errors
    /// What is wrong with the question, or why the model cannot take it.
    pub async fn generate(&self, owner: &str, mut ask: Ask) -> Result<Generation, Error> {
        if self.shutdown.is_cancelled() {
            return Err(Error::Stopping);
        }
        let asked = Instant::now();
        let continued = self.continued(owner, &mut ask).await?;
        let begun = continued.as_ref().map(Begun::of).unwrap_or_default();
        let (candidate, request) = self.lay_out(owner, &ask, begun.answer.clone()).await?;
        let reuse = if ask.use_cache { Reuse::Allowed } else { Reuse::Refused };
        let key = prompt::key(&request, &ask, &candidate);
        let question = Question { kind: Kind::Generation, key, voice: candidate.voice(), reuse };
        let mut answer = self.answers.ask(&question, || self.backend.submit(&candidate, request))?;
        let accepted = match answer.next().await {
            Some(Ok(engine::Event::PromptAccepted(accepted))) => accepted,
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(_)) | None => return Err(engine::Error::EngineStopped.into()),
        };
        let voice = answer.by.voice().ok_or(engine::Error::EngineStopped)?;
        let room = Room {
            prompt_tokens: accepted.prompt_tokens.unwrap_or(0),
            limit: accepted.limit,
            dropped: accepted.dropped,
        };
        let splitter = Splitter::of(ask.kind.shape(), &ask.language);
        let (conversation_id, message_id) = match continued {
            Some(message) => (message.conversation_id, message.id),
            None => {
                let mut message = new_message(owner, &ask, &voice);
                if answer.origin == Origin::Kept {
                    // Question and answer are kept together, before anything is told of them.
                    let whole =
                        Whole::hear(answer, splitter, asked, &room).await.ok_or(engine::Error::EngineStopped)?;
                    message.answer = Some(whole.progress.clone());
                    let (conversation_id, message_id) = self.store.add_message(message).await?;
                    let start = Start { conversation_id, message_id, voice };
                    return Ok(Generation { start, events: whole.events() });
                }
                self.store.add_message(message).await?
            }
        };
        let start = Start { conversation_id, message_id: message_id.clone(), voice };
        let accepted = Accepted { kind: ask.kind, message_id, asked, room, begun };
        let recording = Recording::new(self.clone(), accepted, splitter);
        let (events, receiver) = mpsc::channel(64);
        self.work.spawn(recording.run(answer, events).in_current_span());
        Ok(Generation { start, events: receiver })
    }

    /// Who would answer, and what they would be asked; the answer goes on behind `begun`.
    async fn lay_out(&self, owner: &str, ask: &Ask, begun: String) -> Result<(Candidate, Request), Error> {
        let earlier = self.earlier(owner, ask).await?;
        let profile = self.profile(owner).await?.with(ask.profile.clone());
        let candidate = self.backend.candidate(Priority::Chat).await?;
        let facts = facts(ask).await;
        let request = prompt::request(ask, &profile, &Ground { earlier, facts, begun });
        Ok((candidate, request))
    }

    /// The message whose answer is to go on, if that is what is asked for; the question becomes the one of that message.
    async fn continued(&self, owner: &str, ask: &mut Ask) -> Result<Option<store::Message>, Error> {
        let Some(id) = &ask.continues else { return Ok(None) };
        if ask.replaces.is_some() {
            let what = Message::new(
                "replaces와 continues는 함께 쓸 수 없습니다",
                "replaces and continues contradict each other",
            );
            return Err(Error::Conflict(what));
        }
        let conversation = self.known_conversation(owner, ask, "continues").await?;
        let latest = self.store.latest(&conversation).await?.filter(|message| message.id == *id);
        let Some(message) = latest else {
            let what =
                Message::new("이 대화의 마지막 메시지가 아닙니다", "is not the last message of this conversation");
            return Err(Error::Unknown(Invalid::field("continues", what)));
        };
        if matches!(message.finish.as_deref(), None | Some("stop")) {
            let what =
                Message::new("끝난 답변이거나 아직 쓰는 중입니다", "the answer is whole, or still being written");
            return Err(Error::Conflict(what));
        }
        ask.kind = ModelType::of(&message.kind).unwrap_or_default();
        ask.question.clone_from(&message.question);
        ask.code_context.clone_from(&message.code_context);
        ask.files = ContextFile::read(message.files.as_deref());
        ask.language.clone_from(&message.language);
        Ok(Some(message))
    }

    /// The thread so far, up to the message that is replaced or goes on, if one does.
    async fn earlier(&self, owner: &str, ask: &Ask) -> Result<Vec<store::Message>, Error> {
        if ask.conversation_id.is_none() && ask.replaces.is_none() {
            return Ok(Vec::new());
        }
        let id = self.known_conversation(owner, ask, "replaces").await?;
        if let Some(replaced) = &ask.replaces
            && !self.store.in_thread(&id, replaced).await?
        {
            let what = Message::new("이 대화에 없는 메시지입니다", "this conversation has no such message");
            return Err(Error::Unknown(Invalid::field("replaces", what)));
        }
        let before = ask.replaces.as_deref().or(ask.continues.as_deref());
        Ok(self.store.thread(&id, before, REMEMBERED).await?)
    }

    /// The conversation of a question, which `field` needs one for.
    async fn known_conversation(&self, owner: &str, ask: &Ask, field: &str) -> Result<String, Error> {
        let unknown = |field: &str, what: Message| Error::Unknown(Invalid::field(field, what));
        let Some(id) = &ask.conversation_id else {
            return Err(unknown(field, Message::new("conversation_id가 필요합니다", "needs a conversation_id")));
        };
        if self.store.conversation(owner, id).await?.is_none() {
            return Err(unknown("conversation_id", Message::new("없는 대화입니다", "there is no such conversation")));
        }
        Ok(id.clone())
    }
}

/// What is kept of an accepted question.
fn new_message(owner: &str, ask: &Ask, voice: &Voice) -> NewMessage {
    let thread = match &ask.conversation_id {
        Some(id) => Thread::Known { id: id.clone(), replaces: ask.replaces.clone() },
        None => Thread::New { title: title(&ask.question) },
    };
    NewMessage {
        thread,
        owner: owner.to_owned(),
        question: ask.question.clone(),
        kind: ask.kind.as_str(),
        code_context: ask.code_context.clone(),
        files: ContextFile::write(&ask.files),
        language: ask.language.clone(),
        model: voice.model.clone(),
        backend: voice.place.as_str(),
        answer: None,
    }
}

/// What reading the code tells, for the kinds of task that build on it.
async fn facts(ask: &Ask) -> Vec<Finding> {
    let file = || ask.files.first().map(|file| file.content.clone());
    let code = ask.code_context.clone().or_else(file).filter(|_| ask.kind.wants_facts());
    let Some(code) = code else { return Vec::new() };
    let language = ask.language.clone();
    let facts = tokio::task::spawn_blocking(move || findings::facts(&code, &language));
    facts.await.expect("checking code does not panic, and is not cancelled")
}

/// The first line of a question, shortened at a word.
fn title(question: &str) -> String {
    let line = question.trim().lines().next().unwrap_or_default().trim();
    if line.chars().count() <= TITLE {
        return line.to_owned();
    }
    let cut: String = line.chars().take(TITLE).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{whole}…")
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
