//! `POST /api/v1/validate-code`, its batch form, and `POST /api/v1/analyze-code`: static checks and analysis of code.

use axum::Json;
use check::{Analysis, AnalysisType, Locale, Validation, ValidationRequest, ValidationType};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::base::i18n::Language;
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors, ServerErrors};
use crate::http::extract::JsonBody;

/// Body limit of a batch in bytes: ten times the longest code, every character escaped.
pub(crate) const BATCH_BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Maximum number of items in a batch.
const MAX_ITEMS: usize = 10;

/// Permits of running checks; each uses one CPU core.
static PERMITS: Semaphore = Semaphore::const_new(2);

/// Permits of running and queued checks.
static QUEUED: Semaphore = Semaphore::const_new(64);

/// Checks code for syntax errors, security risks, performance problems and style. The code is parsed, never run.
///
/// `validation_type` selects the checks in addition to syntax:
///
/// | `validation_type` | also |
/// |---|---|
/// | `syntax` (default) | security and performance |
/// | `security` | security |
/// | `performance` | performance |
/// | `style` | style |
/// | `all` | security, performance and style |
///
/// `security_check` and `performance_check` set to false disable theirs in any case. Python is checked by Ruff's stable rules with its
/// defaults: security by S; performance by PERF and C901; style by F, E, W, B, C4, SIM, RET, PIE, PLE, PLW, A, ASYNC and UP. `noqa`
/// comments are honoured except for security. For JavaScript, TypeScript, Java, Go, Rust, C and C++, only the syntax is checked;
/// `not_checked` lists the other requested checks. For other languages it lists all of them.
///
/// `code_quality_score` is 10 minus a deduction for each finding, by severity:
///
/// | | error | warning | info | maximum |
/// |---|---|---|---|---|
/// | syntax | 4 | | | 8 |
/// | security | 3 | 1 | 0.2 | 6 |
/// | performance | 1 | 0.5 | 0.1 | 3 |
/// | style | 1 | 0.3 | 0.1 | 4 |
///
/// It is 5 if nothing could be checked. `execution_safety` is `dangerous` with one of S102, S301, S302, S307, S506, S602, S604, S605,
/// S609, S612, HAPA001 (runs a command), HAPA002 (runs code from data) or HAPA003 (deletes or changes a system or user
/// folder), and `warning` with any other security finding above `info`, or if security was not checked.
#[utoipa::path(
    post, path = "/api/v1/validate-code", tag = "check", request_body = ValidateRequest,
    responses(
        (status = 200, description = "The findings, also if the code has errors", body = ValidateResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn validate_code(
    language: Language,
    JsonBody(request): JsonBody<ValidateRequest>,
) -> Result<Json<ValidateResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    request.check(&mut invalid, "");
    invalid.into_result()?;
    run_blocking(move || request.validate(language)).await.map(Json)
}

/// Checks up to 10 pieces of code, each as `validate-code` does.
#[utoipa::path(
    post, path = "/api/v1/validate-code/batch", tag = "check", request_body = ValidateBatchRequest,
    responses(
        (status = 200, description = "The findings, in the order of the items", body = ValidateBatchResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn validate_code_batch(
    language: Language,
    JsonBody(request): JsonBody<ValidateBatchRequest>,
) -> Result<Json<ValidateBatchResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let items = request.items;
    if items.is_empty() {
        invalid.require_not_blank("items", "");
    }
    invalid.max_items("items", items.len(), MAX_ITEMS);
    for (index, item) in items.iter().enumerate().take(MAX_ITEMS) {
        item.check(&mut invalid, &format!("items[{index}]."));
    }
    invalid.into_result()?;
    let validate = move || items.iter().map(|item| item.validate(language)).collect::<Vec<_>>();
    let results = run_blocking(validate).await?;
    let total_count = results.len();
    Ok(Json(ValidateBatchResponse { status: "success", results, total_count }))
}

/// Analyzes code: metrics, functions, classes, imports and recommendations. The code is parsed, never run.
///
/// `analysis_type` selects the issues and recommendations; the rest is always included. HAPA's own issues: HAPA101 complexity
/// above 10, HAPA102 nesting deeper than 4, HAPA103 function of more than 60 lines, HAPA104 more than 6 parameters, HAPA105 class
/// with more than 20 methods, HAPA106 more than 2 nested loops. The maintainability index is Coleman and Oman's (1994) without its
/// term for comments, scaled to 0 to 100: (171 - 5.2 ln V - 0.23 G - 16.2 ln L) / 1.71 with Halstead's volume V, McCabe's number G
/// and L lines of code.
#[utoipa::path(
    post, path = "/api/v1/analyze-code", tag = "check", request_body = AnalyzeRequest,
    responses(
        (status = 200, description = "The analysis", body = AnalyzeResponse),
        ClientErrors,
        ServerErrors,
    )
)]
pub(crate) async fn analyze_code(
    language: Language,
    JsonBody(request): JsonBody<AnalyzeRequest>,
) -> Result<Json<AnalyzeResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    bounds(&mut invalid, "", &request.code, request.language.as_deref());
    invalid.into_result()?;
    let analyze = move || {
        let named = request.language.as_deref().unwrap_or(PYTHON);
        check::analyze(&request.code, named, request.analysis_type.unwrap_or_default(), language.into())
    };
    let analysis = run_blocking(analyze).await?;
    Ok(Json(AnalyzeResponse { status: "success", analysis }))
}

