//! Every request is counted: how long it took, how it ended, under which route.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{StreamExt, stream};

use super::auth::hold_until_body_end;
use super::request_id::RequestId;
use crate::base::time::now;
use crate::http::error::ErrorCode;
use crate::http::state::AppState;
use crate::metrics::Metrics;
use crate::store::Incident;

/// A request that takes longer than this until its response begins is marked in the log.
const SLOW_MS: u64 = 2000;

/// RequestFacts is asked again and again by those who watch. It is neither worth a line in the log nor a request to them.
const POLLED_ROUTES: [&str; 5] =
    ["/health", "/metrics", "/api/v1/logs", "/api/v1/metrics/series", "/api/v1/metrics/endpoints"];

/// Whether a request only is_polling, or asks whether it may ask.
fn is_polling(method: &str, endpoint: &str) -> bool {
    method == "OPTIONS" || POLLED_ROUTES.contains(&endpoint)
}

/// The error in a response, for those who count.
#[derive(Debug, Clone)]
pub struct ResponseError {
    /// The API's word for it.
    pub code: ErrorCode,
    /// The id under which it is in the log, if it is.
    pub incident_id: Option<String>,
}

/// Who counts the errors of a request: those of its response, and those that come when the response has begun.
#[derive(Debug, Clone)]
pub struct ErrorReporter {
    app: AppState,
    method: String,
    endpoint: String,
    /// The request's id.
    pub request_id: String,
}

impl ErrorReporter {
    /// Counts an error, and keeps it for the owner to see.
    pub fn report(&self, failure: ResponseError) {
        self.app.metrics.error(failure.code.as_str(), &self.endpoint);
        let status = failure.code.status().as_u16();
        // Strangers and misspelt addresses would fill the table.
        if matches!(status, 401 | 403 | 404 | 405) {
            return;
        }
        self.app.error_log.record(Incident {
            at: now(),
            code: failure.code.as_str().into(),
            status: status.into(),
            method: self.method.clone(),
            endpoint: self.endpoint.clone(),
            incident_id: failure.incident_id,
            request_id: self.request_id.clone(),
        });
    }
}

/// Counts a request, and logs it with its id.
pub async fn observe(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().as_str().to_owned();
    let endpoint = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let id = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone()).unwrap_or_default();
    let open = ActiveRequest::begin(&app.metrics);
    let reporter = ErrorReporter {
        app: app.clone(),
        method: known(&method).to_owned(),
        endpoint: endpoint.clone(),
        request_id: id.clone(),
    };
    request.extensions_mut().insert(reporter.clone());
    let response = next.run(request).await;
    let (duration, status) = (started.elapsed(), response.status().as_u16());
    app.metrics.request(known(&method), &endpoint, status, duration);
    if !is_polling(&method, &endpoint) {
        app.metrics.count_request();
    }
    app.latency.record(known(&method), &endpoint, status, duration);
    log(&method, &endpoint, status, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &id);
    if let Some(failure) = response.extensions().get::<ResponseError>() {
        reporter.report(failure.clone());
    }
    let span = tracing::Span::current();
    // The response is open until its body has gone out, and what goes wrong on the way is logged with the request's id.
    response.map(|body| hold_until_body_end(within(span, body), open))
}

/// A body whose lines in the log belong to `span`.
fn within(span: tracing::Span, body: Body) -> Body {
    let mut chunks = body.into_data_stream();
    Body::from_stream(stream::poll_fn(move |context| span.in_scope(|| chunks.poll_next_unpin(context))))
}

fn log(method: &str, endpoint: &str, status: u16, duration_ms: u64, id: &str) {
    if duration_ms > SLOW_MS {
        tracing::warn!(method, endpoint, status, duration_ms, request_id = id, "SLOW {method} {endpoint} {status}");
    } else if is_polling(method, endpoint) {
        tracing::debug!(method, endpoint, status, duration_ms, request_id = id, "{method} {endpoint} {status}");
    } else {
        tracing::info!(method, endpoint, status, duration_ms, request_id = id, "{method} {endpoint} {status}");
    }
}

/// A method as a label: one word for all that nobody has heard of.
fn known(method: &str) -> &'static str {
    const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("OTHER")
}

/// Counts a response as open while it lives.
struct ActiveRequest(Metrics);

impl ActiveRequest {
    fn begin(metrics: &Metrics) -> Self {
        metrics.change("hapa_active_connections", 1.0);
        Self(metrics.clone())
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.change("hapa_active_connections", -1.0);
    }
}
