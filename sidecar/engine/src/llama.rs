//! The thread that owns the model: it takes requests from the mailbox, works on one at a time, and streams what the model says.

mod load;
mod turn;

use std::collections::VecDeque;
use std::path::PathBuf;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::watch;

pub use self::load::default_backends;
use self::turn::Turn;
use crate::handle::{Inside, Job};
use crate::prefix;
use crate::template::{Part, Template};
use crate::{Engine, Error, Event, Keep, LoadError, Message, Prompt, State};

/// Which model to load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The GGUF file.
    pub model: PathBuf,
    /// The folder with llama.cpp's backends, of which the best for this machine is picked; see [`default_backends`].
    pub backends: PathBuf,
    /// Tokens for prompt and answer together; the model's own limit if that is smaller.
    pub context: u32,
    /// Requests that may be in the house at a time.
    pub capacity: usize,
}

/// Prompt tokens that are read in one step. A caller who leaves is noticed between steps, so this bounds how long the model
/// works for nobody; larger steps are hardly faster on a CPU.
const PREFILL_STEP: usize = 128;

/// Room for an answer that a prompt has to leave free, in tokens.
const ANSWER_ROOM: usize = 256;

impl Engine {
    /// Starts a thread that loads a model and then answers requests. The handle is there at once; [`Engine::watch`] tells how
    /// the load goes.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let (engine, inside) = Self::open(options.capacity, State::Loading { progress: 0.0 });
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                let _death = ReportDeath(inside.report.clone());
                run(&options, inside);
            })
            .expect("the system can start one more thread");
        engine
    }
}

/// Tells everyone who watches that the thread died of a panic.
struct ReportDeath(watch::Sender<State>);

impl Drop for ReportDeath {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.send_replace(State::Failed { message: "the engine stopped unexpectedly; restart HAPA".into() });
        }
    }
}

fn run(options: &Options, inside: Inside) {
    let report = inside.report.clone();
    if let Err(error) = load_and_work(options, inside) {
        tracing::error!(%error, "{error}");
        report.send_replace(State::Failed { message: error.to_string() });
    }
}

fn load_and_work(options: &Options, inside: Inside) -> Result<(), LoadError> {
    let loaded = load::model(options, &inside.report)?;
    let mut memory = Memory { context: loaded.context()?, tokens: Vec::new() };
    memory.warm_up(&loaded)?;
    let facts = &loaded.facts;
    tracing::info!(model.name = %facts.name, device = %facts.device, "loaded model {}", facts.name);
    inside.report.send_replace(State::Ready(facts.clone()));
    let worker = Worker {
        template: loaded.template(),
        model: &loaded.model,
        limit: facts.context as usize,
        memory,
        waiting: VecDeque::new(),
        inside,
    };
    worker.work();
    Ok(())
}

/// The model's working memory: what llama.cpp's KV cache holds, and the tokens it stands for.
struct Memory<'model> {
    context: LlamaContext<'model>,
    tokens: Vec<LlamaToken>,
}

struct Worker<'model> {
    template: Template,
    model: &'model LlamaModel,
    limit: usize,
    memory: Memory<'model>,
    /// Requests that were accepted and wait for the model.
    waiting: VecDeque<Admitted>,
    inside: Inside,
}

/// A request whose prompt is known to fit.
struct Admitted {
    job: Job,
    prompt: Vec<LlamaToken>,
}

