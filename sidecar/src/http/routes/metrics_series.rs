//! `GET /api/v1/metrics/series` and `/endpoints`: how HAPA did in the last hour, and how each endpoint does.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::error::ClientErrors;
use crate::http::extract::QueryParams;
use crate::http::state::AppState;
use crate::metrics::history::{INTERVAL, Point};

/// Which points to show.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SeriesParameters {
    /// Those after this time only, in milliseconds since 1970; the whole last hour if absent.
    since: Option<i64>,
}

/// How HAPA did in the last hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Milliseconds from one point to the next while HAPA runs.
    interval_ms: u64,
    /// Oldest first. While HAPA did not run, there are none.
    points: Vec<Point>,
}

/// Shows how HAPA did in the last hour, point by point.
#[utoipa::path(
    get, path = "/api/v1/metrics/series", tag = "system", params(SeriesParameters),
    responses(
        (status = 200, description = "The points", body = SeriesResponse),
        ClientErrors,
    )
)]
pub async fn metrics_series(
    State(app): State<AppState>,
    QueryParams(parameters): QueryParams<SeriesParameters>,
) -> Json<SeriesResponse> {
    let points = app.history.since(parameters.since.unwrap_or(i64::MIN));
    Json(SeriesResponse { status: "success", interval_ms: INTERVAL.as_secs() * 1000, points })
}

/// How each endpoint does.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Those that were asked since the process started.
    endpoints: Vec<EndpointFigures>,
}

/// How an endpoint does.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointFigures {
    method: &'static str,
    /// The route's pattern.
    #[schema(example = "/api/v1/generate-code")]
    endpoint: String,
    requests: u64,
    /// Of those, how many were answered with an error.
    errors: u64,
    /// Mean of the milliseconds until the response begins.
    average_ms: f64,
    /// 95 % of the responses took no longer to begin, to one digit.
    p95_ms: f64,
}

/// Shows how each endpoint does, since the process started.
#[utoipa::path(
    get, path = "/api/v1/metrics/endpoints", tag = "system",
    responses(
        (status = 200, description = "The endpoints", body = EndpointsResponse),
        ClientErrors,
    )
)]
pub async fn metrics_endpoints(State(app): State<AppState>) -> Json<EndpointsResponse> {
    let figures = app.latency.endpoints().into_iter().map(|of| EndpointFigures {
        method: of.method,
        endpoint: of.endpoint,
        requests: of.requests,
        errors: of.errors,
        average_ms: of.average,
        p95_ms: of.p95,
    });
    Json(EndpointsResponse { status: "success", endpoints: figures.collect() })
}
