//! Finishing the line under the cursor: ask the model for what belongs there, cut it where it ends, and say how sure it is.

pub mod ask;
pub mod ending;
mod filter;
mod layout;
mod offers;
mod sessions;

use std::time::{Duration, Instant};

use engine::{Event, FinishReason, Priority, Usage};
use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::ask::Cursor;
use self::ending::{Ending, after_indent, open_indent};
use self::layout::Laid;
pub use self::offers::Offers;
pub use self::sessions::Sessions;
use crate::answers::{Kind, Listener, Origin, Question, Reuse};
use crate::app::App;
use crate::backend::{Candidate, Voice};
use crate::error::Error;
use crate::generate::ModelType;
use crate::generate::split::Splitter;
use crate::metrics::Answered;

/// What can be inserted at a cursor.
#[derive(Debug, Clone)]
pub struct Completions {
    /// The suggestions, the surest first, no two alike.
    pub suggestions: Vec<Suggestion>,
    /// Who made them.
    pub voice: Voice,
    /// How it was asked.
    pub method: Method,
    /// Whether all of them were made before.
    pub cached: bool,
    /// Tokens of all prompts.
    pub prompt_tokens: usize,
    /// Tokens of all suggestions.
    pub completion_tokens: usize,
    /// Tokens that prompt and suggestion may have together; `None` where a remote server does not tell.
    pub limit: Option<usize>,
    /// What was left out of the prompt.
    pub dropped: Vec<String>,
    /// Whether a newer request of the same session took this one's place.
    pub cancelled: bool,
    /// Seconds from the request to here.
    pub processing_time: f64,
}

/// How a model is asked for a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It was trained to fill gaps, and fills this one.
    Fill,
    /// It was not, and is asked in words.
    Chat,
}

impl Method {
    fn of(candidate: &Candidate) -> Self {
        if candidate.model.supports_fim { Self::Fill } else { Self::Chat }
    }
}

/// How sure a model counts as that does not tell probabilities: neither sure nor unsure.
const UNTOLD: f64 = 0.5;

/// One completion.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Its id, for telling what became of it.
    pub id: String,
    /// What to insert at the cursor, and nothing that is there already.
    pub code: String,
    /// The pieces in which the model said it.
    pieces: Vec<Piece>,
}

/// A piece of an answer: where it ends, in bytes, and how likely the model held it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    end: usize,
    logprob: f64,
    tokens: usize,
}

/// What one request to the model came to.
struct Heard {
    text: String,
    pieces: Vec<Piece>,
    /// Whether it came to an end by itself.
    whole: bool,
    prompt_tokens: usize,
    limit: Option<usize>,
    tokens: usize,
    origin: Origin,
}

impl App {
    /// Completes the text at `cursor`.
    ///
    /// # Errors
    /// Why the model cannot be asked, or did not answer.
    pub async fn complete(&self, owner: &str, cursor: Cursor) -> Result<Completions, Error> {
        if self.shutdown.is_cancelled() {
            return Err(Error::Stopping);
        }
        let asked = Instant::now();
        let candidate = self.backend.candidate(Priority::Completion).await?;
        let turn = self.sessions.begin(owner, cursor.session.as_deref());
        if cursor.use_cache
            && let Some(known) = self.offers.find(owner, &cursor, &candidate.voice())
        {
            self.answers.count_hit();
            return Ok(Completions { processing_time: asked.elapsed().as_secs_f64(), ..known });
        }
        let mut completions = match self.complete_by(&candidate, &cursor, asked, turn.newer()).await {
            // Nothing of it was shown, so somebody else may be asked instead.
            Err(Error::Engine(error)) => match self.backend.instead_of(&candidate, &error).await {
                Some(other) => self.complete_by(&other, &cursor, asked, turn.newer()).await?,
                None => return Err(error.into()),
            },
            other => other?,
        };
        completions.suggestions.sort_by(|a, b| b.confidence().total_cmp(&a.confidence()));
        self.offer(owner, &cursor, &mut completions).await;
        completions.processing_time = asked.elapsed().as_secs_f64();
        Ok(completions)
    }

