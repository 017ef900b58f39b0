//! `GET /api/v1/doctor`: diagnostics of the installation.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::i18n::Language;
use crate::doctor::{FindingView, Issues, Status};
use crate::http::error::ClientErrors;
use crate::http::state::AppState;

/// The diagnostics of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DoctorResponse {
    /// The status by the most severe finding.
    status: Status,
    issues: Issues,
    /// The results of all checks, including passed ones.
    findings: Vec<FindingView>,
}

/// Runs the checks of `hapa doctor`: data folder, database, model, remote server and environment.
#[utoipa::path(
    get, path = "/api/v1/doctor", tag = "system",
    responses(
        (status = 200, description = "The diagnostics", body = DoctorResponse),
        ClientErrors,
    )
)]
pub(crate) async fn doctor(State(app): State<AppState>, language: Language) -> Json<DoctorResponse> {
    let report = app.health.recheck().await;
    let issues = report.issues();
    Json(DoctorResponse { status: issues.status(), issues, findings: report.localized(language) })
}
