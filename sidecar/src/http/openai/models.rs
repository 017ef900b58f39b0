//! `GET /v1/models`: the model that serves requests, in OpenAI's format.

use axum::Json;
use axum::extract::State;
use engine::Priority;
use serde::Serialize;
use utoipa::ToSchema;

use super::OpenAiError;
use crate::http::error::ApiError;
use crate::http::extract::PathId;
use crate::http::state::AppState;

/// The available models.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// Always `list`.
    #[schema(example = "list")]
    object: &'static str,
    /// The model that serves requests, whatever name they have in `model`; empty while no model is available.
    data: Vec<ModelCard>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelCard {
    /// The name of the model.
    id: String,
    /// Always `model`.
    #[schema(example = "model")]
    object: &'static str,
    /// When HAPA started, in seconds since 1970.
    created: i64,
    /// Always `hapa`.
    #[schema(example = "hapa")]
    owned_by: &'static str,
}

/// Lists the model that serves requests, compatible with OpenAI's `GET /v1/models`.
#[utoipa::path(
    get, path = "/v1/models", tag = "openai",
    responses(
        (status = 200, description = "The models", body = ModelList),
        (status = "4XX", description = "The request was rejected", body = OpenAiError),
    )
)]
pub(crate) async fn list_models(State(app): State<AppState>) -> Json<ModelList> {
    Json(ModelList { object: "list", data: card(&app).await.into_iter().collect() })
}

/// Returns a model by name, compatible with OpenAI's `GET /v1/models/{model}`.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "openai", params(("id" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "The model", body = ModelCard),
        (status = "4XX", description = "The request was rejected", body = OpenAiError),
    )
)]
pub(crate) async fn retrieve_model(
    State(app): State<AppState>,
    PathId(id): PathId,
) -> Result<Json<ModelCard>, ApiError> {
    let card = card(&app).await.filter(|card| card.id == id).ok_or(ApiError::NotFound);
    card.map(Json)
}

async fn card(app: &AppState) -> Option<ModelCard> {
    let model = app.assistant.router.select(Priority::Chat).await.ok()?.model;
    let age = i64::try_from(app.started.elapsed().as_secs()).unwrap_or_default();
    let created = jiff::Timestamp::now().as_second() - age;
    Some(ModelCard { id: model.name, object: "model", created, owned_by: "hapa" })
}
