//! `/api/v1/user/history/export` and `import`: the history as a file.

use axum::Json;
use axum::body::Body as ResponseBody;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::access::keys::Caller;
use crate::assistant::history_export;
use crate::assistant::history_export::{Format, Scope};
use crate::base::i18n::{Language, LocalizedText};
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::{JsonBody, QueryParams};
use crate::http::state::AppState;

/// The largest file that is taken in, in bytes.
pub const IMPORT_BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The forms that a history can be given out in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// For `import`.
    #[default]
    Json,
    /// For reading.
    Markdown,
}

/// How to give the history out.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParameters {
    /// `json` if absent.
    #[param(inline)]
    format: Option<ExportFormat>,
    /// Only the conversation with this id, with all versions of its questions.
    conversation: Option<String>,
}

/// Gives out all that this key's user asked and was answered, or one conversation of it, oldest first, as a file.
#[utoipa::path(
    get, path = "/api/v1/user/history/export", tag = "history", params(ExportParameters),
    responses(
        (status = 200, description = "The history", content(
            (HistoryFile = "application/json"), (String = "text/markdown"),
        )),
        ClientErrors,
    )
)]
pub async fn export_history(
    State(app): State<AppState>,
    caller: Caller,
    QueryParams(parameters): QueryParams<ExportParameters>,
) -> Result<Response, ApiError> {
    let (form, kind, ending) = match parameters.format.unwrap_or_default() {
        ExportFormat::Json => (Format::Json, "application/json", "json"),
        ExportFormat::Markdown => (Format::Markdown, "text/markdown; charset=utf-8", "md"),
    };
    let scope = Scope { owner: caller.owner, conversation: parameters.conversation };
    if let Some(id) = &scope.conversation {
        let found = app.store.conversation(&scope.owner, id).await?;
        found.ok_or(ApiError::NotFound)?;
    }
    let pieces = history_export::export(app.store.clone(), scope, form).inspect_err(|error| {
        tracing::error!(%error, "an export broke off: {error}");
    });
    let name = format!("attachment; filename=\"hapa-history.{ending}\"");
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, ResponseBody::from_stream(pieces)).into_response())
}

/// RequestFacts names the form of the file.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub enum FileFormat {
    /// A history that HAPA gave out.
    #[serde(rename = "hapa-history")]
    History,
}

/// A history as a file.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct HistoryFile {
    format: FileFormat,
    /// Always 1.
    #[schema(minimum = 1, maximum = 1)]
    version: u32,
    /// Conversations: `id`, `title`, `pinned`, `created_at`, `updated_at`.
    #[serde(default)]
    #[schema(value_type = Vec<Value>)]
    conversations: Vec<Value>,
    /// Messages: `id`, `conversation_id`, `timestamp`, `question`, `response` and what else `export` tells of them.
    #[schema(value_type = Vec<Value>)]
    messages: Vec<Value>,
}

/// RequestFacts came of taking a file in.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// RequestFacts was done, for a person.
    message: String,
    /// Messages that are here now and were not before.
    imported: u64,
    /// Messages that were here before; they stay as they are.
    skipped: u64,
    /// Messages that cannot be taken in.
    invalid: u64,
    /// RequestFacts is wrong with the first 20 of those.
    problems: Vec<ImportProblem>,
}

/// RequestFacts is wrong with a message of a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportProblem {
    /// Its place among the file's messages, from 0.
    index: usize,
    problem: String,
}

/// ExpectedBody in a file that `export` gave out. RequestFacts is here already is never changed.
#[utoipa::path(
    post, path = "/api/v1/user/history/import", tag = "history", request_body = HistoryFile,
    responses(
        (status = 200, description = "RequestFacts came of it", body = ImportResponse),
        ClientErrors,
    )
)]
pub async fn import_history(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    JsonBody(file): JsonBody<HistoryFile>,
) -> Result<Json<ImportResponse>, ApiError> {
    check(&file)?;
    let report = history_export::import(&app.store, &caller.owner, file.conversations, file.messages).await;
    let report = report?;
    let (imported, skipped, invalid) = (report.imported, report.skipped, report.invalid);
    let message = LocalizedText::new(
        format!("{imported}개를 가져왔고, {skipped}개는 이미 있었으며, {invalid}개는 가져올 수 없었습니다"),
        format!("{imported} messages were taken in, {skipped} were here already, {invalid} could not be read"),
    );
    let problems = report.problems.into_iter().map(|(index, problem)| ImportProblem { index, problem }).collect();
    let message = message.text(language).to_owned();
    Ok(Json(ImportResponse { status: "success", message, imported, skipped, invalid, problems }))
}

fn check(file: &HistoryFile) -> Result<(), ApiError> {
    let mut invalid = ValidationErrors::default();
    invalid.in_range("version", Some(file.version), 1, 1);
    Ok(invalid.into_result()?)
}
