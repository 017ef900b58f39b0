//! A stand-in for the model that says given words, so that tests of everything else need no model.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::handle::{CountTokensJob, GenerateJob, Job, JobResponder, PromptTokens};
use crate::{Engine, Error, Event, FinishReason, Model, Prompt, PromptAccepted, Request, State, Usage};

/// What the stand-in says, to whom. Tests write it as JSON.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The model's name, `scripted` if empty.
    pub model: String,
    /// The load never ends.
    pub load: Option<Loading>,
    /// Whether the stand-in can fill gaps; if not, it is asked in words.
    #[serde(rename = "fills")]
    pub supports_fim: bool,
    /// Requests that may be in the house at a time; 32 if absent.
    pub capacity: Option<usize>,
    /// The first answer whose `when` is part of the last message is given.
    pub answers: Vec<ScriptedAnswer>,
}

/// How a scripted model loads, where not at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loading {
    /// It stays at 42 %.
    Never,
    /// The file turns out to be damaged.
    Fails,
}

/// One scripted answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptedAnswer {
    /// A part of the question; absent, every question.
    pub when: Option<String>,
    /// The pieces of the answer, one event each.
    pub pieces: Vec<String>,
    /// The probability of each piece, where probabilities are told; 0.9 if absent.
    pub probability: Option<f32>,
    /// Earlier messages that are said to have been left out.
    pub dropped: usize,
    /// What follows the last piece.
    pub end: Ending,
}

/// How a scripted answer ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// As a finished answer.
    #[default]
    Stop,
    /// As one truncated by its length.
    Length,
    /// Not at all: it waits until the caller has gone.
    Hang,
    /// With an error.
    Fail,
    /// With the death of the process.
    Crash,
}

/// Tokens that prompt and answer may have together; one word counts as one token.
const CONTEXT: usize = 4096;

impl Engine {
    /// An engine that follows `script`. Must be called within a tokio runtime.
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
                let GenerateJob { request, mut responder } = match job {
                    Job::Generate(job) => job,
                    Job::CountTokens(CountTokensJob { prompt, reply, permit }) => {
                        let (answer, counted) = script.answer_to(&prompt);
                        let counted = counted.map(|tokens| PromptTokens { tokens, dropped: answer.dropped });
                        // The caller is not told before its place in the queue is free again.
                        drop(permit);
                        let _ = reply.send(counted);
                        continue;
                    }
                };
                responder.mark_active();
                let (answer, counted) = script.answer_to(&request.prompt);
                match counted {
                    Ok(prompt_tokens) => {
                        responder.send(Ok(Event::PromptAccepted(PromptAccepted {
                            model: Arc::clone(&model),
                            prompt_tokens: Some(prompt_tokens),
                            limit: Some(CONTEXT),
                            dropped: answer.dropped,
                        })));
                        tokio::spawn(async move { play(answer, prompt_tokens, &request, responder).await });
                    }
                    Err(error) => responder.send(Err(error)),
                }
            }
            drop(worker.state);
        });
        engine
    }
}

impl Script {
    /// The first answer for this prompt, and the prompt's tokens.
    fn answer_to(&self, prompt: &Prompt) -> (ScriptedAnswer, Result<usize, Error>) {
        let (message, tokens) = last_message(prompt);
        let matches = |answer: &&ScriptedAnswer| answer.when.as_ref().is_none_or(|part| message.contains(part));
        let answer = self.answers.iter().find(matches).cloned().unwrap_or_default();
        let fits = tokens < CONTEXT;
        (answer, if fits { Ok(tokens) } else { Err(Error::ContextTooLong { tokens, limit: CONTEXT }) })
    }
}

/// What the stand-in listens for, and how many words it was told in all.
fn last_message(prompt: &Prompt) -> (String, usize) {
    let words = |text: &str| text.split_whitespace().count();
    match prompt {
        Prompt::Chat(messages) => {
            // An answer that goes on is listened for by its own last words.
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

async fn play(answer: ScriptedAnswer, prompt_tokens: usize, request: &Request, responder: JobResponder) {
    let max_tokens = request.max_tokens as usize;
    let logprob = request.logprobs.then(|| answer.probability.unwrap_or(0.9).ln());
    let pieces = &answer.pieces[..answer.pieces.len().min(max_tokens)];
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
