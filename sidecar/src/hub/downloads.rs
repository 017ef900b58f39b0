//! The list of downloads, and one task for each active one.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::client::HubClient;
use super::fetch::FileMetadata;
use super::records::{DownloadRecord, DownloadRecords};
use super::speed_meter::{PROGRESS_INTERVAL, SpeedMeter};
use super::{Error, Source, fetch};
use crate::base::fs::DiskError;
use crate::base::model_id::ModelId;

/// Concurrent transfers; more would only share the same bandwidth.
const MAX_CONCURRENT: usize = 3;

/// Downloads on the list, finished ones included.
const MAX_DOWNLOADS: usize = 32;

/// The phase of a download.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Queued behind other downloads.
    Waiting,
    /// Receiving.
    Downloading {
        /// Bytes per second, smoothed.
        speed: f64,
    },
    /// Interrupted; it is retried after a delay.
    Retrying {
        /// Why it was interrupted.
        error: Error,
    },
    /// The checksum is being verified.
    Checking {
        /// The verified share, 0 to 1.
        progress: f64,
    },
    /// Paused by the user.
    Paused,
    /// Failed; only the user can retry it.
    Failed {
        /// Why it failed.
        error: Error,
    },
    /// The model is installed.
    Done,
}

/// A download on the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Download {
    /// The id of the model, once installed.
    pub id: ModelId,
    /// Its source.
    pub source: Source,
    /// Its phase.
    pub phase: Phase,
    /// Bytes received.
    pub bytes: u64,
    /// Checksum and size as the hub reports them; `None` before the first response.
    pub metadata: Option<FileMetadata>,
}

/// A handle to all downloads. Clones share one list.
#[derive(Debug, Clone)]
pub(crate) struct Downloads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    records: DownloadRecords,
    on_installed: OnInstalled,
    list: watch::Sender<Vec<Download>>,
    /// The running tasks, by model id.
    tasks: Mutex<HashMap<ModelId, Task>>,
    permits: Semaphore,
}

/// The task of a download: cancelled with `token`; `ended` is cancelled when it has ended.
#[derive(Debug, Clone)]
struct Task {
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
    /// An empty list of downloads into the models folder.
    #[must_use]
    pub(crate) fn new(folder: PathBuf, on_installed: OnInstalled) -> Self {
        let inner = Inner {
            records: DownloadRecords::new(folder),
            on_installed,
            list: watch::Sender::default(),
            tasks: Mutex::default(),
            permits: Semaphore::new(MAX_CONCURRENT),
        };
        Self(Arc::new(inner))
    }

    /// The list, with updates.
    #[must_use]
    pub(crate) fn watch(&self) -> watch::Receiver<Vec<Download>> {
        self.0.list.subscribe()
    }

