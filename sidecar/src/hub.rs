//! Client of the model hub (Hugging Face or a mirror): search, and resumable downloads.
//!
//! The hub is not trusted. Requests go to its own hosts only, responses are parsed into strict types, and a file is installed as a
//! model only after its SHA-256 and its GGUF header were checked.

pub mod catalog;
mod client;
mod downloads;
mod endpoint;
mod error;
mod fetch;
mod records;
mod search;
mod speed_meter;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use self::downloads::{Download, DownloadError, OnInstalled, Phase};
pub use self::endpoint::{FileName, Repository, Revision};
pub use self::error::Error;
pub use self::fetch::{FileMetadata, hash};
pub use self::records::DownloadRecord;
pub use self::search::{RepoFile, RepoSummary};

use self::client::HubClient;
use self::downloads::Downloads;
use self::endpoint::Endpoint;
use crate::base::model_id::ModelId;
use crate::config::Config;

/// A handle to the model hub and its downloads. Clones share one state.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: HubClient,
    downloads: Downloads,
}

/// The source of a download: one file of a repository, at a revision.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Source {
    /// Its repository.
    pub repository: Repository,
    /// Its path in the repository.
    pub file: FileName,
    /// A branch, a tag or a commit.
    pub revision: Revision,
}

impl Hub {
    /// Creates a client of the configured hub. `on_installed` is called after each installed model.
    #[must_use]
    pub fn new(config: &Config, on_installed: OnInstalled) -> Self {
        let client = HubClient::new(Endpoint::new(&config.hf_endpoint), config.download_retry);
        Self(Arc::new(Inner { client, downloads: Downloads::new(config.models(), on_installed) }))
    }

    /// Resumes the downloads of an earlier process, and stops all downloads at `shutdown`.
    pub fn resume(&self, shutdown: CancellationToken) {
        self.0.downloads.resume(&self.0.client, shutdown);
    }

    /// Starts to download a file.
    ///
    /// # Errors
    /// If the model exists, is split into several files, or the list of downloads is full.
    pub async fn download(&self, source: Source) -> Result<(), DownloadError> {
        self.0.downloads.start(&self.0.client, source).await
    }

    /// Pauses or resumes a download.
    ///
    /// # Errors
    /// If there is no such download.
    pub async fn pause(&self, id: &ModelId, paused: bool) -> Result<(), DownloadError> {
        self.0.downloads.pause(&self.0.client, id, paused).await
    }

    /// Cancels a download and deletes its partial file. A finished one is only removed from the list.
    ///
    /// # Errors
    /// If there is no such download.
    pub async fn cancel(&self, id: &ModelId) -> Result<(), DownloadError> {
        self.0.downloads.cancel(id).await
    }

    /// The download record of an installed model; `None` if it was not downloaded by HAPA.
    pub async fn provenance(&self, id: &ModelId) -> Option<DownloadRecord> {
        self.0.downloads.provenance(id).await
    }

    /// The list of downloads, with updates.
    #[must_use]
    pub fn downloads(&self) -> tokio::sync::watch::Receiver<Vec<Download>> {
        self.0.downloads.watch()
    }

    /// The hub's host name; empty if the configured endpoint is invalid.
    #[must_use]
    pub fn host(&self) -> String {
        let url = self.0.client.url(&[]).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Searches for repositories with GGUF files, most downloaded first.
    ///
    /// # Errors
    /// If the request fails or its response is invalid.
    pub async fn search(&self, text: &str) -> Result<Vec<RepoSummary>, Error> {
        search::search_repositories(&self.0.client, text).await
    }

    /// Lists the GGUF files of a repository, smallest first.
    ///
    /// # Errors
    /// If the request fails or its response is invalid.
    pub async fn list_files(&self, repository: &Repository) -> Result<Vec<RepoFile>, Error> {
        search::list_files(&self.0.client, repository).await
    }
}
