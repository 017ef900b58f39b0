//! `GET /api/v1/storage`: disk usage of the data folder.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::{ApiError, ClientErrors};
use crate::http::state::AppState;

/// Disk usage of the data folder.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StorageResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The path of the data folder.
    folder: String,
    parts: Vec<StoragePart>,
    /// Free space on its disk in bytes; null if unknown.
    free_bytes: Option<u64>,
}

/// A part of the data folder.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoragePart {
    /// `models`, `database`, `states` (the KV cache of conversations) or `logs`.
    name: &'static str,
    bytes: u64,
}

/// Returns path and disk usage of the data folder.
#[utoipa::path(
    get, path = "/api/v1/storage", tag = "system",
    responses(
        (status = 200, description = "The disk usage", body = StorageResponse),
        ClientErrors,
    )
)]
pub(crate) async fn storage(State(app): State<AppState>) -> Result<Json<StorageResponse>, ApiError> {
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
