//! `GET /api/v1/logs`: the log of the server.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::QueryParams;
use crate::http::state::AppState;
use crate::logging::log_reader::{Filter, Level, Line};

/// Page and filters of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParameters {
    /// Maximum number of lines, 1 to 1000; 200 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Minimum level; all if absent.
    #[param(inline)]
    level: Option<Level>,
    /// Only lines that contain this text; ignores case.
    #[param(max_length = 200)]
    search: Option<String>,
    /// Only lines before this cursor: `next` of a page, or the `cursor` of a line.
    #[param(minimum = 0)]
    before: Option<i64>,
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Oldest first. Lines contain no questions, no code and no keys.
    lines: Vec<LogLine>,
    /// The value of `before` for the previous page; null at the start of the log.
    next: Option<u64>,
}

/// A line of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogLine {
    /// Position in the log; larger is newer.
    cursor: u64,
    /// RFC 3339.
    time: String,
    /// `TRACE`, `DEBUG`, `INFO`, `WARN` or `ERROR`.
    level: String,
    message: String,
    /// The module that wrote the line.
    target: String,
    /// Other fields, such as `request_id` and `duration_ms`.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

impl From<Line> for LogLine {
    fn from(line: Line) -> Self {
        Self {
            cursor: line.at,
            time: line.timestamp,
            level: line.level,
            message: line.message,
            target: line.target,
            fields: line.fields,
        }
    }
}

/// Returns the newest lines of the log, or those before a cursor.
#[utoipa::path(
    get, path = "/api/v1/logs", tag = "system", params(LogParameters),
    responses(
        (status = 200, description = "A page of the log", body = LogsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn logs(
    State(app): State<AppState>,
    QueryParams(parameters): QueryParams<LogParameters>,
) -> Result<Json<LogsResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let limit = invalid.in_range("limit", parameters.limit, 1, 1000).unwrap_or(200);
    invalid.in_range("before", parameters.before, 0, i64::MAX);
    invalid.max_length("search", parameters.search.as_deref(), 200);
    invalid.into_result()?;
    let filter = Filter {
        limit: usize::try_from(limit).unwrap_or_default(),
        level: parameters.level.unwrap_or_default(),
        search: parameters.search.unwrap_or_default(),
        before: parameters.before.and_then(|before| u64::try_from(before).ok()),
    };
    let log = app.log.clone();
    let page = tokio::task::spawn_blocking(move || log.read(&filter)).await;
    let page = page.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let page = page.map_err(|error| ApiError::internal("could not read the log", error))?;
    Ok(Json(LogsResponse {
        status: "success",
        lines: page.lines.into_iter().map(LogLine::from).collect(),
        next: page.next,
    }))
}
