//! The downloads that there are, what each is at, and the tasks that bring them on.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::client::Asking;
use super::fetch::Known;
use super::records::{Kept, Label};
use super::{Error, Source, fetch};
use crate::base::fs::DiskError;
use crate::base::model_id::ModelId;

/// Downloads that bring bytes at a time; more would only take the line from each other.
const AT_A_TIME: usize = 3;

/// Downloads that may be on the list.
const MOST: usize = 32;

/// How often the list is renewed by bytes that come.
const TELLING: Duration = Duration::from_millis(200);

/// What a download is at.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Others go first.
    Waiting,
    /// Bytes come, so many a second.
    Loading {
        /// Bytes a second, of late.
        speed: f64,
    },
    /// It broke off, and is tried again in a moment.
    Retrying {
        /// Why it broke off.
        problem: Error,
    },
    /// The bytes are compared with what the hub said they would be.
    Checking {
        /// The share that is compared, 0 to 1.
        progress: f64,
    },
    /// Somebody paused it.
    Paused,
    /// It does not go on by itself.
    Failed {
        /// Why not.
        problem: Error,
    },
    /// The model is there.
    Done,
}

/// A download on the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Download {
    /// The model's id, once it is there.
    pub id: ModelId,
    /// Where it comes from.
    pub source: Source,
    /// What it is at.
    pub phase: Phase,
    /// Bytes that are there.
    pub bytes: u64,
    /// What the hub says that the file is, once it was asked.
    pub known: Option<Known>,
}

/// All downloads. Clones share them.
#[derive(Debug, Clone)]
pub struct Downloads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kept: Kept,
    on_installed: OnInstalled,
    list: watch::Sender<Vec<Download>>,
    /// What stops the task of each that has one.
    stops: Mutex<HashMap<ModelId, Stop>>,
    places: Semaphore,
}

/// How the task of a download is stopped, and how one knows that it has.
#[derive(Debug, Clone)]
struct Stop {
    token: CancellationToken,
    ended: CancellationToken,
}

/// Called when a downloaded model has been installed.
#[derive(Clone)]
pub struct OnInstalled(pub Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for OnInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnInstalled")
    }
}

/// Why a download could not be started, paused, resumed or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// There is no such download.
    #[error("there is no such download")]
    NotFound,
    /// A model of this name exists already.
    #[error("a model of this name exists already")]
    ModelExists,
    /// The model is split into several files, which cannot be downloaded.
    #[error("the model is split into several files")]
    Split,
    /// Another model of this name is being downloaded.
    #[error("another model of this name is being downloaded")]
    NameInUse,
    /// The list of downloads is full.
    #[error("there are too many downloads")]
    TooMany,
    /// The hub or the disk failed.
    #[error(transparent)]
    Hub(#[from] Error),
}

impl Downloads {
    /// Into a folder with models.
    #[must_use]
    pub fn new(folder: PathBuf, on_installed: OnInstalled) -> Self {
        let inner = Inner {
            kept: Kept::of(folder),
            on_installed,
            list: watch::Sender::default(),
            stops: Mutex::default(),
            places: Semaphore::new(AT_A_TIME),
        };
        Self(Arc::new(inner))
    }

