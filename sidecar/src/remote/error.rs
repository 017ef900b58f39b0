//! Why a remote server did not answer: a closed list, each with a code for programs and a sentence of ours for people.
//!
//! Nothing that the server says about its own errors is passed on.

use crate::base::i18n::LocalizedText;

/// Why a remote server did not answer, or not to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// No address is set.
    NoEndpoint,
    /// No connection, or none that can be trusted.
    Unreachable,
    /// It wants another key.
    Unauthorized,
    /// The address or the model is not there.
    NotFound,
    /// It names no model, and none is set.
    NoModel,
    /// It has too much to do, or the key has used up what it may.
    Busy,
    /// It does not take the request.
    Rejected,
    /// It points to another address, which is never followed.
    Redirected,
    /// It has an error of its own.
    ServerError,
    /// It answers with something else than a stream of events.
    UnexpectedFormat,
    /// What it sends cannot be read.
    InvalidResponse,
    /// It sends more than an answer can have.
    TooLarge,
    /// It says nothing for too long.
    Timeout,
    /// The connection ends before the answer does.
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

    /// The code for it, by which it goes through the engine's types.
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

    /// The failure of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        Self::ALL.into_iter().find(|error| error.code() == code).unwrap_or(Self::ServerError)
    }

    /// The failure that a status of HTTP means; `None` where it means that all is well.
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

    /// Whether the same may succeed a moment later.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy | Self::ServerError | Self::Interrupted)
    }

    /// What went wrong, and what helps.
    #[must_use]
    pub fn message(self) -> LocalizedText {
        let (ko, en) = match self {
            Self::NoEndpoint => (
                "원격 서버의 주소가 없습니다; 설정 remote_endpoint를 정하세요",
                "no remote server is named; set remote_endpoint",
            ),
            Self::Unreachable => (
                "원격 서버에 연결할 수 없습니다; 주소와 네트워크, 인증서를 확인하세요",
                "the remote server cannot be reached; look at its address, the network and its certificate",
            ),
            Self::Unauthorized => (
                "원격 서버가 키를 받지 않았습니다; 키를 다시 저장하세요",
                "the remote server refused the key; save another one",
            ),
            Self::NotFound => (
                "원격 서버에 그 주소나 모델이 없습니다; remote_endpoint와 remote_model을 확인하세요",
                "the remote server has no such address or model; look at remote_endpoint and remote_model",
            ),
            Self::NoModel => (
                "원격 서버가 모델을 알려 주지 않습니다; 설정 remote_model을 정하세요",
                "the remote server names no model; set remote_model",
            ),
            Self::Busy => (
                "원격 서버가 바쁘거나 키의 한도를 다 썼습니다; 잠시 뒤에 다시 시도하세요",
                "the remote server is busy, or the key has used up its limit; try again later",
            ),
            Self::Rejected => ("원격 서버가 요청을 받지 않았습니다", "the remote server does not take the request"),
            Self::Redirected => (
                "원격 서버가 다른 주소로 보내려 하며, 따라가지 않습니다; remote_endpoint를 확인하세요",
                "the remote server points to another address, which is not followed; look at remote_endpoint",
            ),
            Self::ServerError => ("원격 서버에 오류가 있습니다", "the remote server has an error of its own"),
            Self::UnexpectedFormat => (
                "원격 서버의 응답이 OpenAI 호환 형식이 아닙니다; remote_endpoint를 확인하세요",
                "what the remote server answers is not OpenAI's API; look at remote_endpoint",
            ),
            Self::InvalidResponse => {
                ("원격 서버의 응답을 읽을 수 없습니다", "what the remote server sends cannot be read")
            }
            Self::TooLarge => ("원격 서버의 응답이 너무 큽니다", "the remote server sends too much"),
            Self::Timeout => {
                ("원격 서버가 제한 시간 동안 아무 말도 하지 않았습니다", "the remote server said nothing for too long")
            }
            Self::Interrupted => ("원격 서버와의 연결이 끊겼습니다", "the connection to the remote server broke off"),
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
