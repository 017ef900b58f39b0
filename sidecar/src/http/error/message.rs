//! Code, localized message and details of each error.

use serde_json::{Value, json};

use super::{ApiError, ErrorCode, Reason};
use crate::access::rate_limit::{Limit, RateLimited};
use crate::base::i18n::{Language, LocalizedText};
use crate::base::validation::ValidationErrors;
use crate::remote;

impl ApiError {
    /// The code of the error, which decides the HTTP status.
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::BadRequest(_) => ErrorCode::BadRequest,
            Self::Invalid(_) => ErrorCode::ValidationError,
            Self::ReferenceNotFound(_) | Self::NotFound => ErrorCode::NotFound,
            Self::Unauthorized(_) => ErrorCode::Unauthorized,
            Self::Forbidden(_) | Self::UntrustedOrigin(_) => ErrorCode::Forbidden,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::RateLimited(_) => ErrorCode::TooManyRequests,
            Self::MethodNotAllowed => ErrorCode::MethodNotAllowed,
            Self::PayloadTooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::NotJson | Self::NotOctetStream => ErrorCode::UnsupportedMediaType,
            Self::CheckQueueFull | Self::ShuttingDown | Self::Timeout { .. } => ErrorCode::ServiceUnavailable,
            Self::Hub(_) => ErrorCode::BadGateway,
            Self::Internal { .. } => ErrorCode::InternalServerError,
            Self::Engine(error) => engine_code(error),
        }
    }

    /// The message for users.
    pub(super) fn message(&self) -> LocalizedText {
        match self {
            Self::BadRequest(reason) => LocalizedText::new(
                format!("요청 형식이 잘못되었습니다: {reason}"),
                format!("the request is malformed: {reason}"),
            ),
            Self::Invalid(_) => LocalizedText::new("입력값이 올바르지 않습니다", "some fields have invalid values"),
            Self::ReferenceNotFound(_) => LocalizedText::new(
                "요청에 지정된 항목을 찾을 수 없습니다",
                "the request refers to something that does not exist",
            ),
            Self::Unauthorized(Reason::KeyExpired) => {
                LocalizedText::new("API 키가 만료되었습니다", "this API key has expired")
            }
            Self::Unauthorized(Reason::KeyMissing) => LocalizedText::new(
                "API 키가 필요합니다. X-API-Key 헤더로 보내 주세요.",
                "an API key is required; send it in the header X-API-Key",
            ),
            Self::Unauthorized(_) => LocalizedText::new("알 수 없는 API 키입니다", "this API key does not exist"),
            Self::Forbidden(permission) => LocalizedText::new(
                format!("이 API 키에는 `{permission}` 권한이 없습니다"),
                format!("this API key lacks the permission `{permission}`"),
            ),
            Self::UntrustedOrigin(origin) => LocalizedText::new(
                format!("`{origin}`에서 온 요청은 받지 않습니다. 필요하면 CORS_ORIGINS에 추가하세요."),
                format!("requests from `{origin}` are not accepted; add it to CORS_ORIGINS if you trust it"),
            ),
            Self::NotFound => LocalizedText::new("찾을 수 없습니다", "not found"),
            Self::Conflict(message) => message.clone(),
            Self::RateLimited(limited) => rate_limited(limited),
            Self::MethodNotAllowed => {
                LocalizedText::new("이 경로에서 지원하지 않는 메서드입니다", "this route does not support the method")
            }
            Self::PayloadTooLarge { limit } => LocalizedText::new(
                format!("요청 본문이 너무 큽니다 (최대 {limit}바이트)"),
                format!("the request body is larger than {limit} bytes"),
            ),
            Self::NotJson => LocalizedText::new(
                "Content-Type은 application/json이어야 합니다",
                "the Content-Type must be application/json",
            ),
            Self::NotOctetStream => LocalizedText::new(
                "Content-Type은 application/octet-stream이어야 합니다",
                "the Content-Type must be application/octet-stream",
            ),
            Self::Engine(error) => engine_message(error),
            Self::CheckQueueFull => {
                LocalizedText::new("대기 중인 검사 요청이 너무 많습니다", "too many code checks are queued")
            }
            Self::ShuttingDown => LocalizedText::new("HAPA가 종료되는 중입니다", "HAPA is shutting down"),
            Self::Timeout { seconds } => LocalizedText::new(
                format!("모델이 {seconds}초 동안 응답하지 않았습니다"),
                format!("the model sent no token for {seconds} s"),
            ),
            Self::Hub(error) => error.message(),
            Self::Internal { .. } => internal(),
        }
    }

    /// The details for programs: `error_details`.
    pub(super) fn details(&self, language: Language, incident: &str) -> Option<Value> {
        let reason = |reason: Reason| Some(json!({ "reason": reason }));
        match self {
            Self::Invalid(invalid) | Self::ReferenceNotFound(invalid) => Some(fields(invalid, language)),
            Self::Unauthorized(why) => reason(*why),
            Self::CheckQueueFull => reason(Reason::Overloaded),
            Self::Hub(error) => Some(json!({ "reason": Reason::HubFailed, "failure": error.code() })),
            Self::Engine(error) => engine_details(error, incident),
            Self::Internal { .. } => Some(json!({ "incident_id": incident })),
            _ => None,
        }
    }
}

