//! What can go wrong for a caller, in words a person can use and codes a program can. No HTTP in it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::hub;
use crate::keys::Permission;
use crate::remote::failure::Failure;

/// Why a request was refused or could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not JSON, or a parameter is not what it should be.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// Fields of the body have invalid values.
    #[error("invalid fields: {0:?}")]
    Invalid(Invalid),
    /// There is no usable key.
    #[error("key refused: {0:?}")]
    Key(KeyProblem),
    /// The key does not allow this.
    #[error("the key lacks the permission {0:?}")]
    Forbidden(Permission),
    /// The request comes from a web page or by a host name that is not trusted.
    #[error("not from here: {0}")]
    ForeignOrigin(String),
    /// There is nothing by this name.
    #[error("not found")]
    NotFound,
    /// Fields of the body name things that are not there.
    #[error("unknown: {0:?}")]
    Unknown(Invalid),
    /// What is asked for contradicts what is there.
    #[error("conflict: {0:?}")]
    Conflict(Message),
    /// The key, or the address that it is used from, has used up what it may do for now.
    #[error("limited: {0:?}")]
    Limited(Limited),
    /// The address exists, but not for this method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The body is larger than this many bytes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The largest body that is read, in bytes.
        limit: usize,
    },
    /// The body is not declared as JSON.
    #[error("the body is not declared as JSON")]
    NotJson,
    /// The body is not declared as a file.
    #[error("the body is not declared as a file")]
    NotBytes,
    /// The model cannot take the request.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Too many requests wait for the processor.
    #[error("too many requests wait for the processor")]
    Busy,
    /// HAPA is ending.
    #[error("HAPA is stopping")]
    Stopping,
    /// No token came for this many seconds.
    #[error("the model said nothing for {seconds} s")]
    Stalled {
        /// How long was waited.
        seconds: u64,
    },
    /// The hub of models did not do as asked.
    #[error("the model hub: {}", .0.word())]
    Hub(hub::Problem),
    /// A mistake of ours, or of the disk. Details go to the log only.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(format!("the database did not do as asked: {error}"))
    }
}

/// Fields with invalid values: dotted paths, each with what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invalid(pub BTreeMap<String, Vec<Message>>);

impl Invalid {
    /// Notes a problem with a field.
    pub fn add(&mut self, path: impl Into<String>, message: Message) {
        self.0.entry(path.into()).or_default().push(message);
    }

    /// One problem with one field.
    pub fn field(path: impl Into<String>, message: Message) -> Self {
        let mut invalid = Self::default();
        invalid.add(path, message);
        invalid
    }

    /// Dotted paths with lists of messages, as clients read them.
    fn details(&self, language: Language) -> Value {
        let messages = |all: &[Message]| all.iter().map(|one| one.text(language)).collect::<Value>();
        self.0.iter().map(|(path, all)| (path.clone(), messages(all))).collect()
    }

    /// `Ok` if nothing was noted.
    ///
    /// # Errors
    /// All that was noted, as one [`Error::Invalid`].
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

impl Message {
    /// A sentence, Korean first.
    pub fn new(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self { ko: ko.into(), en: en.into() }
    }

    /// The sentence in one language.
    #[must_use]
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::Korean => &self.ko,
            Language::English => &self.en,
        }
    }
}

/// The language that people are answered in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// 한국어, the first language of the API.
    #[default]
    Korean,
    /// English.
    English,
}

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProblem {
    /// None was sent.
    Missing,
    /// It is no key of this installation, or was revoked.
    Unknown,
    /// Its time is over.
    Expired,
}

/// Which limit is reached, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// Which one it is.
    pub limit: Limit,
    /// How much of it there is in all.
    pub most: u32,
    /// Seconds until there is some of it again; at least 1.
    pub retry_after: u32,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Requests of a key.
    Requests,
    /// Generations of a key.
    Generations,
    /// Completions of a key.
    Completions,
    /// Streams that a key has open.
    Streams,
    /// Requests from an address.
    Address,
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
        matches!(self, Self::Internal(_) | Self::Engine(engine::Error::Inference(_)))
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
                Some(invalid.details(language)),
            ),
            Self::Unknown(invalid) => (
                ErrorCode::NotFound,
                Message::new("요청이 가리키는 것을 찾을 수 없습니다", "the request names something that is not there"),
                Some(invalid.details(language)),
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
        engine::Error::NoModel => unavailable(
            "모델이 없습니다: GGUF 파일을 models 폴더에 넣고 다시 시작하세요",
            "there is no model: put a GGUF file into the models folder",
            Reason::ModelMissing,
        ),
        engine::Error::LoadFailed(message) => unavailable(
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
        engine::Error::EngineStopped => {
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
        engine::Error::Remote(word) => {
            let failure = Failure::of(word);
            let details = json!({ "reason": Reason::RemoteFailed, "failure": failure.word() });
            (ErrorCode::BadGateway, failure.message(), Some(details))
        }
        engine::Error::Inference(_) | engine::Error::FimUnsupported => internal(incident),
    }
}

fn internal(incident: &str) -> (ErrorCode, Message, Option<Value>) {
    (
        ErrorCode::InternalServerError,
        Message::new("내부 오류가 발생했습니다", "something went wrong inside HAPA"),
        Some(json!({ "incident_id": incident })),
    )
}
