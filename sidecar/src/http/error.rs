//! Errors as responses: the status for each code, the contract's body, and one log line for what is our own fault.

use std::any::Any;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::access::keys::KeyProblem;
use crate::access::rate_limit::Standing;
use crate::access::rate_limit::{Limit, Limited};
use crate::base::i18n::Language;
use crate::base::i18n::Message;
use crate::base::validation::Invalid;
use crate::error::Error;
use crate::http::middleware::request_log::Failure as LoggedFailure;
use crate::remote::error::Failure;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// An error on its way to a client that reads `language`.
#[derive(Debug)]
pub struct Rejection {
    /// What went wrong.
    pub error: Error,
    /// The language of the message.
    pub language: Language,
}

impl Language {
    /// Makes an error into a response in this language.
    pub fn rejection<E: Into<Error>>(self) -> impl FnOnce(E) -> Rejection {
        move |error| Rejection { error: error.into(), language: self }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let retry_after = self.error.retry_after();
        let standing = Standing::refused(&self.error);
        let problem = report(&self.error, self.language);
        let incident_id = problem.incident_id();
        let failure = LoggedFailure { code: problem.error_code, incident_id };
        let mut response = (status(problem.error_code), Json(&problem)).into_response();
        response.extensions_mut().insert(failure);
        // For those who tell it in another shape.
        response.extensions_mut().insert(problem);
        if let Some(standing) = standing {
            standing.tell(response.headers_mut());
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The public body of an error; what is our own fault is logged under the incident id that the body names.
pub fn report(error: &Error, language: Language) -> Problem {
    let incident = incident_id();
    if error.is_internal() {
        tracing::error!(%error, incident_id = %incident, "{error}");
    }
    error.problem(language, &incident)
}

/// An id such as `INC-20241228-1A2B3C4D`.
fn incident_id() -> String {
    let today = jiff::Timestamp::now().strftime("%Y%m%d");
    format!("INC-{today}-{:08X}", getrandom::u32().unwrap_or_default())
}

/// The status that an error's code is answered with.
pub fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::ValidationError => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::BadGateway => StatusCode::BAD_GATEWAY,
        ErrorCode::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The answer where there is no route.
pub async fn not_found(language: Language) -> Rejection {
    Rejection { error: Error::NotFound, language }
}

/// The answer where a route does not know the method.
pub async fn method_not_allowed(language: Language) -> Rejection {
    Rejection { error: Error::MethodNotAllowed, language }
}

/// The answer where a handler panicked.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    let error = Error::Internal(format!("a handler panicked: {}", what.unwrap_or_default()));
    Rejection { error, language: Language::default() }.into_response()
}

/// The word for an error that clients branch on, one for each HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each name is the contract's word and says it all")]
pub enum ErrorCode {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationError,
    TooManyRequests,
    InternalServerError,
    BadGateway,
    ServiceUnavailable,
}

impl ErrorCode {
    /// The word itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::Conflict => "CONFLICT",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
            Self::BadGateway => "BAD_GATEWAY",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
        }
    }
}

/// What more a client can act on: the values of `error_details.reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No key was sent.
    KeyMissing,
    /// The key is not one of this installation.
    KeyUnknown,
    /// The key's time is over.
    KeyExpired,
    /// There is no model to answer.
    ModelMissing,
    /// The model is not in memory yet; ask again soon.
    ModelLoading,
    /// Too many requests wait; ask again soon.
    Overloaded,
    /// The question does not fit into the model's context.
    ContextTooLong,
    /// The remote server failed; `error_details.failure` says how, in one word.
    RemoteFailed,
    /// The hub of models failed; `error_details.failure` says how, in one word.
    HubFailed,
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `error`.
    #[schema(example = "error")]
    pub status: &'static str,
    /// What is wrong, for a person, in the language of `Accept-Language`.
    #[schema(example = "입력값이 올바르지 않습니다")]
    pub error_message: String,
    /// What is wrong, for a program.
    pub error_code: ErrorCode,
    /// For a 422, field paths with their messages; otherwise what a client can act on, such as `reason`. Null if there is nothing.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    pub error_details: Option<Value>,
}

impl Problem {
    /// The id under which the error is in the log, if the body names one.
    #[must_use]
    pub fn incident_id(&self) -> Option<String> {
        Some(self.error_details.as_ref()?.get("incident_id")?.as_str()?.to_owned())
    }
}

