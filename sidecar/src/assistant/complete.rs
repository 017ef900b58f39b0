//! Completes code at the cursor: sends the surrounding code to the model, ends the answer at the stop, and rates it.

mod context;
mod postprocess;
pub mod request;
mod sessions;
pub mod stop;
mod suggestion;
mod suggestion_cache;

use std::time::Instant;

use engine::Priority;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use self::context::PreparedRequest;
pub use self::request::CompletionRequest;
pub use self::sessions::EditorSessions;
use self::stop::{CompletionStop, after_indent, open_indent};
use self::suggestion::RawCompletion;
pub use self::suggestion::Suggestion;
pub use self::suggestion_cache::SuggestionCache;
use super::{Assistant, Error};
use crate::inference::response_cache::{CacheKind, CacheLookup, CachePolicy, Source, Subscriber};
use crate::inference::{Event, EventStream, ModelIdentity, Target, WaitLimits};

/// The suggestions for one cursor.
#[derive(Debug, Clone)]
pub struct Completions {
    /// The suggestions, most confident first, without duplicates.
    pub suggestions: Vec<Suggestion>,
    /// The model that generated them.
    pub identity: ModelIdentity,
    /// How the model was prompted.
    pub method: Method,
    /// Whether all of them come from the cache.
    pub cached: bool,
    /// Tokens of all prompts.
    pub prompt_tokens: usize,
    /// Tokens of all suggestions.
    pub completion_tokens: usize,
    /// The context size, for prompt and suggestion together, in tokens; `None` where a remote server does not report
    /// it.
    pub limit: Option<usize>,
    /// The parts of the context that were left out of the prompt, as the API names them.
    pub dropped: Vec<String>,
    /// Whether a newer request of the same editor session superseded this one.
    pub cancelled: bool,
    /// Seconds from the request until the suggestions were complete.
    pub processing_time: f64,
}

/// How a model is prompted for a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By fill-in-the-middle (FIM), which the model was trained for.
    Fill,
    /// By a chat message.
    Chat,
}

impl Method {
    fn of(target: &Target) -> Self {
        if target.model.supports_fim { Self::Fill } else { Self::Chat }
    }
}

impl Assistant {
    /// Completes the text at the cursor.
    ///
    /// # Errors
    /// Why the model cannot take the request, or did not answer.
    pub async fn complete(&self, owner: &str, request: CompletionRequest) -> Result<Completions, Error> {
        self.require_running()?;
        let requested_at = Instant::now();
        let target = self.router.select(Priority::Completion).await?;
        let session = self.sessions.start(owner, request.session.as_deref());
        if request.use_cache
            && let Some(cached) = self.suggestions.find(owner, &request, &target.identity())
        {
            self.cache.count_hit();
            return Ok(Completions { processing_time: requested_at.elapsed().as_secs_f64(), ..cached });
        }
        let superseded = session.superseded();
        let mut completions = match self.complete_with(&target, &request, requested_at, superseded).await {
            // The client has received nothing, so the fallback can take over.
            Err(Error::Engine(error)) => match self.router.fallback_for(&target, &error).await {
                Some(fallback) => self.complete_with(&fallback, &request, requested_at, superseded).await?,
                None => return Err(error.into()),
            },
            other => other?,
        };
        completions.suggestions.sort_by(|a, b| b.confidence().total_cmp(&a.confidence()));
        self.publish(owner, &request, &mut completions).await;
        completions.processing_time = requested_at.elapsed().as_secs_f64();
        Ok(completions)
    }

    /// The completions of this target, in the order of their requests.
    async fn complete_with(
        &self,
        target: &Target,
        request: &CompletionRequest,
        requested_at: Instant,
        superseded: &CancellationToken,
    ) -> Result<Completions, Error> {
        let prepared = context::requests(request, target);
        let mut completions = Completions {
            suggestions: Vec::new(),
            identity: target.identity(),
            method: Method::of(target),
            cached: true,
            prompt_tokens: 0,
            completion_tokens: 0,
            limit: target.context(),
            dropped: prepared.first().map(|first| first.dropped.clone()).unwrap_or_default(),
            cancelled: false,
            processing_time: 0.0,
        };
        let answers = prepared.into_iter().map(|prepared| self.collect(target, request, prepared, superseded));
        for (number, completion) in join_all(answers).await.into_iter().enumerate() {
            let completion = match completion {
                Ok(completion) => completion,
                // The first suggestion is required; more are welcome.
                Err(error) if number == 0 => return Err(error),
                Err(_) => continue,
            };
            let Some(completion) = completion else {
                completions.cancelled = true;
                continue;
            };
            if completion.source == Source::Fresh {
                self.metrics.record_generation(&completion.metrics(requested_at.elapsed()));
            }
            completions.add(completion, request);
        }
        Ok(completions)
    }

