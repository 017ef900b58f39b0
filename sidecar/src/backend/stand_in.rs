//! An answer of this machine's model that is held back until its first word, so that somebody else can take over before it.

use std::time::Duration;

use engine::{Error, Event, Request, TokenSender, TokenStream};
use tokio::time::timeout;

use super::{Backend, By, Candidate};

/// Events that may wait for a slow listener.
const CAPACITY: usize = 64;

/// Whoever takes over if the first to be asked fails.
pub(super) struct StandIn {
    pub backend: Backend,
    /// Who was asked first, and what.
    pub candidate: Candidate,
    pub request: Request,
}

/// An answer whose next words have come.
struct Begun {
    first: Vec<Event>,
    rest: TokenStream,
}

impl StandIn {
    /// The answer of whoever speaks first. Nothing of it is heard before that, for it must be certain then who speaks. One who
    /// has begun to work and says nothing for `patience` seconds has failed.
    pub fn hear(self, asked: Result<(TokenStream, By), Error>, patience: u32) -> (TokenStream, By) {
        let (sender, answer) = TokenStream::channel(CAPACITY);
        let by = By::default();
        let told = by.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = self.speak(asked, Duration::from_secs(patience.into()), &sender, &told) => {}
            }
        });
        (answer, by)
    }

    async fn speak(self, asked: Result<(TokenStream, By), Error>, patience: Duration, sender: &TokenSender, told: &By) {
        let begun = match asked {
            Ok((answer, _)) => begun(answer, patience).await,
            Err(error) => Err(error),
        };
        let (answer, first) = match begun {
            Ok(Begun { first, rest }) => {
                told.is(self.candidate.voice());
                (Ok(rest), first)
            }
            Err(error) => match self.backend.instead_of(&self.candidate, &error).await {
                Some(other) => {
                    tracing::info!("the remote server is asked, since the model here failed: {error}");
                    told.is(other.voice());
                    (self.backend.ask(&other, self.request).map(|(answer, _)| answer), Vec::new())
                }
                None => (Err(error), Vec::new()),
            },
        };
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                sender.send(Err(error)).await;
                return;
            }
        };
        for event in first {
            if !sender.send(Ok(event)).await {
                return;
            }
        }
        while let Some(event) = answer.next().await {
            if !sender.send(event).await {
                return;
            }
        }
    }
}

/// Listens until the first word, or the end of an answer without any.
async fn begun(mut answer: TokenStream, patience: Duration) -> Result<Begun, Error> {
    let mut first = Vec::new();
    loop {
        // Waiting for a turn is no idleness; the clock runs from the first sign of work.
        let idle = if first.is_empty() { Duration::MAX } else { patience };
        let silent = || Error::Inference(format!("the model said nothing for {} s", idle.as_secs()));
        match timeout(idle, answer.next()).await.map_err(|_| silent())?.unwrap_or(Err(Error::EngineStopped))? {
            Event::Prefill { .. } => {}
            event @ Event::PromptAccepted(_) => first.push(event),
            event @ (Event::Delta { .. } | Event::Done(_)) => {
                first.push(event);
                return Ok(Begun { first, rest: answer });
            }
        }
    }
}
