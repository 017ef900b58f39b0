//! `/api/v1/models/downloads` and `/api/v1/models/hub`: model downloads, and search of the model hub.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::i18n::Language;
use crate::base::model_id::ModelId;
use crate::http::error::{ApiError, ClientErrors, Problem};
use crate::http::extract::{JsonBody, PathId, QueryParams};
use crate::http::sse;
use crate::http::sse::EventStream;
use crate::http::state::AppState;
use crate::hub::{Download, FileName, Phase, RepoFile, RepoSummary, Repository, Revision, Source};

/// Keep-alive interval: the list is sent again after this long without a change.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The model file to download.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DownloadRequest {
    repository: Repository,
    file: FileName,
    /// Branch, tag or commit; `main` if absent.
    #[serde(default)]
    revision: Revision,
}

/// Changes of a download.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DownloadPatch {
    /// True pauses the download; false resumes it, or retries it if it failed.
    paused: bool,
}

/// All downloads.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DownloadsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// In the order of their start.
    downloads: Vec<DownloadItem>,
}

/// A download.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DownloadItem {
    /// The id that the model will have.
    #[schema(value_type = String, example = "qwen2.5-coder-1.5b-instruct-q4_k_m")]
    id: ModelId,
    repository: Repository,
    file: FileName,
    revision: Revision,
    state: DownloadState,
    /// Downloaded bytes.
    received_bytes: u64,
    /// Size of the file in bytes; null until the hub reports it.
    total_bytes: Option<u64>,
    /// While downloading, bytes per second.
    bytes_per_second: Option<u64>,
    /// While verifying the checksum, the verified share, 0 to 1.
    checked: Option<f64>,
    /// The expected SHA-256; null until the hub reports it.
    sha256: Option<String>,
    /// Why the download was interrupted, for users.
    message: Option<String>,
    /// The failure code, for programs.
    failure: Option<&'static str>,
}

/// The state of a download.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DownloadState {
    /// Queued behind other downloads.
    Waiting,
    /// Downloading.
    Downloading,
    /// Interrupted; retried automatically.
    Retrying,
    /// Verifying the checksum.
    Checking,
    /// Paused by the user.
    Paused,
    /// Failed; not retried automatically.
    Failed,
    /// Completed; the model is installed.
    Done,
}

impl DownloadItem {
    fn new(download: Download, language: Language) -> Self {
        let Download { id, source: Source { repository, file, revision }, phase, bytes, metadata } = download;
        let (state, error) = match &phase {
            Phase::Waiting => (DownloadState::Waiting, None),
            Phase::Downloading { .. } => (DownloadState::Downloading, None),
            Phase::Retrying { error } => (DownloadState::Retrying, Some(error)),
            Phase::Checking { .. } => (DownloadState::Checking, None),
            Phase::Paused => (DownloadState::Paused, None),
            Phase::Failed { error } => (DownloadState::Failed, Some(error)),
            Phase::Done => (DownloadState::Done, None),
        };
        Self {
            state,
            received_bytes: bytes,
            total_bytes: metadata.as_ref().map(|metadata| metadata.bytes),
            bytes_per_second: if let Phase::Downloading { speed } = phase { Some(speed as u64) } else { None },
            checked: if let Phase::Checking { progress } = phase { Some(progress) } else { None },
            sha256: metadata.map(|metadata| metadata.sha256),
            message: error.map(|error| error.message().text(language).to_owned()),
            failure: error.map(crate::hub::Error::code),
            id,
            repository,
            file,
            revision,
        }
    }
}

/// The search of the model hub.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HubQuery {
    /// Words in the name of the repository; if absent, the most downloaded repositories.
    #[serde(default)]
    #[param(max_length = 100, example = "qwen coder")]
    query: String,
}

/// Repositories with model files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HubResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// By downloads, highest first.
    repositories: Vec<HubItem>,
}

/// A repository with model files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HubItem {
    repository: Repository,
    /// Recent downloads.
    downloads: u64,
    likes: u64,
    #[schema(example = "apache-2.0")]
    license: Option<String>,
    /// Whether the download requires an account that accepted the terms.
    gated: bool,
}

impl From<RepoSummary> for HubItem {
    fn from(found: RepoSummary) -> Self {
        let RepoSummary { repository, downloads, likes, license, gated } = found;
        Self { repository, downloads, likes, license, gated }
    }
}

/// The model files of a repository.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HubFilesResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The host of the model hub.
    #[schema(example = "huggingface.co")]
    host: String,
    /// By size, smallest first. Models that are split into several files are not listed.
    files: Vec<HubFile>,
}

/// A model file in a repository.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HubFile {
    file: FileName,
    /// The id that the model will have.
    #[schema(value_type = String)]
    id: ModelId,
    size_bytes: u64,
    sha256: Option<String>,
}