/// The default programming language.
const PYTHON: &str = "python";

/// Code to check.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ValidateRequest {
    /// The code: 1 to 50,000 characters, not blank.
    #[schema(min_length = 1, max_length = 50000, pattern = r"\S", example = "print('안녕하세요')")]
    code: String,
    /// Its programming language; `python` if absent.
    #[schema(max_length = 32, example = "python")]
    language: Option<String>,
    /// The checks in addition to syntax; `syntax` if absent.
    validation_type: Option<ValidationType>,
    /// Whether warnings also make the code invalid; false if absent.
    strict_mode: Option<bool>,
    /// Whether to check security; true if absent.
    security_check: Option<bool>,
    /// Whether to check performance; true if absent.
    performance_check: Option<bool>,
}

impl ValidateRequest {
    fn check(&self, invalid: &mut ValidationErrors, path: &str) {
        bounds(invalid, path, &self.code, self.language.as_deref());
    }

    fn validate(&self, language: Language) -> ValidateResponse {
        let validation = check::validate(&ValidationRequest {
            code: &self.code,
            language: self.language.as_deref().unwrap_or(PYTHON),
            validation_type: self.validation_type.unwrap_or_default(),
            strict: self.strict_mode.unwrap_or(false),
            security: self.security_check.unwrap_or(true),
            performance: self.performance_check.unwrap_or(true),
            locale: language.into(),
        });
        ValidateResponse { status: "success", validation }
    }
}

/// Several pieces of code to check.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ValidateBatchRequest {
    /// The pieces of code, 1 to 10. `requests` is an alias of this field.
    #[serde(alias = "requests")]
    #[schema(min_items = 1, max_items = 10)]
    items: Vec<ValidateRequest>,
}

/// Code to analyze.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AnalyzeRequest {
    /// The code: 1 to 50,000 characters, not blank.
    #[schema(min_length = 1, max_length = 50000, pattern = r"\S", example = "def add(a, b):\n    return a + b")]
    code: String,
    /// Its programming language; `python` if absent.
    #[schema(max_length = 32, example = "python")]
    language: Option<String>,
    /// The subject of issues and recommendations; `all` if absent.
    analysis_type: Option<AnalysisType>,
}

/// The findings of a check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValidateResponse {
    /// Always `success`, also if the code has errors.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    validation: Validation,
}

/// The findings of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValidateBatchResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// One result for each item, in the order of the request.
    results: Vec<ValidateResponse>,
    /// Number of results.
    #[schema(minimum = 1, maximum = 10)]
    total_count: usize,
}

/// The analysis of code.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnalyzeResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    analysis: Analysis,
}

impl From<Language> for Locale {
    fn from(language: Language) -> Self {
        match language {
            Language::Korean => Self::Korean,
            Language::English => Self::English,
        }
    }
}

fn bounds(invalid: &mut ValidationErrors, path: &str, code: &str, language: Option<&str>) {
    invalid.require_not_blank(&format!("{path}code"), code);
    invalid.max_length(&format!("{path}code"), Some(code), check::MAX_CODE_CHARS);
    invalid.max_length(&format!("{path}language"), language, 32);
}

/// Runs CPU-bound work on a blocking thread, as soon as a permit is free.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let queued = QUEUED.try_acquire().map_err(|_| ApiError::CheckQueueFull)?;
    let running = PERMITS.acquire().await.map_err(|_| ApiError::ShuttingDown)?;
    let work = move || {
        // The permits are owned by the work, which continues after the client has disconnected.
        let (_queued, _running) = (queued, running);
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::internal("checking code failed", error))
}
