//! Metrics and log of requests: route, status, duration and error.

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

/// Milliseconds until the response headers after which a request is logged as slow.
const SLOW_MS: u64 = 2000;

/// Routes that monitoring clients poll. Their requests are logged at debug level and excluded from the request count.
const POLLED_ROUTES: [&str; 5] =
    ["/health", "/metrics", "/api/v1/logs", "/api/v1/metrics/series", "/api/v1/metrics/endpoints"];

/// Whether a request is monitoring or a CORS preflight.
fn is_polling(method: &str, endpoint: &str) -> bool {
    method == "OPTIONS" || POLLED_ROUTES.contains(&endpoint)
}

/// A response extension: the error, for metrics and the error log.
#[derive(Debug, Clone)]
pub(crate) struct ResponseError {
    /// The error code.
    pub code: ErrorCode,
    /// The incident id of the error in the log, if it was logged.
    pub incident_id: Option<String>,
}

/// Reports the errors of one request to the metrics and the error log: that of its response, or one during streaming.
#[derive(Debug, Clone)]
pub(crate) struct ErrorReporter {
    app: AppState,
    method: String,
    endpoint: String,
    /// The request id.
    pub request_id: String,
}

impl ErrorReporter {
    /// Counts an error and adds it to the error log.
    pub(crate) fn report(&self, error: ResponseError) {
        self.app.metrics.error(error.code.as_str(), &self.endpoint);
        let status = error.code.status().as_u16();
        // Requests without a valid key and requests to unknown routes would fill the table.
        if matches!(status, 401 | 403 | 404 | 405) {
            return;
        }
        self.app.error_log.record(Incident {
            at: now(),
            code: error.code.as_str().into(),
            status: status.into(),
            method: self.method.clone(),
            endpoint: self.endpoint.clone(),
            incident_id: error.incident_id,
            request_id: self.request_id.clone(),
        });
    }
}

/// Middleware that counts and logs a request, and inserts its [`ErrorReporter`].
pub(crate) async fn observe(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().as_str().to_owned();
    let endpoint = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let id = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone()).unwrap_or_default();
    let active = ActiveRequest::start(&app.metrics);
    let reporter = ErrorReporter {
        app: app.clone(),
        method: method_label(&method).to_owned(),
        endpoint: endpoint.clone(),
        request_id: id.clone(),
    };
    request.extensions_mut().insert(reporter.clone());
    let response = next.run(request).await;
    let (duration, status) = (started.elapsed(), response.status().as_u16());
    app.metrics.request(method_label(&method), &endpoint, status, duration);
    if !is_polling(&method, &endpoint) {
        app.metrics.count_request();
    }
    app.latency.record(method_label(&method), &endpoint, status, duration);
    log(&method, &endpoint, status, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &id);
    if let Some(error) = response.extensions().get::<ResponseError>() {
        reporter.report(error.clone());
    }
    let span = tracing::Span::current();
    // The request is active until its body was sent. Log lines of the body belong to the request's span, which has its id.
    response.map(|body| hold_until_body_end(in_span(span, body), active))
}

/// The body, which is polled inside of `span`.
fn in_span(span: tracing::Span, body: Body) -> Body {
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

/// The metric label of a method. Unknown methods share `OTHER`, since clients could send any number of them.
fn method_label(method: &str) -> &'static str {
    const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("OTHER")
}

/// Guard that counts an active request.
struct ActiveRequest(Metrics);

impl ActiveRequest {
    fn start(metrics: &Metrics) -> Self {
        metrics.change("hapa_active_connections", 1.0);
        Self(metrics.clone())
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.change("hapa_active_connections", -1.0);
    }
}
