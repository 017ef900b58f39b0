//! `/api/v1/settings`: what the user has chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::JsonBody;
use crate::http::state::AppState;
use crate::settings::{Patch, Settings};

/// The settings that are in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[schema(value_type = Settings)]
    settings: Arc<Settings>,
    /// Settings that a variable of the environment decides, each with that variable. They cannot be changed here.
    from_environment: BTreeMap<&'static str, &'static str>,
    /// Settings that have changed and count from the next start of HAPA on.
    restart_required: Vec<&'static str>,
}

impl SettingsResponse {
    fn new(app: &AppState, settings: Arc<Settings>) -> Json<Self> {
        let (from_environment, restart_required) =
            (app.settings.overrides().variables(), app.settings.waiting_for_restart());
        Json(Self { status: "success", settings, from_environment, restart_required })
    }
}

/// Shows the settings.
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "settings",
    responses(
        (status = 200, description = "The settings that are in force", body = SettingsResponse),
        ClientErrors,
    )
)]
pub async fn settings(State(app): State<AppState>) -> Json<SettingsResponse> {
    SettingsResponse::new(&app, app.settings.current())
}

/// Changes settings. They are kept, and in force at once but for those that `restart_required` names; null brings a default back.
#[utoipa::path(
    patch, path = "/api/v1/settings", tag = "settings", request_body = Patch,
    responses(
        (status = 200, description = "The settings that are in force now", body = SettingsResponse),
        ClientErrors,
    )
)]
pub async fn change_settings(
    State(app): State<AppState>,
    JsonBody(patch): JsonBody<Patch>,
) -> Result<Json<SettingsResponse>, ApiError> {
    app.settings.check(&patch)?;
    app.models.check(&patch)?;
    let settings = app.settings.change(&patch).await?;
    Ok(SettingsResponse::new(&app, settings))
}
