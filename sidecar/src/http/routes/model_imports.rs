//! `PUT /api/v1/models/imports/{name}`: upload of a model file.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use futures_util::TryStreamExt;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::model_id::ModelId;
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::{PathId, is_octet_stream};
use crate::http::state::AppState;

/// The imported model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportedModel {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The id of the model.
    id: ModelId,
}

/// Imports a model file, which is the body. The file is validated like a download, then installed.
#[utoipa::path(
    put, path = "/api/v1/models/imports/{name}", tag = "models",
    params(("name" = String, Path, description = "The name of the file, which ends in `.gguf`", example = "my-model.gguf")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file"),
    responses(
        (status = 200, description = "The model was imported", body = ImportedModel),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn import_model(
    State(app): State<AppState>,
    PathId(name): PathId,
    request: Request,
) -> Result<Json<ImportedModel>, ApiError> {
    if !is_octet_stream(request.headers()) {
        return Err(ApiError::NotOctetStream);
    }
    let expected = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bytes = Body::into_data_stream(request.into_body()).map_err(|error| error.to_string());
    let id = app.models.import(&name, expected, bytes).await?;
    Ok(Json(ImportedModel { status: "success", id }))
}