impl From<RepoFile> for HubFile {
    fn from(RepoFile { file, bytes, sha256 }: RepoFile) -> Self {
        Self { id: ModelId(file.model().to_owned()), file, size_bytes: bytes, sha256 }
    }
}

/// Starts the download of a model.
///
/// The download resumes after a restart of HAPA. The model is installed once its checksum was verified.
#[utoipa::path(
    post, path = "/api/v1/models/downloads", tag = "models", request_body = DownloadRequest,
    responses(
        (status = 200, description = "All downloads", body = DownloadsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn download_model(
    State(app): State<AppState>,
    language: Language,
    JsonBody(DownloadRequest { repository, file, revision }): JsonBody<DownloadRequest>,
) -> Result<Json<DownloadsResponse>, ApiError> {
    app.hub.download(Source { repository, file, revision }).await?;
    Ok(all(&app, language))
}

/// Streams the list of downloads: once immediately, then after each change.
#[utoipa::path(
    get, path = "/api/v1/models/downloads", tag = "models",
    responses(
        (status = 200, description = "Server-sent events, each with a `DownloadsResponse` as its data",
            body = EventStream, content_type = "text/event-stream"),
        ClientErrors,
    )
)]
pub(crate) async fn downloads(State(app): State<AppState>, language: Language) -> Response {
    let mut changes = app.hub.downloads();
    changes.mark_changed();
    let lists = stream::unfold((app, changes), move |(app, mut changes)| async move {
        let changed =
            app.assistant.shutdown.run_until_cancelled(tokio::time::timeout(KEEP_ALIVE, changes.changed())).await?;
        if matches!(changed, Ok(Err(_))) {
            return None;
        }
        let line = serde_json::to_string(&*all(&app, language)).expect("a list has string keys and finite numbers");
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: {line}\n\n"))), (app, changes)))
    });
    sse::events(lists)
}

/// Pauses, resumes or retries a download.
#[utoipa::path(
    patch, path = "/api/v1/models/downloads/{id}", tag = "models", request_body = DownloadPatch,
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "All downloads", body = DownloadsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn change_download(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
    JsonBody(DownloadPatch { paused }): JsonBody<DownloadPatch>,
) -> Result<Json<DownloadsResponse>, ApiError> {
    app.hub.pause(&ModelId(id), paused).await?;
    Ok(all(&app, language))
}

/// Cancels a download and deletes its partial file. A completed download is only removed from the list; the model stays.
#[utoipa::path(
    delete, path = "/api/v1/models/downloads/{id}", tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The remaining downloads", body = DownloadsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn give_up_download(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<DownloadsResponse>, ApiError> {
    app.hub.cancel(&ModelId(id)).await?;
    Ok(all(&app, language))
}

/// Searches the model hub for repositories with model files.
#[utoipa::path(
    get, path = "/api/v1/models/hub", tag = "models", params(HubQuery),
    responses(
        (status = 200, description = "The repositories", body = HubResponse),
        ClientErrors,
        (status = 502, description = "The request to the model hub failed", body = Problem),
    )
)]
pub(crate) async fn search_hub(
    State(app): State<AppState>,
    QueryParams(HubQuery { query }): QueryParams<HubQuery>,
) -> Result<Json<HubResponse>, ApiError> {
    let text: String = query.chars().take(100).collect();
    let found = app.hub.search(&text).await?;
    Ok(Json(HubResponse { status: "success", repositories: found.into_iter().map(Into::into).collect() }))
}

/// Lists the model files of a repository.
#[utoipa::path(
    get, path = "/api/v1/models/hub/{owner}/{name}", tag = "models",
    params(("owner" = String, Path, description = "The repository's owner"), ("name" = String, Path, description = "The name of the repository")),
    responses(
        (status = 200, description = "The model files", body = HubFilesResponse),
        ClientErrors,
        (status = 502, description = "The request to the model hub failed", body = Problem),
    )
)]
pub(crate) async fn hub_files(
    State(app): State<AppState>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
) -> Result<Json<HubFilesResponse>, ApiError> {
    let repository = path.ok().and_then(|Path((owner, name))| Repository::try_from(format!("{owner}/{name}")).ok());
    let repository = repository.ok_or(ApiError::NotFound)?;
    let files = app.hub.list_files(&repository).await?;
    let host = app.hub.host();
    Ok(Json(HubFilesResponse { status: "success", host, files: files.into_iter().map(Into::into).collect() }))
}

fn all(app: &AppState, language: Language) -> Json<DownloadsResponse> {
    let list = app.hub.downloads().borrow().clone();
    let downloads = list.into_iter().map(|download| DownloadItem::new(download, language)).collect();
    Json(DownloadsResponse { status: "success", downloads })
}
