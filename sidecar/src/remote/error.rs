//! Errors of the remote server: a closed list, each with a code for programs and a localized message.
//!
//! Error texts of the server itself are never forwarded.

use crate::base::i18n::LocalizedText;

/// Why a request to the remote server failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The setting `remote_endpoint` is empty.
    NoEndpoint,
    /// The connection, or its TLS handshake, failed.
    Unreachable,
    /// The API key was refused.
    Unauthorized,
    /// The URL or the model does not exist.
    NotFound,
    /// It lists no model, and the setting `remote_model` is empty.
    NoModel,
    /// It is overloaded, or the key's rate limit is exceeded.
    Busy,
    /// It rejected the request (4xx).
    Rejected,
    /// It redirects, which is never followed.
    Redirected,
    /// It failed with a status of 5xx, or with an error in the stream.
    ServerError,
    /// The response is not in OpenAI's format.
    UnexpectedFormat,
    /// An event of the stream is invalid.
    InvalidResponse,
    /// The response exceeds a size limit.
    TooLarge,
    /// No data arrived within the timeout.
    Timeout,
    /// The connection was lost before the end of the answer.
    Interrupted,
}

impl Error {
    const ALL: [Self; 14] = [
        Self::NoEndpoint,
        Self::Unreachable,
        Self::Unauthorized,
        Self::NotFound,
        Self::NoModel,
        Self::Busy,
        Self::Rejected,
        Self::Redirected,
        Self::ServerError,
        Self::UnexpectedFormat,
        Self::InvalidResponse,
        Self::TooLarge,
        Self::Timeout,
        Self::Interrupted,
    ];

    /// The code for programs; part of the API. The error passes through the engine's types as this code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoEndpoint => "no_address",
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "key_refused",
            Self::NotFound => "not_found",
            Self::NoModel => "no_model",
            Self::Busy => "busy",
            Self::Rejected => "refused",
            Self::Redirected => "moved",
            Self::ServerError => "broken",
            Self::UnexpectedFormat => "not_a_stream",
            Self::InvalidResponse => "garbled",
            Self::TooLarge => "too_much",
            Self::Timeout => "silent",
            Self::Interrupted => "cut_off",
        }
    }

    /// The error with this code; [`Self::ServerError`] for an unknown one.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        Self::ALL.into_iter().find(|error| error.code() == code).unwrap_or(Self::ServerError)
    }

    /// The error of an HTTP status; `None` for 200.
    #[must_use]
    pub fn from_status(status: u16) -> Option<Self> {
        match status {
            200 => None,
            300..=399 => Some(Self::Redirected),
            401 | 403 => Some(Self::Unauthorized),
            404 | 405 | 410 => Some(Self::NotFound),
            408 | 429 | 503 => Some(Self::Busy),
            400..=499 => Some(Self::Rejected),
            500..=599 => Some(Self::ServerError),
            _ => Some(Self::UnexpectedFormat),
        }
    }

    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy | Self::ServerError | Self::Interrupted)
    }

    /// What went wrong and what to do about it.
    #[must_use]
    pub fn message(self) -> LocalizedText {
        let (ko, en) = match self {
            Self::NoEndpoint => (
                "원격 서버의 주소가 없습니다. 설정 remote_endpoint를 입력하세요.",
                "no remote server is configured; set remote_endpoint",
            ),
            Self::Unreachable => (
                "원격 서버에 연결할 수 없습니다. 주소와 네트워크, 인증서를 확인하세요.",
                "the remote server cannot be reached; check its URL, the network and its certificate",
            ),
            Self::Unauthorized => (
                "원격 서버가 API 키를 거부했습니다. 키를 다시 저장하세요.",
                "the remote server refused the API key; save another one",
            ),
            Self::NotFound => (
                "원격 서버에서 해당 주소나 모델을 찾을 수 없습니다. 설정 remote_endpoint와 remote_model을 확인하세요.",
                "the remote server does not have this URL or model; check remote_endpoint and remote_model",
            ),
            Self::NoModel => (
                "원격 서버가 모델 목록을 제공하지 않습니다. 설정 remote_model을 입력하세요.",
                "the remote server lists no models; set remote_model",
            ),
            Self::Busy => (
                "원격 서버가 바쁘거나 키의 사용 한도를 넘었습니다. 잠시 뒤에 다시 시도하세요.",
                "the remote server is overloaded or the key's rate limit is exceeded; try again later",
            ),
            Self::Rejected => ("원격 서버가 요청을 거부했습니다", "the remote server rejected the request"),
            Self::Redirected => (
                "원격 서버가 다른 주소로 리디렉션해 중단했습니다. 설정 remote_endpoint를 확인하세요.",
                "the remote server redirects to another URL; the redirect was not followed, check remote_endpoint",
            ),
            Self::ServerError => {
                ("원격 서버에서 오류가 발생했습니다", "the remote server failed with an internal error")
            }
            Self::UnexpectedFormat => (
                "원격 서버의 응답이 OpenAI 호환 형식이 아닙니다. 설정 remote_endpoint를 확인하세요.",
                "the response of the remote server is not in OpenAI's format; check remote_endpoint",
            ),
            Self::InvalidResponse => {
                ("원격 서버의 응답이 올바르지 않습니다", "the response of the remote server is invalid")
            }
            Self::TooLarge => ("원격 서버의 응답이 너무 큽니다", "the response of the remote server is too large"),
            Self::Timeout => {
                ("원격 서버가 제한 시간 안에 응답하지 않았습니다", "the remote server sent no data within the timeout")
            }
            Self::Interrupted => ("원격 서버와의 연결이 끊겼습니다", "the connection to the remote server was lost"),
        };
        LocalizedText::new(ko, en)
    }
}

impl From<Error> for engine::Error {
    fn from(error: Error) -> Self {
        Self::Remote(error.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn each_error_is_found_by_its_code() {
        for error in Error::ALL {
            assert_eq!(Error::from_code(error.code()), error);
        }
    }
}