/// The messages of each invalid field, by its dotted path.
fn fields(invalid: &ValidationErrors, language: Language) -> Value {
    let messages = |all: &[LocalizedText]| all.iter().map(|one| one.text(language)).collect::<Value>();
    invalid.0.iter().map(|(path, all)| (path.clone(), messages(all))).collect()
}

fn rate_limited(limited: &RateLimited) -> LocalizedText {
    let RateLimited { limit, max, retry_after } = limited;
    let (ko, en) = match limit {
        Limit::Requests => (format!("이 키의 요청 한도({max}회)"), format!("this key's limit of {max} requests")),
        Limit::Generations => {
            (format!("이 키의 코드 생성 한도({max}회)"), format!("this key's limit of {max} generations"))
        }
        Limit::Completions => {
            (format!("이 키의 자동 완성 한도({max}회)"), format!("this key's limit of {max} completions"))
        }
        Limit::Streams => {
            (format!("이 키가 동시에 열 수 있는 스트림 수({max}개)"), format!("this key's limit of {max} open streams"))
        }
        Limit::Address => {
            (format!("이 주소의 하루 요청 한도({max}회)"), format!("this address's limit of {max} requests a day"))
        }
    };
    LocalizedText::new(
        format!("{ko}를 모두 사용했습니다. {retry_after}초 뒤에 다시 시도하세요."),
        format!("{en} is used up; try again in {retry_after} s"),
    )
}

fn engine_code(error: &engine::Error) -> ErrorCode {
    match error {
        engine::Error::NoModel
        | engine::Error::LoadFailed(_)
        | engine::Error::Loading
        | engine::Error::Overloaded
        | engine::Error::EngineStopped => ErrorCode::ServiceUnavailable,
        engine::Error::ContextTooLong { .. } => ErrorCode::ValidationError,
        engine::Error::Remote(_) => ErrorCode::BadGateway,
        engine::Error::Inference(_) | engine::Error::FimUnsupported => ErrorCode::InternalServerError,
    }
}

fn engine_message(error: &engine::Error) -> LocalizedText {
    match error {
        engine::Error::NoModel => LocalizedText::new(
            "모델이 없습니다. GGUF 파일을 models 폴더에 넣으세요.",
            "no model is installed; put a GGUF file into the models folder",
        ),
        engine::Error::LoadFailed(reason) => LocalizedText::new(
            format!("모델을 사용할 수 없습니다: {reason}"),
            format!("the model cannot be used: {reason}"),
        ),
        engine::Error::Loading => LocalizedText::new("모델을 불러오는 중입니다", "the model is still loading"),
        engine::Error::Overloaded => {
            LocalizedText::new("대기 중인 요청이 너무 많습니다", "too many requests are queued for the model")
        }
        engine::Error::EngineStopped => LocalizedText::new("엔진이 종료되었습니다", "the engine has stopped"),
        engine::Error::ContextTooLong { tokens, limit } => LocalizedText::new(
            format!("질문과 코드가 컨텍스트 한도를 넘었습니다: {tokens}토큰, 한도 {limit}토큰"),
            format!("the question and its code exceed the context: {tokens} of {limit} tokens"),
        ),
        engine::Error::Remote(word) => remote::Error::from_code(word).message(),
        engine::Error::Inference(_) | engine::Error::FimUnsupported => internal(),
    }
}

fn engine_details(error: &engine::Error, incident: &str) -> Option<Value> {
    let reason = |reason: Reason| Some(json!({ "reason": reason }));
    match error {
        engine::Error::NoModel | engine::Error::LoadFailed(_) => reason(Reason::ModelMissing),
        engine::Error::Loading => reason(Reason::ModelLoading),
        engine::Error::Overloaded => reason(Reason::Overloaded),
        engine::Error::EngineStopped => None,
        engine::Error::ContextTooLong { tokens, limit } => {
            Some(json!({ "reason": Reason::ContextTooLong, "tokens": tokens, "limit": limit }))
        }
        engine::Error::Remote(word) => {
            Some(json!({ "reason": Reason::RemoteFailed, "failure": remote::Error::from_code(word).code() }))
        }
        engine::Error::Inference(_) | engine::Error::FimUnsupported => Some(json!({ "incident_id": incident })),
    }
}

fn internal() -> LocalizedText {
    LocalizedText::new("내부 오류가 발생했습니다", "an internal error occurred")
}
