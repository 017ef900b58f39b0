//! `/api/v1/user/history/export` and `/api/v1/user/history/import`: the history as a file.

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

/// Body limit of an import in bytes.
pub(crate) const IMPORT_BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The format of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExportFormat {
    /// JSON, which can be imported.
    #[default]
    Json,
    /// Markdown, for reading.
    Markdown,
}

/// Format and scope of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParameters {
    /// The format; `json` if absent.
    #[param(inline)]
    format: Option<ExportFormat>,
    /// The id of a conversation to export, with all versions of its questions; all conversations if absent.
    conversation: Option<String>,
}

/// Exports the user's history or one conversation as a file, oldest messages first.
#[utoipa::path(
    get, path = "/api/v1/user/history/export", tag = "history", params(ExportParameters),
    responses(
        (status = 200, description = "The history", content(
            (HistoryFile = "application/json"), (String = "text/markdown"),
        )),
        ClientErrors,
    )
)]
pub(crate) async fn export_history(
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
        tracing::error!(%error, "history export failed: {error}");
    });
    let name = format!("attachment; filename=\"hapa-history.{ending}\"");
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, ResponseBody::from_stream(pieces)).into_response())
}

/// The format identifier of the file.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) enum FileFormat {
    /// A history exported by HAPA.
    #[serde(rename = "hapa-history")]
    History,
}

/// A history as a file.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct HistoryFile {
    format: FileFormat,
    /// Always 1.
    #[schema(minimum = 1, maximum = 1)]
    version: u32,
    /// Conversations: `id`, `title`, `pinned`, `created_at`, `updated_at`.
    #[serde(default)]
    #[schema(value_type = Vec<Value>)]
    conversations: Vec<Value>,
    /// Messages: `id`, `conversation_id`, `timestamp`, `question`, `response` and the other fields of the export.
    #[schema(value_type = Vec<Value>)]
    messages: Vec<Value>,
}

/// The result of an import.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The result, for users.
    message: String,
    /// Number of imported messages.
    imported: u64,
    /// Number of messages that existed already. They are not changed.
    skipped: u64,
    /// Number of invalid messages.
    invalid: u64,
    /// The problems of the first 20 invalid messages.
    problems: Vec<ImportProblem>,
}

/// The problem of an invalid message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportProblem {
    /// The index of the message in the file, from 0.
    index: usize,
    problem: String,
}

/// Imports an exported file. Existing messages are never changed.
#[utoipa::path(
    post, path = "/api/v1/user/history/import", tag = "history", request_body = HistoryFile,
    responses(
        (status = 200, description = "The result", body = ImportResponse),
        ClientErrors,
    )
)]
pub(crate) async fn import_history(
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
        format!("{imported}개를 가져왔습니다. {skipped}개는 이미 있었고, {invalid}개는 가져올 수 없었습니다."),
        format!("{imported} messages imported, {skipped} existed already, {invalid} invalid"),
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
