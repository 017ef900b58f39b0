//! The error type of all handlers and its response: status, headers, body, and one log line for internal failures.
//!
//! A handler returns [`ApiError`] without choosing a language. The response has the error in its extensions until the layer
//! [`render`] writes the body in the language of the request, and below `/v1` in OpenAI's format.

mod code;
mod description;
mod message;

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use self::code::{ErrorCode, Reason};
pub(crate) use self::description::{ClientErrors, ServerErrors};
use super::openai::OpenAiError;
use crate::access::keys;
use crate::access::rate_limit::{LimitStatus, RateLimited};
use crate::base::i18n::{Language, LocalizedText};
use crate::base::validation::ValidationErrors;
use crate::http::language;
use crate::http::middleware::request_log::ResponseError;
use crate::hub::{self, DownloadError};
use crate::remote::credentials;
use crate::{assistant, models, settings, store};

/// Why a request was rejected or failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The body is not JSON, or a parameter cannot be read.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// Fields of the body have invalid values.
    #[error("{0}")]
    Invalid(ValidationErrors),
    /// Fields of the body refer to things that do not exist.
    #[error("reference not found: {0}")]
    ReferenceNotFound(ValidationErrors),
    /// The key is missing, unknown or expired.
    #[error("the key was rejected: {0:?}")]
    Unauthorized(Reason),
    /// The key lacks a permission.
    #[error("the key lacks the permission {0}")]
    Forbidden(keys::Permission),
    /// The `Host` or `Origin` of the request is not trusted.
    #[error("untrusted host or origin: {0}")]
    UntrustedOrigin(String),
    /// The resource or route does not exist.
    #[error("not found")]
    NotFound,
    /// The request contradicts the state of the resource.
    #[error("conflict: {}", .0.en)]
    Conflict(LocalizedText),
    /// A rate limit is used up.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The route exists, but not for this method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The body is too large.
    #[error("the body is larger than {limit} bytes")]
    PayloadTooLarge {
        /// The body limit of the route, in bytes.
        limit: usize,
    },
    /// The `Content-Type` is not `application/json`.
    #[error("the Content-Type is not application/json")]
    NotJson,
    /// The `Content-Type` is not `application/octet-stream`.
    #[error("the Content-Type is not application/octet-stream")]
    NotOctetStream,
    /// The model cannot accept or complete the request.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Too many code checks are queued.
    #[error("too many code checks are queued")]
    CheckQueueFull,
    /// HAPA is shutting down.
    #[error("HAPA is shutting down")]
    ShuttingDown,
    /// No token arrived in time.
    #[error("no token arrived for {seconds} s")]
    Timeout {
        /// The timeout, in seconds.
        seconds: u64,
    },
    /// The model hub failed.
    #[error(transparent)]
    Hub(#[from] hub::Error),
    /// An internal failure. Its causes are logged, not returned.
    #[error("{context}")]
    Internal {
        /// What was being done.
        context: Cow<'static, str>,
        /// Why it failed.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
}

impl ApiError {
    /// An internal failure during the operation that `context` names.
    pub fn internal(context: impl Into<Cow<'static, str>>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal { context: context.into(), source: Some(source.into()) }
    }

    fn conflict(ko: &str, en: &str) -> Self {
        Self::Conflict(LocalizedText::new(ko, en))
    }

    /// Whether the failure is internal, so that it is logged with an incident id.
    fn is_internal(&self) -> bool {
        matches!(self, Self::Internal { .. } | Self::Engine(engine::Error::Inference(_)))
    }

    /// Seconds after which a retry makes sense.
    fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Engine(engine::Error::Loading) => Some(2),
            Self::Engine(engine::Error::Overloaded) | Self::CheckQueueFull => Some(5),
            Self::RateLimited(limited) => return Some(limited.retry_after),
            Self::Engine(_) | Self::ShuttingDown | Self::Timeout { .. } => Some(30),
            _ => None,
        }
        .filter(|_| self.code() == ErrorCode::ServiceUnavailable)
    }

    /// The body in `language`. An internal failure is logged under the incident id that the body contains.
    pub fn report(&self, language: Language) -> Problem {
        let incident = incident_id();
        if self.is_internal() {
            let error = with_causes(self);
            tracing::error!(%error, incident_id = %incident, "{error}");
        }
        Problem {
            status: "error",
            error_message: self.message().text(language).to_owned(),
            error_code: self.code(),
            error_details: self.details(language, &incident),
        }
    }
}

