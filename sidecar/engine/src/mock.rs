//! Mock engine that follows a script, so that tests of everything else need no model.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::handle::{CountTokensJob, GenerateJob, Job, JobResponder, PromptTokens};
use crate::{Engine, Error, Event, FinishReason, Model, Prompt, PromptAccepted, Request, State, Usage};

/// What the mock engine answers to which prompt. Tests write it as JSON.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The model's name, `scripted` if empty.
    pub model: String,
    /// How the load ends, if not by success.
    pub load: Option<Loading>,
    /// Whether the mock model supports fill-in-the-middle prompts.
    #[serde(rename = "fills")]
    pub supports_fim: bool,
    /// Maximum of queued and active requests together, 32 if absent.
    pub capacity: Option<usize>,
    /// The first answer whose `when` is part of the last message is sent.
    pub answers: Vec<ScriptedAnswer>,
}

/// A load that does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loading {
    /// It stays at 42 %.
    Never,
    /// It fails, as with a damaged file.
    Fails,
}

/// One scripted answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptedAnswer {
    /// Part of the last message that this answers; every message if absent.
    pub when: Option<String>,
    /// The pieces of the answer, one event and one token each.
    pub pieces: Vec<String>,
    /// Probability of each piece, if log-probabilities are requested; 0.9 if absent.
    pub probability: Option<f32>,
    /// Number of dropped messages to report.
    pub dropped: usize,
    /// What follows the last piece.
    pub end: Ending,
}

/// How a scripted answer ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With [`FinishReason::Stop`].
    #[default]
    Stop,
    /// With [`FinishReason::Length`].
    Length,
    /// Never: it waits until the request is cancelled.
    Hang,
    /// With an error.
    Fail,
    /// With an abort of the process.
    Crash,
}

/// Context limit in tokens; one word counts as one token.
const CONTEXT: usize = 4096;

impl Engine {
    /// A mock engine that follows `script`. Must be called within a tokio runtime.
    #[must_use]
    pub fn mock(script: Script) -> Self {
        let name = if script.model.is_empty() { "scripted" } else { &script.model };
        let model: Arc<str> = name.into();
        let state = match script.load {
            Some(Loading::Never) => State::Loading { progress: 0.42 },
            Some(Loading::Fails) => {
                State::Failed { message: "could not load model `scripted`: it ends 3 MB early".into() }
            }
            None => State::Ready(Model {
                name: name.to_owned(),
                size_bytes: 0,
                context: Some(u32::try_from(CONTEXT).expect("fits")),
                device: "script".into(),
                supports_fim: script.supports_fim,
                supports_repo_context: script.supports_fim,
            }),
        };
        let (engine, mut worker) = Self::with_state(script.capacity.unwrap_or(32), state);
        tokio::spawn(async move {
            while let Some(job) = worker.jobs.recv().await {
                match job {
                    Job::Generate(GenerateJob { request, mut responder }) => {
                        responder.mark_active();
                        let (answer, counted) = script.answer_to(&request.prompt);
                        let model = Arc::clone(&model);
                        tokio::spawn(async move { respond(model, answer, counted, &request, responder).await });
                    }
                    Job::CountTokens(CountTokensJob { prompt, reply, permit }) => {
                        let (answer, counted) = script.answer_to(&prompt);
                        drop(permit);
                        let _ = reply.send(counted.map(|tokens| PromptTokens { tokens, dropped: answer.dropped }));
                    }
                }
            }
            drop(worker.state);
        });
        engine
    }
}

impl Script {
    /// The first answer that matches this prompt, and the number of its tokens.
    fn answer_to(&self, prompt: &Prompt) -> (ScriptedAnswer, Result<usize, Error>) {
        let (message, tokens) = last_message(prompt);
        let matches = |answer: &&ScriptedAnswer| answer.when.as_ref().is_none_or(|part| message.contains(part));
        let answer = self.answers.iter().find(matches).cloned().unwrap_or_default();
        let fits = tokens < CONTEXT;
        (answer, if fits { Ok(tokens) } else { Err(Error::ContextTooLong { tokens, limit: CONTEXT }) })
    }
}

/// The text that `when` is looked for in, and the tokens of the whole prompt.
fn last_message(prompt: &Prompt) -> (String, usize) {
    let words = |text: &str| text.split_whitespace().count();
    match prompt {
        Prompt::Chat(messages) => {
            // Also if it is the assistant's, which a continued answer is matched by.
            let last = messages.last().map(|message| message.content.clone()).unwrap_or_default();
            (last, messages.iter().map(|message| words(&message.content)).sum())
        }
        Prompt::Text(text) => (text.clone(), words(text)),
        Prompt::Fim { files, prefix, suffix, .. } => {
            let files: usize = files.iter().map(|file| words(&file.text)).sum();
            (prefix.clone(), files + words(prefix) + words(suffix))
        }
    }
}

async fn respond(
    model: Arc<str>,
    answer: ScriptedAnswer,
    counted: Result<usize, Error>,
    request: &Request,
    responder: JobResponder,
) {
    let prompt_tokens = match counted {
        Ok(tokens) => tokens,
        Err(error) => return responder.send(Err(error)),
    };
    responder.send(Ok(Event::PromptAccepted(PromptAccepted {
        model,
        prompt_tokens: Some(prompt_tokens),
        limit: Some(CONTEXT),
        dropped: answer.dropped,
    })));
    play(answer, prompt_tokens, request, responder).await;
}

async fn play(answer: ScriptedAnswer, prompt_tokens: usize, request: &Request, responder: JobResponder) {
    let logprob = request.logprobs.then(|| answer.probability.unwrap_or(0.9).ln());
    let pieces = &answer.pieces[..answer.pieces.len().min(request.max_tokens as usize)];
    for piece in pieces {
        responder.send(Ok(Event::Delta { text: piece.clone(), logprob, tokens: 1 }));
        tokio::task::yield_now().await;
    }
    let truncated = pieces.len() < answer.pieces.len();
    match answer.end {
        Ending::Hang if !truncated => responder.cancelled().await,
        Ending::Fail if !truncated => responder.send(Err(Error::Inference("the script says so".into()))),
        Ending::Crash if !truncated => std::process::abort(),
        end => responder.send(Ok(Event::Done(Usage {
            finish_reason: if truncated || end == Ending::Length { FinishReason::Length } else { FinishReason::Stop },
            prompt_tokens,
            cached_tokens: 0,
            completion_tokens: pieces.len(),
            drafted_tokens: 0,
            accepted_tokens: 0,
            prefill: Duration::from_millis(10),
            decode: Duration::from_millis(10 * pieces.len() as u64),
        }))),
    }
}
