//! Finishing the line under the cursor: ask the model for what belongs there, cut it where it ends, and say how sure it is.

pub mod ask;
pub mod ending;
mod prompt;
mod sessions;

use std::time::{Duration, Instant};

use engine::{Event, Finish, Lane, Summary};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::ask::Cursor;
use self::ending::{Ending, after_indent, open_indent, without_repetition};
use self::prompt::Laid;
pub use self::sessions::Sessions;
use crate::answers::{Kind, Listener, Origin, Reuse};
use crate::app::App;
use crate::error::Error;
use crate::generate::ModelType;
use crate::generate::split::Splitter;
use crate::metrics::Answered;

/// What can be inserted at a cursor.
#[derive(Debug)]
pub struct Completions {
    /// The suggestions, the surest first, no two alike.
    pub suggestions: Vec<Suggestion>,
    /// The model that made them.
    pub model: String,
    /// How it was asked.
    pub method: Method,
    /// Whether all of them were made before.
    pub cached: bool,
    /// Tokens of all prompts.
    pub prompt_tokens: usize,
    /// Tokens of all suggestions.
    pub completion_tokens: usize,
    /// Tokens that prompt and suggestion may have together.
    pub limit: usize,
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

/// One completion.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Its id, for telling what became of it.
    pub id: String,
    /// What to insert at the cursor, and nothing that is there already.
    pub code: String,
    /// How sure the model is, 0 to 1: the geometric mean of the probabilities of its tokens.
    pub confidence: f64,
}

/// What one request to the model came to.
struct Heard {
    text: String,
    /// The sum of the logarithms of the probabilities, and how many there were.
    certainty: (f64, usize),
    prompt_tokens: usize,
    limit: usize,
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
        let model = self.backend.model(Lane::Completion)?;
        let turn = self.sessions.begin(owner, cursor.session.as_deref());
        let method = if model.fills { Method::Fill } else { Method::Chat };
        let mut completions = Completions {
            suggestions: Vec::new(),
            model: model.name.clone(),
            method,
            cached: true,
            prompt_tokens: 0,
            completion_tokens: 0,
            limit: model.context as usize,
            dropped: Vec::new(),
            cancelled: false,
            processing_time: 0.0,
        };
        for number in 0..cursor.suggestions {
            let laid = prompt::request(&cursor, &model, number);
            completions.dropped.clone_from(&laid.dropped);
            let Some(heard) = self.hear(&cursor, laid, method, turn.newer()).await? else {
                completions.cancelled = true;
                break;
            };
            if heard.origin == Origin::Model {
                self.metrics.answered(&heard.answered(asked.elapsed()));
            }
            completions.take(heard, &cursor);
        }
        completions.suggestions.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let lengths: Vec<i64> =
            completions.suggestions.iter().map(|one| i64::try_from(one.code.chars().count()).unwrap_or(0)).collect();
        let ids = self.store.add_completions(owner, &cursor.language, &lengths).await?;
        for (suggestion, id) in completions.suggestions.iter_mut().zip(ids) {
            suggestion.id = id;
        }
        completions.processing_time = asked.elapsed().as_secs_f64();
        Ok(completions)
    }

    /// Listens to one answer until the completion ends. `None` if a newer request took this one's place.
    async fn hear(
        &self,
        cursor: &Cursor,
        laid: Laid,
        method: Method,
        newer: &CancellationToken,
    ) -> Result<Option<Heard>, Error> {
        let Laid { request, key, .. } = laid;
        let reuse = if cursor.use_cache { Reuse::Allowed } else { Reuse::Refused };
        let mut answer = self.answers.ask(Kind::Completion, key, reuse, || Ok(self.backend.submit(request)?.0))?;
        let (mut heard, mut events) = (Heard::new(answer.origin), Vec::new());
        let ending = Ending::new(&cursor.prefix, cursor.several_lines);
        let indent = open_indent(&cursor.prefix);
        while let Some(event) = self.next(&mut answer, newer).await? {
            events.push(event.clone());
            match event {
                Event::Started { prompt_tokens, limit, .. } => {
                    (heard.prompt_tokens, heard.limit) = (prompt_tokens, limit);
                }
                Event::Reading { .. } => {
                    events.pop();
                }
                Event::Text { text, log_probability, tokens } => {
                    heard.add(&text, log_probability, tokens);
                    let text = after_indent(&heard.text, indent);
                    let end = if method == Method::Fill { ending.of(text) } else { None };
                    if let Some(end) = end {
                        heard.text = text[..end].to_owned();
                        if answer.origin == Origin::Model {
                            events.push(Event::Done(heard.summary()));
                            self.answers.keep(Kind::Completion, key, events);
                        }
                        return Ok(Some(heard));
                    }
                }
                Event::Done(_) => {
                    heard.text = match method {
                        Method::Fill => after_indent(&heard.text, indent).to_owned(),
                        Method::Chat => said(&heard.text, cursor, &ending),
                    };
                    return Ok(Some(heard));
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
                Ok(None) => Err(engine::Error::Stopped.into()),
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
        let code = without_repetition(&heard.text, &cursor.suffix).trim_end().to_owned();
        let known = self.suggestions.iter().any(|one| one.code == code);
        if !code.trim().is_empty() && !known {
            self.suggestions.push(Suggestion { id: String::new(), code, confidence: heard.confidence() });
        }
    }
}

impl Heard {
    fn new(origin: Origin) -> Self {
        Self { text: String::new(), certainty: (0.0, 0), prompt_tokens: 0, limit: 0, tokens: 0, origin }
    }

    fn add(&mut self, text: &str, log_probability: Option<f32>, tokens: usize) {
        self.text.push_str(text);
        self.tokens += tokens;
        if let Some(logarithm) = log_probability.filter(|logarithm| logarithm.is_finite()) {
            self.certainty.0 += f64::from(logarithm);
            self.certainty.1 += tokens;
        }
    }

    fn confidence(&self) -> f64 {
        let (sum, count) = self.certainty;
        if count == 0 { 0.0 } else { (sum / count as f64).exp().clamp(0.0, 1.0) }
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

    fn summary(&self) -> Summary {
        Summary {
            finish: Finish::Stop,
            prompt_tokens: self.prompt_tokens,
            reused_tokens: 0,
            completion_tokens: self.tokens,
            guessed_tokens: 0,
            right_tokens: 0,
            prefill: Duration::ZERO,
            decode: Duration::ZERO,
        }
    }
}

/// The completion in an answer in words: the code of its block, without the line that the model may have repeated.
fn said(answer: &str, cursor: &Cursor, ending: &Ending) -> String {
    let mut splitter = Splitter::new(&cursor.language);
    splitter.push(answer);
    splitter.finish();
    let code = if splitter.code().is_empty() { answer.trim_end() } else { splitter.code() };
    let line = cursor.prefix.rsplit('\n').next().unwrap_or_default().trim_start();
    let repeated = if line.is_empty() { None } else { code.find(line).map(|start| start + line.len()) };
    let code = &code[repeated.unwrap_or(0)..];
    code[..ending.of(code).unwrap_or(code.len())].to_owned()
}