impl Error {
    /// The error as its public body, in `language`. `incident` is named in internal errors, so that the log line can be found.
    #[must_use]
    pub fn problem(&self, language: Language, incident: &str) -> Problem {
        let (error_code, message, error_details) = self.parts(language, incident);
        Problem { status: "error", error_message: message.text(language).to_owned(), error_code, error_details }
    }

    /// Whether the fault is ours, so that it belongs in the log with an incident id.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Internal(_) | Self::Engine(engine::Error::Broken(_)))
    }

    /// Seconds after which asking again makes sense.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Engine(engine::Error::Loading) => Some(2),
            Self::Engine(engine::Error::Overloaded) | Self::Busy => Some(5),
            Self::Limited(limited) => return Some(limited.retry_after),
            Self::Engine(_) | Self::Stopping | Self::Stalled { .. } => Some(30),
            _ => None,
        }
        .filter(|_| self.parts(Language::English, "").0 == ErrorCode::ServiceUnavailable)
    }

    fn parts(&self, language: Language, incident: &str) -> (ErrorCode, Message, Option<Value>) {
        let reason = |reason: Reason| Some(json!({ "reason": reason }));
        match self {
            Self::BadRequest(what) => (
                ErrorCode::BadRequest,
                Message::new(
                    format!("요청을 이해할 수 없습니다: {what}"),
                    format!("the request could not be understood: {what}"),
                ),
                None,
            ),
            Self::Invalid(invalid) => (
                ErrorCode::ValidationError,
                Message::new("입력값이 올바르지 않습니다", "some fields have invalid values"),
                Some(details(invalid, language)),
            ),
            Self::Unknown(invalid) => (
                ErrorCode::NotFound,
                Message::new("요청이 가리키는 것을 찾을 수 없습니다", "the request names something that is not there"),
                Some(details(invalid, language)),
            ),
            Self::Key(KeyProblem::Missing) => (
                ErrorCode::Unauthorized,
                Message::new(
                    "API 키가 필요합니다: X-API-Key 헤더에 넣어 주세요",
                    "an API key is needed: send it as the header X-API-Key",
                ),
                reason(Reason::KeyMissing),
            ),
            Self::Key(KeyProblem::Unknown) => (
                ErrorCode::Unauthorized,
                Message::new("알 수 없는 API 키입니다", "this API key is not known here"),
                reason(Reason::KeyUnknown),
            ),
            Self::Key(KeyProblem::Expired) => (
                ErrorCode::Unauthorized,
                Message::new("API 키가 만료되었습니다", "this API key has expired"),
                reason(Reason::KeyExpired),
            ),
            Self::Forbidden(permission) => (
                ErrorCode::Forbidden,
                Message::new(
                    format!("이 API 키에는 `{permission}` 권한이 없습니다"),
                    format!("this API key lacks the permission `{permission}`"),
                ),
                None,
            ),
            Self::ForeignOrigin(origin) => (
                ErrorCode::Forbidden,
                Message::new(
                    format!("`{origin}`에서 온 요청은 받지 않습니다; 필요하면 CORS_ORIGINS에 추가하세요"),
                    format!("requests from `{origin}` are not accepted; add it to CORS_ORIGINS if you trust it"),
                ),
                None,
            ),
            Self::NotFound => {
                (ErrorCode::NotFound, Message::new("찾을 수 없습니다", "there is nothing here by that name"), None)
            }
            Self::Conflict(message) => (ErrorCode::Conflict, message.clone(), None),
            Self::Limited(limited) => (ErrorCode::TooManyRequests, limited.message(), None),
            Self::MethodNotAllowed => (
                ErrorCode::MethodNotAllowed,
                Message::new("이 주소에서 지원하지 않는 메서드입니다", "this address does not know that method"),
                None,
            ),
            Self::TooLarge { limit } => (
                ErrorCode::PayloadTooLarge,
                Message::new(
                    format!("요청 본문이 너무 큽니다 (최대 {limit}바이트)"),
                    format!("the body is larger than {limit} bytes"),
                ),
                None,
            ),
            Self::NotJson => (
                ErrorCode::UnsupportedMediaType,
                Message::new(
                    "Content-Type은 application/json이어야 합니다",
                    "the Content-Type must be application/json",
                ),
                None,
            ),
            Self::NotBytes => (
                ErrorCode::UnsupportedMediaType,
                Message::new(
                    "Content-Type은 application/octet-stream이어야 합니다",
                    "the Content-Type must be application/octet-stream",
                ),
                None,
            ),
            Self::Engine(error) => engine_parts(error, incident),
            Self::Busy => (
                ErrorCode::ServiceUnavailable,
                Message::new("대기 중인 검사 요청이 너무 많습니다", "too many requests wait to be checked"),
                reason(Reason::Overloaded),
            ),
            Self::Stopping => {
                (ErrorCode::ServiceUnavailable, Message::new("HAPA가 종료되는 중입니다", "HAPA is stopping"), None)
            }
            Self::Stalled { seconds } => (
                ErrorCode::ServiceUnavailable,
                Message::new(
                    format!("모델이 {seconds}초 동안 응답하지 않았습니다"),
                    format!("the model said nothing for {seconds} s"),
                ),
                None,
            ),
            Self::Hub(problem) => (
                ErrorCode::BadGateway,
                problem.message(),
                Some(json!({ "reason": Reason::HubFailed, "failure": problem.word() })),
            ),
            Self::Internal(_) => internal(incident),
        }
    }
}