/// An error and its causes in one line: `could not read the log: permission denied`.
fn with_causes(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(line, ": {cause}");
        next = cause.source();
    }
    line
}

/// An id such as `INC-20241228-1A2B3C4D`.
fn incident_id() -> String {
    let today = jiff::Timestamp::now().strftime("%Y%m%d");
    format!("INC-{today}-{:08X}", getrandom::u32().unwrap_or_default())
}

/// The body of every error response.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `error`.
    #[schema(example = "error")]
    pub status: &'static str,
    /// The error message for users, in the language of `Accept-Language`.
    #[schema(example = "입력값이 올바르지 않습니다")]
    pub error_message: String,
    /// The error code for programs.
    pub error_code: ErrorCode,
    /// For status 422, the messages of each invalid field by its path; otherwise details such as `reason`. Null if there are
    /// none.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    pub error_details: Option<Value>,
}

impl Problem {
    /// The incident id of the error in the log, if the body contains one.
    #[must_use]
    pub fn incident_id(&self) -> Option<String> {
        Some(self.error_details.as_ref()?.get("incident_id")?.as_str()?.to_owned())
    }
}

/// A response extension: the error whose body [`render`] writes.
#[derive(Debug, Clone)]
struct Unrendered(Arc<ApiError>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code().status().into_response();
        let headers = response.headers_mut();
        if let Self::RateLimited(limited) = &self {
            LimitStatus::exhausted(limited).insert_into(headers);
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code() == ErrorCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Unrendered(Arc::new(self)));
        response
    }
}

/// Middleware that determines the language of the request, for the extractor [`Language`] and for error bodies, and writes the
/// bodies of errors: below `/v1` in OpenAI's format, where the status of an invalid value is 400 instead of 422.
pub(crate) async fn render(mut request: Request, next: Next) -> Response {
    let language = language::from_headers(request.headers());
    request.extensions_mut().insert(language);
    let path = request.uri().path();
    let is_openai = path == "/v1" || path.starts_with("/v1/");
    let mut response = next.run(request).await;
    let Some(Unrendered(error)) = response.extensions_mut().remove() else { return response };
    let problem = error.report(language);
    let body =
        if is_openai { Json(OpenAiError::from(&problem)).into_response() } else { Json(&problem).into_response() };
    if is_openai && response.status() == StatusCode::UNPROCESSABLE_ENTITY {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    let (head, body) = body.into_parts();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().extend(head.headers);
    response.extensions_mut().insert(ResponseError { code: problem.error_code, incident_id: problem.incident_id() });
    *response.body_mut() = body;
    response
}

/// The response where no route matches.
pub(crate) async fn not_found() -> ApiError {
    ApiError::NotFound
}

/// The response where a route does not support the method.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

/// The response where a handler panicked.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    ApiError::internal("a handler panicked", text.unwrap_or_default()).into_response()
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        Self::internal("the database operation failed", error)
    }
}