impl Worker<'_> {
    /// Works until the last handle is gone.
    fn work(mut self) {
        let mut current: Option<Turn> = None;
        loop {
            let idle = current.is_none() && self.waiting.is_empty();
            if !self.take_mail(idle) {
                return;
            }
            if current.is_none() {
                current = self.next_turn();
            }
            if let Some(turn) = current.take() {
                current = turn.step(self.model, &mut self.memory, self.limit);
            }
        }
    }

    /// Takes all requests that have come in; with `wait`, waits for one. `false` when there will never be another.
    fn take_mail(&mut self, wait: bool) -> bool {
        if wait {
            let Some(job) = self.inside.jobs.blocking_recv() else { return false };
            self.admit(job);
        }
        while let Ok(job) = self.inside.jobs.try_recv() {
            self.admit(job);
        }
        true
    }

    /// Lays out the prompt and answers at once whether it fits; the work itself waits for its turn.
    fn admit(&mut self, job: Job) {
        if job.reply.is_abandoned() {
            return;
        }
        let prompt = match &job.request.prompt {
            Prompt::Chat(messages) => self.chat(messages),
            Prompt::Text(text) => self.text(text),
            Prompt::Fill { prefix, suffix } => self.fill(prefix, suffix),
        };
        match prompt {
            Ok((prompt, dropped)) => {
                let prompt_tokens = prompt.len();
                job.reply.send(Ok(Event::Started { prompt_tokens, limit: self.limit, dropped }));
                self.waiting.push_back(Admitted { job, prompt });
            }
            Err(error) => job.reply.send(Err(error)),
        }
    }

    /// The prompt's tokens, without as many of the messages that may be left out as needed, oldest first.
    fn chat(&self, messages: &[Message]) -> Result<(Vec<LlamaToken>, usize), Error> {
        let limit = self.limit.saturating_sub(ANSWER_ROOM);
        let optional = messages.iter().filter(|message| message.keep == Keep::IfRoom).count();
        let mut fewest = Err(Error::Stopped);
        for dropped in 0..=optional {
            let mut to_drop = dropped;
            let kept: Vec<Message> = messages
                .iter()
                .filter(|message| {
                    let drop = message.keep == Keep::IfRoom && to_drop > 0;
                    to_drop -= usize::from(drop);
                    !drop
                })
                .cloned()
                .collect();
            let tokens = self.tokenize(&kept)?;
            if tokens.len() <= limit {
                return Ok((tokens, dropped));
            }
            fewest = Err(Error::ContextTooLong { tokens: tokens.len(), limit });
        }
        fewest
    }

    /// The tokens of a text as it is.
    fn text(&self, text: &str) -> Result<(Vec<LlamaToken>, usize), Error> {
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        vocab.tokenize_into(text.as_bytes(), &mut tokens, vocab.should_add_bos(), true);
        let limit = self.limit.saturating_sub(1);
        if tokens.len() > limit {
            return Err(Error::ContextTooLong { tokens: tokens.len(), limit });
        }
        Ok((tokens, 0))
    }

    /// The tokens of a text with a gap, between the marks that the model was trained with. Where it is too long, three quarters
    /// of the room go to what stands before the gap.
    fn fill(&self, prefix: &str, suffix: &str) -> Result<(Vec<LlamaToken>, usize), Error> {
        let vocab = self.model.vocab();
        let Some([before, after, gap]) = load::fill_marks(self.model) else { return Err(Error::CannotFill) };
        let text = |text: &str| {
            let mut tokens = Vec::new();
            vocab.tokenize_into(text.as_bytes(), &mut tokens, false, false);
            tokens
        };
        let (prefix, suffix) = (text(prefix), text(suffix));
        let room = self.limit.saturating_sub(ANSWER_ROOM + 4);
        let suffix_kept = suffix.len().min((room / 4).max(room.saturating_sub(prefix.len())));
        let prefix_kept = prefix.len().min(room - suffix_kept);
        let dropped = usize::from(prefix_kept < prefix.len()) + usize::from(suffix_kept < suffix.len());
        let bos = vocab.should_add_bos().then(|| vocab.bos());
        let mut tokens: Vec<LlamaToken> = bos.into_iter().chain([before]).collect();
        tokens.extend_from_slice(&prefix[prefix.len() - prefix_kept..]);
        tokens.push(after);
        tokens.extend_from_slice(&suffix[..suffix_kept]);
        tokens.push(gap);
        Ok((tokens, dropped))
    }

    fn tokenize(&self, messages: &[Message]) -> Result<Vec<LlamaToken>, Error> {
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

    /// The next request whose caller is still there, with what its prompt shares with the last one taken from memory.
    fn next_turn(&mut self) -> Option<Turn> {
        let Admitted { mut job, prompt } =
            std::iter::from_fn(|| self.waiting.pop_front()).find(|next| !next.job.reply.is_abandoned())?;
        job.reply.activate();
        let reused = self.memory.keep(prefix::reusable(&self.memory.tokens, &prompt));
        Some(Turn::new(job, prompt, reused))
    }
}

impl Memory<'_> {
    /// Reads one token and forgets it, so that the weights are in memory before the first question is.
    fn warm_up(&mut self, loaded: &load::Loaded) -> Result<(), LoadError> {
        let mut batch = LlamaBatch::new(1, 1);
        batch.add(loaded.model.vocab().nl(), 0, &[0], true).expect("the batch was made for one token");
        self.context
            .decode(&mut batch)
            .map_err(|error| LoadError::Context { context: loaded.facts.context, reason: error.to_string() })?;
        self.keep(0);
        Ok(())
    }

    /// Forgets all but the first `count` tokens. Gives back how many are really kept: none, for models that cannot forget a part.
    fn keep(&mut self, count: usize) -> usize {
        let from = u32::try_from(count).expect("a context has fewer than 2^32 tokens");
        let kept = match self.context.kv_cache_seq_rm(0, Some(from), None) {
            Ok(()) => count,
            Err(_) => {
                self.context.clear_kv_cache();
                0
            }
        };
        self.tokens.truncate(kept);
        kept
    }
}
