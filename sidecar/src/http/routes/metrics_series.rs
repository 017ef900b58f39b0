//! `GET /api/v1/metrics/series` and `GET /api/v1/metrics/endpoints`: metrics of the last hour, and latency of each endpoint.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::error::ClientErrors;
use crate::http::extract::QueryParams;
use crate::http::state::AppState;
use crate::metrics::history::{INTERVAL, Point};

/// The points to return.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SeriesParameters {
    /// Only points after this time, in milliseconds since 1970; all of the last hour if absent.
    since: Option<i64>,
}

/// Metrics of the last hour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Milliseconds between two points.
    interval_ms: u64,
    /// Oldest first. There are no points for times when HAPA did not run.
    points: Vec<Point>,
}

/// Returns the metrics of the last hour as a time series.
#[utoipa::path(
    get, path = "/api/v1/metrics/series", tag = "system", params(SeriesParameters),
    responses(
        (status = 200, description = "The points", body = SeriesResponse),
        ClientErrors,
    )
)]
pub(crate) async fn metrics_series(
    State(app): State<AppState>,
    QueryParams(parameters): QueryParams<SeriesParameters>,
) -> Json<SeriesResponse> {
    let points = app.history.since(parameters.since.unwrap_or(i64::MIN));
    Json(SeriesResponse { status: "success", interval_ms: INTERVAL.as_secs() * 1000, points })
}

/// Requests, errors and latency of all endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The endpoints with requests since the process started.
    endpoints: Vec<EndpointFigures>,
}

/// Requests, errors and latency of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointFigures {
    method: &'static str,
    /// The path pattern of the route.
    #[schema(example = "/api/v1/generate-code")]
    endpoint: String,
    requests: u64,
    /// Of those, requests with an error response.
    errors: u64,
    /// Mean time until the response headers, in milliseconds.
    average_ms: f64,
    /// 95th percentile of the time until the response headers, in milliseconds, to one significant digit.
    p95_ms: f64,
}

/// Returns requests, errors and latency of each endpoint since the process started.
#[utoipa::path(
    get, path = "/api/v1/metrics/endpoints", tag = "system",
    responses(
        (status = 200, description = "The endpoints", body = EndpointsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn metrics_endpoints(State(app): State<AppState>) -> Json<EndpointsResponse> {
    let endpoints = app.latency.endpoints().into_iter().map(|endpoint| EndpointFigures {
        method: endpoint.method,
        endpoint: endpoint.endpoint,
        requests: endpoint.requests,
        errors: endpoint.errors,
        average_ms: endpoint.average,
        p95_ms: endpoint.p95,
    });
    Json(EndpointsResponse { status: "success", endpoints: endpoints.collect() })
}
