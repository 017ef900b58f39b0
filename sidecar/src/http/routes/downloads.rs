//! `/api/v1/models/downloads` and `/api/v1/models/hub`: bringing models here, and what there is to bring.

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

/// A pause in the stream after which the list is sent again, as a sign of life.
const SILENCE: Duration = Duration::from_secs(10);

/// RequestFacts is to be downloaded.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DownloadRequest {
    repository: Repository,
    file: FileName,
    /// A branch, a tag or a commit; `main` if absent.
    #[serde(default)]
    revision: Revision,
}

/// RequestFacts is to become of a download.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DownloadPatch {
    /// Whether it waits until it is let go on. RequestFacts failed is tried again with `false`.
    paused: bool,
}

/// All downloads.
#[derive(Debug, Serialize, ToSchema)]
pub struct DownloadsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// In the order in which they began.
    downloads: Vec<DownloadItem>,
}

/// A download.
#[derive(Debug, Serialize, ToSchema)]
pub struct DownloadItem {
    /// The model's id, once it is there.
    #[schema(value_type = String, example = "qwen2.5-coder-1.5b-instruct-q4_k_m")]
    id: ModelId,
    repository: Repository,
    file: FileName,
    revision: Revision,
    state: DownloadState,
    /// Bytes that are there.
    received_bytes: u64,
    /// Bytes of the file; null until the hub was asked.
    total_bytes: Option<u64>,
    /// While bytes come, how many a second.
    bytes_per_second: Option<u64>,
    /// While the bytes are checked, the share that is, 0 to 1.
    checked: Option<f64>,
    /// The SHA-256 that the bytes must have; null until the hub was asked.
    sha256: Option<String>,
    /// Why it broke off.
    message: Option<String>,
    /// The same in one word.
    failure: Option<&'static str>,
}

/// RequestFacts a download is at.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DownloadState {
    /// Others go first.
    Waiting,
    /// Bytes come.
    Downloading,
    /// It broke off, and is tried again in a moment.
    Retrying,
    /// The bytes are compared with what the hub said they would be.
    Checking,
    /// It waits until it is let go on.
    Paused,
    /// It does not go on by itself.
    Failed,
    /// The model is there.
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

/// RequestFacts to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HubQuery {
    /// Words of a repository's name; the most downloaded ones if absent.
    #[serde(default)]
    #[param(max_length = 100, example = "qwen coder")]
    query: String,
}

/// Repositories with model files.
#[derive(Debug, Serialize, ToSchema)]
pub struct HubResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The most downloaded first.
    repositories: Vec<HubItem>,
}

/// A repository with model files.
#[derive(Debug, Serialize, ToSchema)]
pub struct HubItem {
    repository: Repository,
    /// How often it was downloaded of late.
    downloads: u64,
    likes: u64,
    #[schema(example = "apache-2.0")]
    license: Option<String>,
    /// Whether the hub asks for an account that has agreed to something.
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
pub struct HubFilesResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Who has them.
    #[schema(example = "huggingface.co")]
    host: String,
    /// The smallest first. Models in several files are left out.
    files: Vec<HubFile>,
}

/// A model file in a repository.
#[derive(Debug, Serialize, ToSchema)]
pub struct HubFile {
    file: FileName,
    /// The model's id, once it is here.
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

/// Begins to download a model. It goes on when HAPA is started again, and is a model here once every byte was checked.
#[utoipa::path(
    post, path = "/api/v1/models/downloads", tag = "models", request_body = DownloadRequest,
    responses(
        (status = 200, description = "It is on the list", body = DownloadsResponse),
        ClientErrors,
    )
)]
pub async fn download_model(
    State(app): State<AppState>,
    language: Language,
    JsonBody(DownloadRequest { repository, file, revision }): JsonBody<DownloadRequest>,
) -> Result<Json<DownloadsResponse>, ApiError> {
    app.hub.download(Source { repository, file, revision }).await?;
    Ok(all(&app, language))
}

/// Streams the list of downloads: now, and whenever something about it changes.
#[utoipa::path(
    get, path = "/api/v1/models/downloads", tag = "models",
    responses(
        (status = 200, description = "Server-sent events, each with a `DownloadsResponse` as its data",
            body = EventStream, content_type = "text/event-stream"),
        ClientErrors,
    )
)]
pub async fn downloads(State(app): State<AppState>, language: Language) -> Response {
    let mut changes = app.hub.downloads();
    changes.mark_changed();
    let lists = stream::unfold((app, changes), move |(app, mut changes)| async move {
        let changed =
            app.assistant.shutdown.run_until_cancelled(tokio::time::timeout(SILENCE, changes.changed())).await?;
        if matches!(changed, Ok(Err(_))) {
            return None;
        }
        let line = serde_json::to_string(&*all(&app, language)).expect("a list has string keys and finite numbers");
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: {line}\n\n"))), (app, changes)))
    });
    sse::events(lists)
}

/// Pauses a download, or lets it go on.
#[utoipa::path(
    patch, path = "/api/v1/models/downloads/{id}", tag = "models", request_body = DownloadPatch,
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "It does as asked", body = DownloadsResponse),
        ClientErrors,
    )
)]
pub async fn change_download(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
    JsonBody(DownloadPatch { paused }): JsonBody<DownloadPatch>,
) -> Result<Json<DownloadsResponse>, ApiError> {
    app.hub.pause(&ModelId(id), paused).await?;
    Ok(all(&app, language))
}

/// Gives up a download and what there is of it. One that is over is only taken off the list.
#[utoipa::path(
    delete, path = "/api/v1/models/downloads/{id}", tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "It is not on the list any more", body = DownloadsResponse),
        ClientErrors,
    )
)]
pub async fn give_up_download(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<DownloadsResponse>, ApiError> {
    app.hub.cancel(&ModelId(id)).await?;
    Ok(all(&app, language))
}

/// Searches the hub for repositories with model files.
#[utoipa::path(
    get, path = "/api/v1/models/hub", tag = "models", params(HubQuery),
    responses(
        (status = 200, description = "RequestFacts was found", body = HubResponse),
        ClientErrors,
        (status = 502, description = "The hub did not answer in order", body = Problem),
    )
)]
pub async fn search_hub(
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
    params(("owner" = String, Path, description = "The repository's owner"), ("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "Its files", body = HubFilesResponse),
        ClientErrors,
        (status = 502, description = "The hub did not answer in order", body = Problem),
    )
)]
pub async fn hub_files(
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