    /// Lists the downloads of an earlier process and resumes those that were not paused. At `shutdown`, all tasks stop; partial files
    /// stay.
    pub(crate) fn resume(&self, client: &HubClient, shutdown: CancellationToken) {
        for (id, DownloadRecord { source, metadata, paused }) in self.0.records.load_all() {
            let bytes = std::fs::metadata(self.0.records.part_path(&id)).map_or(0, |file| file.len());
            let phase = if paused { Phase::Paused } else { Phase::Waiting };
            self.0.list.send_modify(|list| list.push(Download { id: id.clone(), source, phase, bytes, metadata }));
            if !paused {
                self.spawn(client, &id);
            }
        }
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            shutdown.cancelled().await;
            for task in inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).values() {
                task.token.cancel();
            }
        });
    }

    /// Starts a download, or restarts one that was paused or has ended.
    ///
    /// # Errors
    /// If the model exists, is split into several files, or the list is full.
    pub(crate) async fn start(&self, client: &HubClient, source: Source) -> Result<(), DownloadError> {
        let id = ModelId(source.file.model().to_owned());
        if self.0.records.model_path(&id).exists() {
            return Err(DownloadError::ModelExists);
        }
        if id.is_split() {
            return Err(DownloadError::Split);
        }
        let mut early_result = None;
        self.0.list.send_if_modified(|list| {
            let is_finished = |download: &Download| matches!(download.phase, Phase::Done | Phase::Failed { .. });
            let is_full = list.len() >= MAX_DOWNLOADS;
            match list.iter_mut().find(|download| download.id == id) {
                // Starting an active download again succeeds: it is the same download.
                Some(download)
                    if download.source == source && !is_finished(download) && download.phase != Phase::Paused =>
                {
                    early_result = Some(Ok(()));
                    return false;
                }
                Some(download) if !is_finished(download) && download.phase != Phase::Paused => {
                    early_result = Some(Err(DownloadError::NameInUse));
                    return false;
                }
                Some(download) => {
                    let same = download.source == source;
                    (download.source, download.phase) = (source.clone(), Phase::Waiting);
                    download.metadata = download.metadata.take().filter(|_| same);
                }
                None if is_full => {
                    early_result = Some(Err(DownloadError::TooMany));
                    return false;
                }
                None => list.push(Download {
                    id: id.clone(),
                    source: source.clone(),
                    phase: Phase::Waiting,
                    bytes: 0,
                    metadata: None,
                }),
            }
            true
        });
        if let Some(early_result) = early_result {
            return early_result;
        }
        self.save(&id).await?;
        self.spawn(client, &id);
        Ok(())
    }

    /// Pauses or resumes a download.
    ///
    /// # Errors
    /// If there is no such download, or its record cannot be written.
    pub(crate) async fn pause(&self, client: &HubClient, id: &ModelId, paused: bool) -> Result<(), DownloadError> {
        let phase = self.find(id).ok_or(DownloadError::NotFound)?.phase;
        if phase == Phase::Done {
            return Ok(());
        }
        if paused {
            self.stop(id).await;
            let bytes = tokio::fs::metadata(self.0.records.part_path(id)).await.map_or(0, |file| file.len());
            self.change(id, |download| {
                // It may have finished while it was being stopped.
                if download.phase != Phase::Done {
                    (download.phase, download.bytes) = (Phase::Paused, bytes);
                }
            });
            return Ok(self.save(id).await?);
        }
        if !matches!(phase, Phase::Paused | Phase::Failed { .. }) {
            return Ok(());
        }
        self.change(id, |download| download.phase = Phase::Waiting);
        self.save(id).await?;
        self.spawn(client, id);
        Ok(())
    }

    /// Cancels a download, deletes its partial file, and removes it from the list.
    ///
    /// # Errors
    /// If there is no such download, or its files cannot be deleted.
    pub(crate) async fn cancel(&self, id: &ModelId) -> Result<(), DownloadError> {
        self.find(id).ok_or(DownloadError::NotFound)?;
        self.stop(id).await;
        self.0.list.send_modify(|list| list.retain(|download| download.id != *id));
        Ok(self.with_records(id, |records, id| records.remove(id)).await?)
    }

    /// The download record of an installed model.
    pub(crate) async fn provenance(&self, id: &ModelId) -> Option<DownloadRecord> {
        let (records, id) = (self.0.records.clone(), id.clone());
        tokio::task::spawn_blocking(move || records.provenance(&id)).await.ok().flatten()
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

    /// Writes the record of a download, from which another process can resume it.
    async fn save(&self, id: &ModelId) -> Result<(), Error> {
        let Some(Download { source, metadata, phase, .. }) =
            self.find(id).filter(|download| download.phase != Phase::Done)
        else {
            return Ok(());
        };
        let record = DownloadRecord { source, metadata, paused: phase == Phase::Paused };
        self.with_records(id, move |records, id| records.save(id, &record)).await
    }

    async fn with_records(
        &self,
        id: &ModelId,
        act: impl FnOnce(&DownloadRecords, &ModelId) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let (records, id) = (self.0.records.clone(), id.clone());
        let result = tokio::task::spawn_blocking(move || act(&records, &id)).await;
        let result = result.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        result.map_err(|error| DiskError::from_io(&error, 0).into())
    }

    /// Cancels the task of a download, if one is running, and waits for its end.
    async fn stop(&self, id: &ModelId) {
        let task = self.tasks().get(id).cloned();
        if let Some(task) = task {
            task.token.cancel();
            task.ended.cancelled().await;
        }
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, HashMap<ModelId, Task>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns the task of a download.
    fn spawn(&self, client: &HubClient, id: &ModelId) {
        let task = Task { token: CancellationToken::new(), ended: CancellationToken::new() };
        self.tasks().insert(id.clone(), task.clone());
        let (downloads, client, id) = (self.clone(), client.clone(), id.clone());
        tokio::spawn(async move {
            let stopped = task.token.run_until_cancelled(downloads.run(&client, &id)).await;
            // Under the lock: if `stop` finds no task, the result is on the list already.
            let mut tasks = downloads.tasks();
            if let Some(Err(error)) = stopped {
                tracing::warn!(model = %id.0, error = error.code(), "{}", error.message().en);
                downloads.change(&id, |download| download.phase = Phase::Failed { error });
            }
            tasks.remove(&id);
            task.ended.cancel();
        });
    }

    /// Fetches, verifies and installs a file.
    async fn run(&self, client: &HubClient, id: &ModelId) -> Result<(), Error> {
        let _permit = self.0.permits.acquire().await.map_err(|_| Error::Interrupted)?;
        let mut mismatches = 0;
        loop {
            let metadata = self.fetch_with_retry(client, id).await?;
            match self.verify(id, metadata).await {
                // Bits may have flipped in transit: fetched from the beginning once more.
                Err(Error::ChecksumMismatch) if mismatches == 0 => mismatches += 1,
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        self.with_records(id, DownloadRecords::install)
            .await
            .map_err(|_| DiskError::Io("the file could not be moved into the models folder".into()))?;
        tracing::info!(model = %id.0, "downloaded model {}", id.0);
        self.change(id, |download| download.phase = Phase::Done);
        (self.0.on_installed.0)();
        Ok(())
    }

    /// Fetches a file; transient errors are retried with backoff.
    async fn fetch_with_retry(&self, client: &HubClient, id: &ModelId) -> Result<FileMetadata, Error> {
        let mut failures = 0;
        loop {
            let Download { source, mut metadata, bytes: before, .. } = self.find(id).ok_or(Error::Interrupted)?;
            let (part, first) = (self.0.records.part_path(id), metadata.is_none());
            let mut speed_meter = SpeedMeter::new(before);
            let mut saved = !first;
            let fetched = fetch::fetch(client, &source, &part, &mut metadata, |metadata, bytes| {
                if !std::mem::replace(&mut saved, true) {
                    let record =
                        DownloadRecord { source: source.clone(), metadata: Some(metadata.clone()), paused: false };
                    let _ = self.0.records.save(id, &record);
                }
                if let Some(speed) = speed_meter.update(bytes) {
                    self.change(id, |download| {
                        (download.bytes, download.metadata, download.phase) =
                            (bytes, Some(metadata.clone()), Phase::Downloading { speed });
                    });
                }
            });
            let fetched = fetched.await;
            let bytes = tokio::fs::metadata(&part).await.map_or(0, |file| file.len());
            self.change(id, |download| (download.bytes, download.metadata) = (bytes, metadata.clone()));
            let _ = self.save(id).await;
            let failure = match (fetched, metadata) {
                (Ok(()), Some(metadata)) => return Ok(metadata),
                (Ok(()), None) => return Err(Error::InvalidResponse),
                (Err(failure), _) => failure,
            };
            failures = if bytes > before { 1 } else { failures + 1 };
            let pause = client
                .retry_policy()
                .pause_after(failures, failure.retry_after)
                .filter(|_| failure.error.is_transient());
            let Some(pause) = pause else { return Err(failure.error) };
            self.change(id, |download| download.phase = Phase::Retrying { error: failure.error });
            tokio::time::sleep(pause).await;
        }
    }

    /// Verifies the checksum and the GGUF header. An invalid file is deleted.
    async fn verify(&self, id: &ModelId, metadata: FileMetadata) -> Result<(), Error> {
        self.change(id, |download| download.phase = Phase::Checking { progress: 0.0 });
        let (downloads, id, part) = (self.clone(), id.clone(), self.0.records.part_path(id));
        let verified = tokio::task::spawn_blocking(move || {
            let mut reported_at = Instant::now();
            let verified = fetch::verify(&part, &metadata, |hashed| {
                if reported_at.elapsed() >= PROGRESS_INTERVAL {
                    reported_at = Instant::now();
                    let progress = hashed as f64 / metadata.bytes.max(1) as f64;
                    downloads.change(&id, |download| download.phase = Phase::Checking { progress });
                }
            });
            if matches!(verified, Err(Error::ChecksumMismatch | Error::InvalidModel(_))) {
                let _ = downloads.0.records.remove_part(&id);
                downloads.change(&id, |download| download.bytes = 0);
            }
            verified
        });
        verified.await.unwrap_or_else(|error| Err(DiskError::Io(error.to_string()).into()))
    }
}
