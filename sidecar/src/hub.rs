//! Models elsewhere: what Hugging Face, or a mirror of it, has of them, and bringing them here.
//!
//! The hub is not trusted: only its own hosts are asked, what it says is read into types of ours, and a file is a model here only
//! once its bytes are what the hub said they would be and its head is in order.

pub mod catalog;
mod client;
mod downloads;
mod endpoint;
mod error;
mod fetch;
mod records;
mod search;

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

/// A handle to the hub. Clones share it.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: HubClient,
    downloads: Downloads,
}

/// What is to be downloaded: one file of a repository, at a revision.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Source {
    /// Where it is.
    pub repository: Repository,
    /// The file.
    pub file: FileName,
    /// As of when: a branch, a tag or a commit.
    pub revision: Revision,
}

impl Hub {
    /// The hub that the configuration names.
    #[must_use]
    pub fn new(config: &Config, on_installed: OnInstalled) -> Self {
        let client = HubClient::new(Endpoint::new(&config.hf_endpoint), config.download_retry);
        Self(Arc::new(Inner { client, downloads: Downloads::new(config.models(), on_installed) }))
    }

    /// Goes on with the downloads that an earlier process left, and stops all at `shutdown`.
    pub fn resume(&self, shutdown: CancellationToken) {
        self.0.downloads.resume(&self.0.client, shutdown);
    }

    /// Begins to download a file.
    ///
    /// # Errors
    /// When the model is there already, or too many downloads are.
    pub async fn download(&self, source: Source) -> Result<(), DownloadError> {
        self.0.downloads.start(&self.0.client, source).await
    }

    /// Pauses a download, or lets it go on.
    ///
    /// # Errors
    /// When there is no such download.
    pub async fn pause(&self, id: &ModelId, paused: bool) -> Result<(), DownloadError> {
        self.0.downloads.pause(&self.0.client, id, paused).await
    }

    /// Gives up a download, and what there is of it. One that is over is only taken off the list.
    ///
    /// # Errors
    /// When there is no such download.
    pub async fn cancel(&self, id: &ModelId) -> Result<(), DownloadError> {
        self.0.downloads.cancel(id).await
    }

    /// Where a model came from, if it was downloaded here.
    pub async fn provenance(&self, id: &ModelId) -> Option<DownloadRecord> {
        self.0.downloads.provenance(id).await
    }

    /// The downloads as they go on.
    #[must_use]
    pub fn downloads(&self) -> tokio::sync::watch::Receiver<Vec<Download>> {
        self.0.downloads.watch()
    }

    /// The host that is asked; empty where none may be.
    #[must_use]
    pub fn host(&self) -> String {
        let url = self.0.client.url(&[]).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Repositories with model files that a text finds, most downloaded first.
    ///
    /// # Errors
    /// When the hub does not answer in order.
    pub async fn search(&self, text: &str) -> Result<Vec<RepoSummary>, Error> {
        search::search_repositories(&self.0.client, text).await
    }

    /// The model files of a repository.
    ///
    /// # Errors
    /// When the hub does not answer in order.
    pub async fn list_files(&self, repository: &Repository) -> Result<Vec<RepoFile>, Error> {
        search::list_files(&self.0.client, repository).await
    }
}