    /// The completions of this candidate, in the order in which they were asked for.
    async fn complete_by(
        &self,
        candidate: &Candidate,
        cursor: &Cursor,
        asked: Instant,
        newer: &CancellationToken,
    ) -> Result<Completions, Error> {
        let model = &candidate.model;
        let laid = layout::requests(cursor, candidate);
        let mut completions = Completions {
            suggestions: Vec::new(),
            voice: candidate.voice(),
            method: Method::of(candidate),
            cached: true,
            prompt_tokens: 0,
            completion_tokens: 0,
            limit: model.context.map(|tokens| tokens as usize),
            dropped: laid.first().map(|laid| laid.dropped.clone()).unwrap_or_default(),
            cancelled: false,
            processing_time: 0.0,
        };
        let answers = laid.into_iter().map(|laid| self.hear(candidate, cursor, laid, newer));
        for (number, heard) in join_all(answers).await.into_iter().enumerate() {
            let heard = match heard {
                Ok(heard) => heard,
                // The likeliest is what was asked for; that there are others is welcome.
                Err(error) if number == 0 => return Err(error),
                Err(_) => continue,
            };
            let Some(heard) = heard else {
                completions.cancelled = true;
                continue;
            };
            if heard.origin == Origin::Model {
                self.metrics.answered(&heard.answered(asked.elapsed()));
            }
            completions.take(heard, cursor);
        }
        Ok(completions)
    }

    /// Gives each suggestion its id, and remembers what was offered.
    async fn offer(&self, owner: &str, cursor: &Cursor, completions: &mut Completions) {
        for suggestion in &mut completions.suggestions {
            suggestion.id = crate::store::id();
        }
        let offered = completions.suggestions.iter().map(|one| (one.id.clone(), one.code.chars().count())).collect();
        self.store.add_completions(owner, &cursor.language, offered).await;
        if !completions.cancelled {
            self.offers.keep(owner, cursor, &Completions { cached: true, ..completions.clone() });
        }
    }

