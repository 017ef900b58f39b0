//! `GET /api/v1/doctor`: what is wrong with this installation, looked at now.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::i18n::Language;
use crate::doctor::{FindingView, Issues, Status};
use crate::http::error::ClientErrors;
use crate::http::state::AppState;

/// How the installation is.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoctorResponse {
    /// The worst of the findings in one word.
    status: Status,
    issues: Issues,
    /// All that was looked at, good things too.
    findings: Vec<FindingView>,
}

/// Looks at the installation as `hapa doctor` does, from inside: data folder, database, model, remote server, environment.
#[utoipa::path(
    get, path = "/api/v1/doctor", tag = "system",
    responses(
        (status = 200, description = "RequestFacts was found", body = DoctorResponse),
        ClientErrors,
    )
)]
pub async fn doctor(State(app): State<AppState>, language: Language) -> Json<DoctorResponse> {
    let report = app.health.recheck().await;
    let issues = report.issues();
    Json(DoctorResponse { status: issues.status(), issues, findings: report.localized(language) })
}
