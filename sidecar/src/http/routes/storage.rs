//! `GET /api/v1/storage`: what the data folder holds.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::i18n::Language;
use crate::error::Error;
use crate::http::error::{Problem, Rejection};
use crate::http::state::App;

/// What the data folder holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The folder's place.
    folder: String,
    parts: Vec<StoragePart>,
    /// Bytes that are free on its disk; null where the system does not tell.
    free_bytes: Option<u64>,
}

/// A part of the data folder.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoragePart {
    /// `models`, `database`, `states` (what models have read of conversations) or `logs`.
    name: &'static str,
    bytes: u64,
}

/// Shows where HAPA keeps its data, and how much room it takes.
#[utoipa::path(
    get, path = "/api/v1/storage", tag = "system",
    responses(
        (status = 200, description = "What the data folder holds", body = StorageResponse),
        (status = "4XX", description = "The request was refused", body = Problem),
    )
)]
pub async fn storage(State(app): State<App>, language: Language) -> Result<Json<StorageResponse>, Rejection> {
    let storage = app.storage.clone();
    let usage = tokio::task::spawn_blocking(move || storage.look()).await;
    let usage = usage.map_err(|error| Error::Internal(error.to_string())).map_err(language.rejection())?;
    Ok(Json(StorageResponse {
        status: "success",
        folder: usage.folder.display().to_string(),
        parts: usage.parts.into_iter().map(|(name, bytes)| StoragePart { name, bytes }).collect(),
        free_bytes: usage.free,
    }))
}
