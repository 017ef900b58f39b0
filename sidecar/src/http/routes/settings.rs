//! `/api/v1/settings`: the user's settings.

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

/// The effective settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[schema(value_type = Settings)]
    settings: Arc<Settings>,
    /// Settings that are overridden by an environment variable, with the name of the variable. They cannot be changed here.
    from_environment: BTreeMap<&'static str, &'static str>,
    /// Changed settings that take effect after a restart.
    restart_required: Vec<&'static str>,
}

impl SettingsResponse {
    fn new(app: &AppState, settings: Arc<Settings>) -> Json<Self> {
        let (from_environment, restart_required) =
            (app.settings.overrides().variables(), app.settings.waiting_for_restart());
        Json(Self { status: "success", settings, from_environment, restart_required })
    }
}

/// Returns the effective settings.
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "settings",
    responses(
        (status = 200, description = "The effective settings", body = SettingsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn settings(State(app): State<AppState>) -> Json<SettingsResponse> {
    SettingsResponse::new(&app, app.settings.current())
}

/// Changes settings. Null resets a setting to its default. Changes take effect immediately, except those in `restart_required`.
#[utoipa::path(
    patch, path = "/api/v1/settings", tag = "settings", request_body = Patch,
    responses(
        (status = 200, description = "The effective settings", body = SettingsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn change_settings(
    State(app): State<AppState>,
    JsonBody(patch): JsonBody<Patch>,
) -> Result<Json<SettingsResponse>, ApiError> {
    app.settings.check(&patch)?;
    app.models.check(&patch)?;
    let settings = app.settings.change(&patch).await?;
    Ok(SettingsResponse::new(&app, settings))
}