impl From<ValidationErrors> for ApiError {
    fn from(invalid: ValidationErrors) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<keys::Error> for ApiError {
    fn from(error: keys::Error) -> Self {
        use keys::Error;
        match error {
            Error::Missing => Self::Unauthorized(Reason::KeyMissing),
            Error::Unknown => Self::Unauthorized(Reason::KeyUnknown),
            Error::Expired => Self::Unauthorized(Reason::KeyExpired),
            Error::Forbidden(permission) => Self::Forbidden(permission),
            Error::NotFound => Self::NotFound,
            Error::ForeignUser => Self::Invalid(ValidationErrors::field(
                "user",
                LocalizedText::new("자신의 사용자로만 키를 만들 수 있습니다", "must be the user of this key"),
            )),
            Error::DemoNotAllowed => Self::conflict(
                "데모 키는 ENVIRONMENT=development에서만 만들 수 있습니다",
                "a demo key can be created with ENVIRONMENT=development only",
            ),
            Error::TooMany => Self::Conflict(LocalizedText::new(
                format!("키는 {}개까지 만들 수 있습니다. 사용하지 않는 키를 삭제하세요.", keys::MAX_KEYS),
                format!("there are {} keys already; revoke those that are not used", keys::MAX_KEYS),
            )),
            Error::InstallationKey => Self::conflict(
                "설치 자체의 키는 삭제할 수 없습니다. 바꾸려면 HAPA를 끄고 api.key 파일을 지운 뒤 다시 시작하세요.",
                "the installation's own key cannot be revoked; to change it, stop HAPA, delete the file api.key and start again",
            ),
            error @ (Error::File { .. } | Error::Random(_)) => Self::internal("the key could not be created", error),
            Error::Store(error) => error.into(),
        }
    }
}

impl From<settings::Error> for ApiError {
    fn from(error: settings::Error) -> Self {
        match error {
            settings::Error::Invalid(invalid) => Self::Invalid(invalid),
            settings::Error::Store(error) => error.into(),
        }
    }
}

impl From<models::Error> for ApiError {
    fn from(error: models::Error) -> Self {
        use models::Error;
        match error {
            Error::NotFound => Self::NotFound,
            Error::Unknown(unknown) => Self::ReferenceNotFound(unknown),
            Error::FixedByEnvironment => Self::conflict(
                "대화 모델은 환경 변수 HAPA_MODEL(으)로 정해져 있습니다",
                "the chat model is set by HAPA_MODEL in the environment",
            ),
            Error::NamedByEnvironment => Self::conflict(
                "환경 변수 HAPA_MODEL(으)로 정한 파일은 삭제할 수 없습니다",
                "the file that HAPA_MODEL names in the environment cannot be deleted",
            ),
            Error::InUse => Self::conflict(
                "사용 중인 모델입니다. 먼저 메모리에서 내리세요.",
                "the model is loaded; unload it first",
            ),
            Error::NameTaken => {
                Self::conflict("같은 이름의 모델이 이미 있습니다", "a model with this name exists already")
            }
            Error::InvalidImport(invalid) => Self::Invalid(invalid),
            Error::Interrupted(reason) => Self::BadRequest(format!("the upload was interrupted: {reason}")),
            Error::Disk(error @ crate::base::fs::DiskError::Full { .. }) => Self::Conflict(error.message()),
            error @ Error::Disk(_) => Self::internal("the model could not be imported", error),
            Error::Settings(error) => error.into(),
            error @ (Error::Remove { .. } | Error::Task(_)) => Self::internal("the model could not be changed", error),
        }
    }
}

impl From<DownloadError> for ApiError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::NotFound => Self::NotFound,
            DownloadError::ModelExists => {
                Self::conflict("같은 이름의 모델이 이미 있습니다", "a model with this name exists already")
            }
            DownloadError::Split => Self::conflict(
                "여러 파일로 나뉜 모델은 아직 내려받을 수 없습니다. 한 파일로 된 모델을 선택하세요.",
                "models that are split into several files cannot be downloaded yet; choose one in a single file",
            ),
            DownloadError::NameInUse => Self::conflict(
                "같은 이름의 다른 모델을 내려받는 중입니다",
                "another model with this name is being downloaded",
            ),
            DownloadError::TooMany => Self::conflict(
                "다운로드 목록이 가득 찼습니다. 끝난 항목을 삭제하세요.",
                "there are too many downloads; remove those that are finished",
            ),
            DownloadError::Hub(error) => Self::Hub(error),
        }
    }
}

impl From<credentials::Error> for ApiError {
    fn from(error: credentials::Error) -> Self {
        match error {
            credentials::Error::FixedByEnvironment => Self::conflict(
                "키가 환경 변수 AI_MODEL_API_KEY(으)로 정해져 있습니다",
                "the key is set by AI_MODEL_API_KEY in the environment",
            ),
            error @ credentials::Error::File { .. } => {
                Self::internal("the remote server's key could not be stored", error)
            }
        }
    }
}

impl From<assistant::Error> for ApiError {
    fn from(error: assistant::Error) -> Self {
        use assistant::Error;
        match error {
            Error::ShuttingDown => Self::ShuttingDown,
            Error::Timeout { seconds } => Self::Timeout { seconds },
            Error::Invalid(invalid) => Self::Invalid(invalid),
            Error::ReferenceNotFound(unknown) => Self::ReferenceNotFound(unknown),
            Error::ReplacesAndContinues => Self::conflict(
                "replaces와 continues는 함께 쓸 수 없습니다",
                "replaces and continues cannot be used together",
            ),
            Error::NotResumable => Self::conflict(
                "완료되었거나 아직 생성 중인 답변입니다",
                "the answer is complete, or still being generated",
            ),
            Error::Engine(error) => Self::Engine(error),
            Error::Store(error) => error.into(),
        }
    }
}