    /// Assigns an id to each suggestion, stores their rows, and caches them.
    async fn publish(&self, owner: &str, request: &CompletionRequest, completions: &mut Completions) {
        for suggestion in &mut completions.suggestions {
            suggestion.id = crate::store::id();
        }
        let suggested = completions.suggestions.iter().map(|one| (one.id.clone(), one.code.chars().count())).collect();
        self.store.add_completions(owner, &request.language, suggested).await;
        if !completions.cancelled {
            self.suggestions.insert(owner, request, &Completions { cached: true, ..completions.clone() });
        }
    }

    /// Collects one answer until the completion ends. `None` if a newer request superseded this one.
    async fn collect(
        &self,
        target: &Target,
        request: &CompletionRequest,
        prepared: PreparedRequest,
        superseded: &CancellationToken,
    ) -> Result<Option<RawCompletion>, Error> {
        let method = Method::of(target);
        let policy = if request.use_cache { CachePolicy::Use } else { CachePolicy::Bypass };
        let lookup = CacheLookup { kind: CacheKind::Completion, key: prepared.key, model: target.identity(), policy };
        let mut stream = match self.cache.get(&lookup) {
            Some(stream) => stream,
            None => self.cache.share(lookup.clone(), self.router.submit_to(target, prepared.request)?),
        };
        let (mut completion, mut events) = (RawCompletion::new(stream.source), Vec::new());
        let stop = CompletionStop::new(&request.prefix, request.multiline);
        let indent = open_indent(&request.prefix);
        while let Some(event) = self.next_event(&mut stream, superseded).await? {
            match &event {
                Event::Accepted(accepted) => {
                    completion.prompt_tokens = accepted.prompt_tokens.unwrap_or_default();
                    completion.limit = accepted.limit;
                }
                Event::Prefill => continue,
                Event::Delta { text, logprob, tokens } => completion.push(text, *logprob, *tokens),
                Event::Done(summary) => {
                    completion.is_complete = summary.finish_reason == engine::FinishReason::Stop;
                    (completion.prompt_tokens, completion.tokens) = (summary.prompt_tokens, summary.completion_tokens);
                    return Ok(Some(match method {
                        Method::Fill => completion.after_indent(indent),
                        Method::Chat => completion.extract_code(request, &stop),
                    }));
                }
            }
            events.push(event);
            let end = if method == Method::Fill { stop.find(after_indent(&completion.text, indent)) } else { None };
            if let Some(end) = end {
                if stream.source == Source::Fresh {
                    events.push(Event::Done(completion.summary()));
                    self.cache.insert(&lookup, events);
                }
                return Ok(Some(completion.after_indent(indent).up_to(end)));
            }
        }
        Ok(None)
    }

    /// The next event of an answer. `None` if a newer request superseded this one.
    async fn next_event(
        &self,
        stream: &mut Subscriber,
        superseded: &CancellationToken,
    ) -> Result<Option<Event>, Error> {
        let limits = WaitLimits::from_start(self.idle_timeout(), self.shutdown.clone());
        tokio::select! {
            () = superseded.cancelled() => Ok(None),
            event = stream.next_within(&limits) => Ok(Some(event?)),
        }
    }
}

impl Completions {
    /// Adds a completion, unless it is empty or a duplicate.
    fn add(&mut self, completion: RawCompletion, request: &CompletionRequest) {
        self.cached &= completion.source != Source::Fresh;
        self.prompt_tokens += completion.prompt_tokens;
        self.completion_tokens += completion.tokens;
        self.limit = completion.limit;
        let code = postprocess::clean(&completion.text, request, completion.is_complete).to_owned();
        if !code.trim().is_empty() && self.suggestions.iter().all(|one| one.code != code) {
            self.suggestions.push(Suggestion { id: String::new(), code, pieces: completion.pieces });
        }
    }

    /// What remains of the suggestions after `typed` has been typed; `None` if nothing remains, unless `typed` is empty.
    fn remaining_after(&self, typed: &str, multiline: bool) -> Option<Self> {
        let rests: Vec<Suggestion> = self.suggestions.iter().filter_map(|one| one.remaining_after(typed)).collect();
        let fits = multiline || rests.iter().all(|rest| !rest.code.contains('\n'));
        let exists = !rests.is_empty() || typed.is_empty();
        (fits && exists).then(|| Self { suggestions: rests, ..self.clone() })
    }
}