    /// The list as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Vec<Download>> {
        self.0.list.subscribe()
    }

    /// Lists what an earlier process left and goes on with what was not paused. All stop at `shutdown`, and keep what they have.
    pub fn resume(&self, asking: &Asking, shutdown: CancellationToken) {
        for (id, Label { source, known, paused }) in self.0.kept.labels() {
            let bytes = std::fs::metadata(self.0.kept.part(&id)).map_or(0, |facts| facts.len());
            let phase = if paused { Phase::Paused } else { Phase::Waiting };
            self.0.list.send_modify(|list| list.push(Download { id: id.clone(), source, phase, bytes, known }));
            if !paused {
                self.run(asking, &id);
            }
        }
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            shutdown.cancelled().await;
            for stop in inner.stops.lock().unwrap_or_else(PoisonError::into_inner).values() {
                stop.token.cancel();
            }
        });
    }

    /// Begins a download.
    ///
    /// # Errors
    /// When the model is there, or cannot be brought.
    pub async fn begin(&self, asking: &Asking, source: Source) -> Result<(), DownloadError> {
        let id = ModelId(source.file.model().to_owned());
        if self.0.kept.whole(&id).exists() {
            return Err(DownloadError::ModelExists);
        }
        if id.is_split() {
            return Err(DownloadError::Split);
        }
        let mut settled = None;
        self.0.list.send_if_modified(|list| {
            let over = |download: &Download| matches!(download.phase, Phase::Done | Phase::Failed { .. });
            let is_full = list.len() >= MOST;
            match list.iter_mut().find(|download| download.id == id) {
                // Whoever asks twice gets what they asked for.
                Some(download) if download.source == source && !over(download) && download.phase != Phase::Paused => {
                    settled = Some(Ok(()));
                    return false;
                }
                Some(download) if !over(download) && download.phase != Phase::Paused => {
                    settled = Some(Err(DownloadError::NameInUse));
                    return false;
                }
                Some(download) => {
                    let same = download.source == source;
                    (download.source, download.phase) = (source.clone(), Phase::Waiting);
                    download.known = download.known.take().filter(|_| same);
                }
                None if is_full => {
                    settled = Some(Err(DownloadError::TooMany));
                    return false;
                }
                None => list.push(Download {
                    id: id.clone(),
                    source: source.clone(),
                    phase: Phase::Waiting,
                    bytes: 0,
                    known: None,
                }),
            }
            true
        });
        if let Some(settled) = settled {
            return settled;
        }
        self.keep(&id).await?;
        self.run(asking, &id);
        Ok(())
    }

    /// Pauses a download, or lets it go on.
    ///
    /// # Errors
    /// When there is none that could.
    pub async fn pause(&self, asking: &Asking, id: &ModelId, paused: bool) -> Result<(), DownloadError> {
        let phase = self.find(id).ok_or(DownloadError::NotFound)?.phase;
        if phase == Phase::Done {
            return Ok(());
        }
        if paused {
            self.stop(id).await;
            let bytes = tokio::fs::metadata(self.0.kept.part(id)).await.map_or(0, |facts| facts.len());
            self.change(id, |download| {
                // It may have ended just now.
                if download.phase != Phase::Done {
                    (download.phase, download.bytes) = (Phase::Paused, bytes);
                }
            });
            return Ok(self.keep(id).await?);
        }
        if !matches!(phase, Phase::Paused | Phase::Failed { .. }) {
            return Ok(());
        }
        self.change(id, |download| download.phase = Phase::Waiting);
        self.keep(id).await?;
        self.run(asking, id);
        Ok(())
    }

    /// Gives up a download and what there is of it, and takes it off the list.
    ///
    /// # Errors
    /// When there is no such download.
    pub async fn give_up(&self, id: &ModelId) -> Result<(), DownloadError> {
        self.find(id).ok_or(DownloadError::NotFound)?;
        self.stop(id).await;
        self.0.list.send_modify(|list| list.retain(|download| download.id != *id));
        Ok(self.on_disk(id, |kept, id| kept.remove(id)).await?)
    }

    /// The label of a model that was downloaded.
    pub async fn origin(&self, id: &ModelId) -> Option<Label> {
        let (kept, id) = (self.0.kept.clone(), id.clone());
        tokio::task::spawn_blocking(move || kept.origin(&id)).await.ok().flatten()
    }

    fn find(&self, id: &ModelId) -> Option<Download> {
        self.0.list.borrow().iter().find(|download| download.id == *id).cloned()
    }

    fn change(&self, id: &ModelId, change: impl FnOnce(&mut Download)) {
        self.0.list.send_if_modified(|list| {
            let found = list.iter_mut().find(|download| download.id == *id);
            found.map(change).is_some()
        });
    }

    /// Writes down what is to outlive the process.
    async fn keep(&self, id: &ModelId) -> Result<(), Error> {
        let Some(Download { source, known, phase, .. }) =
            self.find(id).filter(|download| download.phase != Phase::Done)
        else {
            return Ok(());
        };
        let label = Label { source, known, paused: phase == Phase::Paused };
        self.on_disk(id, move |kept, id| kept.write(id, &label)).await
    }

    async fn on_disk(
        &self,
        id: &ModelId,
        act: impl FnOnce(&Kept, &ModelId) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let (kept, id) = (self.0.kept.clone(), id.clone());
        let done = tokio::task::spawn_blocking(move || act(&kept, &id)).await;
        let done = done.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        done.map_err(|error| DiskError::from_io(&error, 0).into())
    }

    /// Stops the task of a download, if it has one, and waits until it has stopped.
    async fn stop(&self, id: &ModelId) {
        let stop = self.stops().get(id).cloned();
        if let Some(stop) = stop {
            stop.token.cancel();
            stop.ended.cancelled().await;
        }
    }

    fn stops(&self) -> std::sync::MutexGuard<'_, HashMap<ModelId, Stop>> {
        self.0.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the task that brings a download on.
    fn run(&self, asking: &Asking, id: &ModelId) {
        let stop = Stop { token: CancellationToken::new(), ended: CancellationToken::new() };
        self.stops().insert(id.clone(), stop.clone());
        let (downloads, asking, id) = (self.clone(), asking.clone(), id.clone());
        tokio::spawn(async move {
            let stopped = stop.token.run_until_cancelled(downloads.bring(&asking, &id)).await;
            // Whoever finds no task in the list finds how it ended.
            let mut stops = downloads.stops();
            if let Some(Err(problem)) = stopped {
                tracing::warn!(model = %id.0, problem = problem.word(), "{}", problem.message().en);
                downloads.change(&id, |download| download.phase = Phase::Failed { problem });
            }
            stops.remove(&id);
            stop.ended.cancel();
        });
    }

    /// Brings a download to its end.
    async fn bring(&self, asking: &Asking, id: &ModelId) -> Result<(), Error> {
        let _place = self.0.places.acquire().await.map_err(|_| Error::CutOff)?;
        let mut wrong = 0;
        loop {
            let known = self.bytes(asking, id).await?;
            match self.check(id, known).await {
                // A byte may have been turned over on the way: once more, from the beginning.
                Err(Error::Wrong) if wrong == 0 => wrong += 1,
                Err(problem) => return Err(problem),
                Ok(()) => break,
            }
        }
        self.on_disk(id, Kept::finish)
            .await
            .map_err(|_| DiskError::Io("the file could not be put among the models".into()))?;
        tracing::info!(model = %id.0, "downloaded");
        self.change(id, |download| download.phase = Phase::Done);
        (self.0.on_installed.0)();
        Ok(())
    }

    /// Brings all bytes, as often as it takes.
    async fn bytes(&self, asking: &Asking, id: &ModelId) -> Result<Known, Error> {
        let mut vain = 0;
        loop {
            let Download { source, mut known, bytes: before, .. } = self.find(id).ok_or(Error::CutOff)?;
            let (part, first) = (self.0.kept.part(id), known.is_none());
            let mut pace = Pace::begin(before);
            let mut kept = !first;
            let brought = fetch::bring(asking, &source, &part, &mut known, |known, bytes| {
                if !std::mem::replace(&mut kept, true) {
                    let label = Label { source: source.clone(), known: Some(known.clone()), paused: false };
                    let _ = self.0.kept.write(id, &label);
                }
                if let Some(speed) = pace.at(bytes) {
                    self.change(id, |download| {
                        (download.bytes, download.known, download.phase) =
                            (bytes, Some(known.clone()), Phase::Loading { speed });
                    });
                }
            });
            let brought = brought.await;
            let bytes = tokio::fs::metadata(&part).await.map_or(0, |facts| facts.len());
            self.change(id, |download| (download.bytes, download.known) = (bytes, known.clone()));
            let _ = self.keep(id).await;
            let refusal = match (brought, known) {
                (Ok(()), Some(known)) => return Ok(known),
                (Ok(()), None) => return Err(Error::Garbled),
                (Err(refusal), _) => refusal,
            };
            vain = if bytes > before { 1 } else { vain + 1 };
            let pause = asking.retry_policy().pause_after(vain, refusal.after).filter(|_| refusal.problem.may_pass());
            let Some(pause) = pause else { return Err(refusal.problem) };
            self.change(id, |download| download.phase = Phase::Retrying { problem: refusal.problem });
            tokio::time::sleep(pause).await;
        }
    }

    /// Compares the bytes with what the hub said. Those that are wrong are removed.
    async fn check(&self, id: &ModelId, known: Known) -> Result<(), Error> {
        self.change(id, |download| download.phase = Phase::Checking { progress: 0.0 });
        let (downloads, id, part) = (self.clone(), id.clone(), self.0.kept.part(id));
        let checked = tokio::task::spawn_blocking(move || {
            let mut told = Instant::now();
            let checked = fetch::check(&part, &known, |seen| {
                if told.elapsed() >= TELLING {
                    told = Instant::now();
                    let progress = seen as f64 / known.bytes.max(1) as f64;
                    downloads.change(&id, |download| download.phase = Phase::Checking { progress });
                }
            });
            if matches!(checked, Err(Error::Wrong | Error::Flawed(_))) {
                let _ = downloads.0.kept.remove_part(&id);
                downloads.change(&id, |download| download.bytes = 0);
            }
            checked
        });
        checked.await.unwrap_or_else(|error| Err(DiskError::Io(error.to_string()).into()))
    }
}

/// How fast bytes come, told every now and then.
struct Pace {
    told: Option<Instant>,
    bytes: u64,
    speed: f64,
}

/// Weight of the newest measurement in the speed that is told.
const NEWEST: f64 = 0.3;

impl Pace {
    fn begin(bytes: u64) -> Self {
        Self { told: None, bytes, speed: 0.0 }
    }

    /// The speed in bytes a second, if it is time to tell it.
    fn at(&mut self, bytes: u64) -> Option<f64> {
        let Some(told) = self.told else {
            (self.told, self.bytes) = (Some(Instant::now()), bytes);
            return Some(0.0);
        };
        let passed = told.elapsed();
        if passed < TELLING {
            return None;
        }
        let now = bytes.saturating_sub(self.bytes) as f64 / passed.as_secs_f64();
        self.speed = if self.speed > 0.0 { self.speed + NEWEST * (now - self.speed) } else { now };
        (self.told, self.bytes) = (Some(Instant::now()), bytes);
        Some(self.speed)
    }
}