impl Limited {
    fn message(self) -> Message {
        let Self { limit, most, retry_after } = self;
        let (ko, en) = match limit {
            Limit::Requests => (format!("이 키의 요청 한도({most}회)"), format!("this key's limit of {most} requests")),
            Limit::Generations => {
                (format!("이 키의 코드 생성 한도({most}회)"), format!("this key's limit of {most} generations"))
            }
            Limit::Completions => {
                (format!("이 키의 자동 완성 한도({most}회)"), format!("this key's limit of {most} completions"))
            }
            Limit::Streams => (
                format!("이 키가 동시에 열 수 있는 스트림 수({most}개)"),
                format!("this key's limit of {most} open streams"),
            ),
            Limit::Address => (
                format!("이 주소의 하루 요청 한도({most}회)"),
                format!("this address's limit of {most} requests a day"),
            ),
        };
        Message::new(
            format!("{ko}를 모두 사용했습니다; {retry_after}초 뒤에 다시 시도하세요"),
            format!("{en} is used up; try again in {retry_after} s"),
        )
    }
}

fn engine_parts(error: &engine::Error, incident: &str) -> (ErrorCode, Message, Option<Value>) {
    let unavailable = |ko: &str, en: &str, reason: Reason| {
        (ErrorCode::ServiceUnavailable, Message::new(ko, en), Some(json!({ "reason": reason })))
    };
    match error {
        engine::Error::Absent => unavailable(
            "모델이 없습니다: GGUF 파일을 models 폴더에 넣고 다시 시작하세요",
            "there is no model: put a GGUF file into the models folder",
            Reason::ModelMissing,
        ),
        engine::Error::Failed(message) => unavailable(
            &format!("모델을 쓸 수 없습니다: {message}"),
            &format!("the model cannot be used: {message}"),
            Reason::ModelMissing,
        ),
        engine::Error::Loading => {
            unavailable("모델을 불러오는 중입니다", "the model is still loading", Reason::ModelLoading)
        }
        engine::Error::Overloaded => {
            unavailable("대기 중인 요청이 너무 많습니다", "too many requests wait for the model", Reason::Overloaded)
        }
        engine::Error::Stopped => {
            (ErrorCode::ServiceUnavailable, Message::new("엔진이 멈췄습니다", "the engine has stopped"), None)
        }
        engine::Error::ContextTooLong { tokens, limit } => (
            ErrorCode::ValidationError,
            Message::new(
                format!("질문과 코드가 너무 깁니다: {tokens}토큰, 한도는 {limit}토큰"),
                format!("the question and its code are too long: {tokens} tokens, and {limit} fit"),
            ),
            Some(json!({ "reason": Reason::ContextTooLong, "tokens": tokens, "limit": limit })),
        ),
        engine::Error::Elsewhere(word) => {
            let failure = Failure::of(word);
            let details = json!({ "reason": Reason::RemoteFailed, "failure": failure.word() });
            (ErrorCode::BadGateway, failure.message(), Some(details))
        }
        engine::Error::Broken(_) | engine::Error::CannotFill => internal(incident),
    }
}

fn internal(incident: &str) -> (ErrorCode, Message, Option<Value>) {
    (
        ErrorCode::InternalServerError,
        Message::new("내부 오류가 발생했습니다", "something went wrong inside HAPA"),
        Some(json!({ "incident_id": incident })),
    )
}

/// Dotted paths with lists of messages, as clients read them.
fn details(invalid: &Invalid, language: Language) -> Value {
    let messages = |all: &[Message]| all.iter().map(|one| one.text(language)).collect::<Value>();
    invalid.0.iter().map(|(path, all)| (path.clone(), messages(all))).collect()
}
