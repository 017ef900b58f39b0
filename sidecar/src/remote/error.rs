//! Why a remote server did not answer: a closed list, each with a word for programs and a sentence of ours for people.
//!
//! Nothing that the server says about its own errors is passed on.

use crate::base::i18n::LocalizedText;

/// Why a remote server did not answer, or not to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No address is set.
    NoAddress,
    /// No connection, or none that can be trusted.
    Unreachable,
    /// It wants another key.
    KeyRefused,
    /// The address or the model is not there.
    NotFound,
    /// It names no model, and none is set.
    NoModel,
    /// It has too much to do, or the key has used up what it may.
    Busy,
    /// It does not take the request.
    Refused,
    /// It points to another address, which is never followed.
    Moved,
    /// It has an error of its own.
    Broken,
    /// It answers with something else than a stream of events.
    NotAStream,
    /// What it sends cannot be read.
    Garbled,
    /// It sends more than an answer can have.
    TooMuch,
    /// It says nothing for too long.
    Silent,
    /// The connection ends before the answer does.
    CutOff,
}

impl Failure {
    const ALL: [Self; 14] = [
        Self::NoAddress,
        Self::Unreachable,
        Self::KeyRefused,
        Self::NotFound,
        Self::NoModel,
        Self::Busy,
        Self::Refused,
        Self::Moved,
        Self::Broken,
        Self::NotAStream,
        Self::Garbled,
        Self::TooMuch,
        Self::Silent,
        Self::CutOff,
    ];

    /// The word for it, by which it goes through the engine's types.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::Unreachable => "unreachable",
            Self::KeyRefused => "key_refused",
            Self::NotFound => "not_found",
            Self::NoModel => "no_model",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Moved => "moved",
            Self::Broken => "broken",
            Self::NotAStream => "not_a_stream",
            Self::Garbled => "garbled",
            Self::TooMuch => "too_much",
            Self::Silent => "silent",
            Self::CutOff => "cut_off",
        }
    }

    /// The failure of this word.
    #[must_use]
    pub fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|failure| failure.word() == word).unwrap_or(Self::Broken)
    }

    /// The failure that a status of HTTP means; `None` where it means that all is well.
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            200 => None,
            300..=399 => Some(Self::Moved),
            401 | 403 => Some(Self::KeyRefused),
            404 | 405 | 410 => Some(Self::NotFound),
            408 | 429 | 503 => Some(Self::Busy),
            400..=499 => Some(Self::Refused),
            500..=599 => Some(Self::Broken),
            _ => Some(Self::NotAStream),
        }
    }

    /// Whether the same may succeed a moment later.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy | Self::Broken | Self::CutOff)
    }

    /// What went wrong, and what helps.
    #[must_use]
    pub fn message(self) -> LocalizedText {
        let (ko, en) = match self {
            Self::NoAddress => (
                "원격 서버의 주소가 없습니다; 설정 remote_endpoint를 정하세요",
                "no remote server is named; set remote_endpoint",
            ),
            Self::Unreachable => (
                "원격 서버에 연결할 수 없습니다; 주소와 네트워크, 인증서를 확인하세요",
                "the remote server cannot be reached; look at its address, the network and its certificate",
            ),
            Self::KeyRefused => (
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
            Self::Refused => ("원격 서버가 요청을 받지 않았습니다", "the remote server does not take the request"),
            Self::Moved => (
                "원격 서버가 다른 주소로 보내려 하며, 따라가지 않습니다; remote_endpoint를 확인하세요",
                "the remote server points to another address, which is not followed; look at remote_endpoint",
            ),
            Self::Broken => ("원격 서버에 오류가 있습니다", "the remote server has an error of its own"),
            Self::NotAStream => (
                "원격 서버의 응답이 OpenAI 호환 형식이 아닙니다; remote_endpoint를 확인하세요",
                "what the remote server answers is not OpenAI's API; look at remote_endpoint",
            ),
            Self::Garbled => ("원격 서버의 응답을 읽을 수 없습니다", "what the remote server sends cannot be read"),
            Self::TooMuch => ("원격 서버의 응답이 너무 큽니다", "the remote server sends too much"),
            Self::Silent => {
                ("원격 서버가 제한 시간 동안 아무 말도 하지 않았습니다", "the remote server said nothing for too long")
            }
            Self::CutOff => ("원격 서버와의 연결이 끊겼습니다", "the connection to the remote server broke off"),
        };
        LocalizedText::new(ko, en)
    }
}

impl From<Failure> for engine::Error {
    fn from(failure: Failure) -> Self {
        Self::Remote(failure.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn each_failure_is_known_by_its_word() {
        for failure in Failure::ALL {
            assert_eq!(Failure::of(failure.word()), failure);
        }
    }
}