    /// Listens to one answer until the completion ends. `None` if a newer request took this one's place.
    async fn hear(
        &self,
        candidate: &Candidate,
        cursor: &Cursor,
        laid: Laid,
        newer: &CancellationToken,
    ) -> Result<Option<Heard>, Error> {
        let Laid { request, key, .. } = laid;
        let method = Method::of(candidate);
        let reuse = if cursor.use_cache { Reuse::Allowed } else { Reuse::Refused };
        let question = Question { kind: Kind::Completion, key, voice: candidate.voice(), reuse };
        let mut answer = self.answers.ask(&question, || self.backend.ask(candidate, request))?;
        let (mut heard, mut events) = (Heard::new(answer.origin), Vec::new());
        let ending = Ending::new(&cursor.prefix, cursor.several_lines);
        let indent = open_indent(&cursor.prefix);
        while let Some(event) = self.next(&mut answer, newer).await? {
            events.push(event.clone());
            match event {
                Event::PromptAccepted(accepted) => {
                    (heard.prompt_tokens, heard.limit) = (accepted.prompt_tokens.unwrap_or(0), accepted.limit);
                }
                Event::Prefill { .. } => {
                    events.pop();
                }
                Event::Delta { text, logprob, tokens } => {
                    heard.add(&text, logprob, tokens);
                    let end = if method == Method::Fill { ending.of(after_indent(&heard.text, indent)) } else { None };
                    if let Some(end) = end {
                        if answer.origin == Origin::Model {
                            events.push(Event::Done(heard.summary()));
                            self.answers.keep(&question, &answer.by, events);
                        }
                        return Ok(Some(heard.after_indent(indent).up_to(end)));
                    }
                }
                Event::Done(summary) => {
                    heard.whole = summary.finish_reason == FinishReason::Stop;
                    (heard.prompt_tokens, heard.tokens) = (summary.prompt_tokens, summary.completion_tokens);
                    return Ok(Some(match method {
                        Method::Fill => heard.after_indent(indent),
                        Method::Chat => heard.said(cursor, &ending),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// The next event of an answer. `None` if a newer request took this one's place.
    async fn next(&self, answer: &mut Listener, newer: &CancellationToken) -> Result<Option<Event>, Error> {
        let seconds = self.settings.current().request_timeout;
        tokio::select! {
            () = newer.cancelled() => Ok(None),
            () = self.shutdown.cancelled() => Err(Error::Stopping),
            event = timeout(Duration::from_secs(seconds.into()), answer.next()) => match event {
                Err(_) => Err(Error::Stalled { seconds: seconds.into() }),
                Ok(None) => Err(engine::Error::EngineStopped.into()),
                Ok(Some(event)) => Ok(Some(event?)),
            },
        }
    }
}

impl Completions {
    /// Takes one answer in, unless it says nothing or nothing new.
    fn take(&mut self, heard: Heard, cursor: &Cursor) {
        self.cached &= heard.origin != Origin::Model;
        self.prompt_tokens += heard.prompt_tokens;
        self.completion_tokens += heard.tokens;
        self.limit = heard.limit;
        let code = filter::offered(&heard.text, cursor, heard.whole).to_owned();
        if !code.trim().is_empty() && self.suggestions.iter().all(|one| one.code != code) {
            self.suggestions.push(Suggestion { id: String::new(), code, pieces: heard.pieces });
        }
    }

    /// What is left of these when `typed` has been typed, where something is, or was nothing from the beginning.
    fn after(&self, typed: &str, several_lines: bool) -> Option<Self> {
        let rests: Vec<Suggestion> = self.suggestions.iter().filter_map(|one| one.after(typed)).collect();
        let suits = several_lines || rests.iter().all(|rest| !rest.code.contains('\n'));
        let is_there = !rests.is_empty() || typed.is_empty();
        (suits && is_there).then(|| Self { suggestions: rests, ..self.clone() })
    }
}

impl Suggestion {
    /// How sure the model is, 0 to 1: the geometric mean of the probabilities of its tokens. Half where it does not tell any.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        let (mut sum, mut count, mut start) = (0.0, 0, 0);
        for piece in self.pieces.iter().take_while(|piece| {
            let begins = start;
            start = piece.end;
            begins < self.code.len()
        }) {
            sum += piece.logprob;
            count += piece.tokens;
        }
        if self.pieces.is_empty() {
            UNTOLD
        } else if count == 0 {
            0.0
        } else {
            (sum / count as f64).exp().clamp(0.0, 1.0)
        }
    }

    /// What is left of it when `typed` has been typed; it stays the same suggestion.
    fn after(&self, typed: &str) -> Option<Self> {
        let code = self.code.strip_prefix(typed).filter(|rest| !rest.trim().is_empty())?.to_owned();
        Some(Self { id: self.id.clone(), code, pieces: without_beginning(&self.pieces, typed.len()) })
    }
}

/// Pieces of a text of which the first `length` bytes are left off.
fn without_beginning(pieces: &[Piece], length: usize) -> Vec<Piece> {
    let rest = pieces.iter().filter(|piece| piece.end > length);
    rest.map(|piece| Piece { end: piece.end - length, ..*piece }).collect()
}

impl Heard {
    fn new(origin: Origin) -> Self {
        Self { text: String::new(), pieces: Vec::new(), whole: true, prompt_tokens: 0, limit: None, tokens: 0, origin }
    }

    fn add(&mut self, text: &str, logprob: Option<f32>, tokens: usize) {
        self.text.push_str(text);
        self.tokens += tokens;
        if let Some(logarithm) = logprob.filter(|logarithm| logarithm.is_finite()) {
            self.pieces.push(Piece { end: self.text.len(), logprob: logarithm.into(), tokens });
        }
    }

    /// Without the indentation that stands before the cursor already.
    fn after_indent(mut self, indent: &str) -> Self {
        let skipped = self.text.len() - after_indent(&self.text, indent).len();
        self.text.drain(..skipped);
        self.pieces = without_beginning(&self.pieces, skipped);
        self
    }

    fn up_to(mut self, end: usize) -> Self {
        self.text.truncate(end);
        self
    }

    /// The completion in an answer in words: the code of its block, without the line that the model may have repeated.
    fn said(mut self, cursor: &Cursor, ending: &Ending) -> Self {
        let mut splitter = Splitter::new(&cursor.language);
        splitter.push(&self.text);
        splitter.finish();
        let code = if splitter.code().is_empty() { self.text.trim_end() } else { splitter.code() };
        let line = cursor.prefix.rsplit('\n').next().unwrap_or_default().trim_start();
        let repeated = if line.is_empty() { None } else { code.find(line).map(|start| start + line.len()) };
        let code = &code[repeated.unwrap_or(0)..];
        let code = code[..ending.of(code).unwrap_or(code.len())].to_owned();
        let start = self.text.find(&code).unwrap_or(0);
        self.pieces = without_beginning(&self.pieces, start);
        self.text = code;
        self
    }

    /// What is counted of it, `duration` after it was asked for.
    fn answered(&self, duration: Duration) -> Answered {
        Answered {
            model_type: ModelType::CodeCompletion.as_str(),
            success: true,
            duration,
            first_token: None,
            tokens_per_second: None,
            prompt_tokens: self.prompt_tokens as u64,
            reused_tokens: 0,
            completion_tokens: self.tokens as u64,
        }
    }

    fn summary(&self) -> Usage {
        Usage {
            finish_reason: FinishReason::Stop,
            prompt_tokens: self.prompt_tokens,
            cached_tokens: 0,
            completion_tokens: self.tokens,
            drafted_tokens: 0,
            accepted_tokens: 0,
            prefill: Duration::ZERO,
            decode: Duration::ZERO,
        }
    }
}
