//! `/api/v1/errors`: error statistics.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::time::{now, timestamp};
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::QueryParams;
use crate::http::state::AppState;
use crate::store::{Incident, Pattern};

const HOUR: i64 = 60 * 60 * 1000;

/// Statistics of recent errors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Errors of the last 30 days, except rejected keys and unknown routes.
    total_errors: i64,
    errors_last_24h: i64,
    /// Errors of the last 24 hours divided by the requests of the last 24 hours since the process started, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    error_rate: f64,
    /// By frequency, highest first.
    top_error_codes: Vec<CodeCount>,
    /// The latest internal errors, newest first; at most 20.
    recent_incidents: Vec<RecentIncident>,
}

/// Number of errors with a code.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CodeCount {
    error_code: String,
    count: i64,
}

/// An internal error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecentIncident {
    /// The incident id in the log, if the error was logged.
    incident_id: Option<String>,
    /// RFC 3339.
    timestamp: String,
    error_code: String,
    method: String,
    /// The path pattern of the route.
    endpoint: String,
    request_id: String,
}

impl From<Incident> for RecentIncident {
    fn from(incident: Incident) -> Self {
        Self {
            incident_id: incident.incident_id,
            timestamp: timestamp(incident.at),
            error_code: incident.code,
            method: incident.method,
            endpoint: incident.endpoint,
            request_id: incident.request_id,
        }
    }
}

/// Returns statistics of recent errors.
#[utoipa::path(
    get, path = "/api/v1/errors/dashboard", tag = "errors",
    responses(
        (status = 200, description = "The statistics", body = ErrorsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn errors_dashboard(State(app): State<AppState>) -> Result<Json<ErrorsResponse>, ApiError> {
    let month = now() - 30 * 24 * HOUR;
    let total_errors = app.store.count_errors(month).await?;
    let errors_last_24h = app.store.count_errors(now() - 24 * HOUR).await?;
    let patterns = app.store.error_patterns(month).await?;
    let incidents = app.store.recent_incidents(20).await?;
    let requests = app.latency.response_times().last_day.max(1);
    Ok(Json(ErrorsResponse {
        status: "success",
        total_errors,
        errors_last_24h,
        error_rate: (errors_last_24h as f64 / requests as f64).min(1.0),
        top_error_codes: by_code(&patterns),
        recent_incidents: incidents.into_iter().map(RecentIncident::from).collect(),
    }))
}

fn by_code(patterns: &[Pattern]) -> Vec<CodeCount> {
    let mut counts: Vec<CodeCount> = Vec::new();
    for pattern in patterns {
        match counts.iter_mut().find(|known| known.error_code == pattern.code) {
            Some(known) => known.count += pattern.count,
            None => counts.push(CodeCount { error_code: pattern.code.clone(), count: pattern.count }),
        }
    }
    counts.sort_by_key(|known| std::cmp::Reverse(known.count));
    counts
}

/// The period of the statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum Period {
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
    #[default]
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
}

impl Period {
    fn milliseconds(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
            Self::Week => 7 * 24 * HOUR,
            Self::Month => 30 * 24 * HOUR,
        }
    }
}

/// The period of the statistics.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PatternParameters {
    /// The period; `7d` if absent.
    #[param(inline)]
    period: Option<Period>,
}

/// Errors grouped by code and endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatternsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    period: Period,
    total_errors: i64,
    /// By frequency, highest first; at most 100.
    patterns: Vec<ErrorPattern>,
}

/// Errors of one code on one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorPattern {
    error_code: String,
    /// The path pattern of the route.
    endpoint: String,
    count: i64,
    /// RFC 3339.
    first_seen: String,
    /// RFC 3339.
    last_seen: String,
}

/// Returns errors grouped by code and endpoint.
#[utoipa::path(
    get, path = "/api/v1/errors/patterns", tag = "errors", params(PatternParameters),
    responses(
        (status = 200, description = "The patterns", body = PatternsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn error_patterns(
    State(app): State<AppState>,
    QueryParams(parameters): QueryParams<PatternParameters>,
) -> Result<Json<PatternsResponse>, ApiError> {
    let period = parameters.period.unwrap_or_default();
    let since = now() - period.milliseconds();
    let total_errors = app.store.count_errors(since).await?;
    let patterns = app.store.error_patterns(since).await?;
    let patterns = patterns.into_iter().map(|pattern| ErrorPattern {
        error_code: pattern.code,
        endpoint: pattern.endpoint,
        count: pattern.count,
        first_seen: timestamp(pattern.first),
        last_seen: timestamp(pattern.last),
    });
    Ok(Json(PatternsResponse { status: "success", period, total_errors, patterns: patterns.collect() }))
}
