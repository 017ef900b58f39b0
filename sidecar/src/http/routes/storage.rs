//! `GET /api/v1/storage`: what the data folder holds.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::{ApiError, ClientErrors};
use crate::http::state::AppState;

/// RequestFacts the data folder holds.
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
        (status = 200, description = "RequestFacts the data folder holds", body = StorageResponse),
        ClientErrors,
    )
)]
pub async fn storage(State(app): State<AppState>) -> Result<Json<StorageResponse>, ApiError> {
    let storage = app.disk_usage.clone();
    let usage = tokio::task::spawn_blocking(move || storage.measure()).await;
    let usage = usage.map_err(|error| ApiError::internal("could not measure the data folder", error))?;
    Ok(Json(StorageResponse {
        status: "success",
        folder: usage.folder.display().to_string(),
        parts: usage.parts.into_iter().map(|(name, bytes)| StoragePart { name, bytes }).collect(),
        free_bytes: usage.free,
    }))
}
