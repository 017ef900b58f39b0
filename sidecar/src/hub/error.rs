//! Why something could not be had from the hub: a closed list, each with a code for programs and a sentence for people.
//!
//! Nothing that the hub says about its own errors is passed on.

use crate::base::fs::DiskError;
use crate::base::i18n::LocalizedText;

/// Why something could not be had from the hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model hub failed: {}", self.code())]
pub enum Error {
    /// The address of the hub is none that may be asked.
    InvalidEndpoint,
    /// No connection, or none that can be trusted.
    Unreachable,
    /// It is not there.
    NotFound,
    /// The hub wants an account that has agreed to something.
    Gated,
    /// The hub has too much to do, or has been asked too often.
    Busy,
    /// The hub has an error of its own.
    ServerError,
    /// It points to a host that is not the hub's.
    UntrustedRedirect(String),
    /// What it says cannot be read.
    InvalidResponse,
    /// It does not say what the file's bytes are to be.
    NoChecksum,
    /// The connection ends before the file does.
    Interrupted,
    /// Nothing comes for too long.
    Timeout,
    /// The bytes are not those that the hub named.
    ChecksumMismatch,
    /// The bytes are in order and no model that can be used.
    InvalidModel(String),
    /// The disk refused.
    Disk(DiskError),
}

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl Error {
    /// The code for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidEndpoint => "no_hub",
            Self::Unreachable => "unreachable",
            Self::NotFound => "missing",
            Self::Gated => "closed",
            Self::Busy => "busy",
            Self::ServerError => "broken",
            Self::UntrustedRedirect(_) => "foreign",
            Self::InvalidResponse => "garbled",
            Self::NoChecksum => "no_hash",
            Self::Interrupted => "cut_off",
            Self::Timeout => "silent",
            Self::Disk(DiskError::Full { .. }) => "full",
            Self::ChecksumMismatch => "wrong",
            Self::InvalidModel(_) => "flawed",
            Self::Disk(DiskError::Io(_)) => "disk",
        }
    }

    /// Whether the same may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy | Self::ServerError | Self::Interrupted | Self::Timeout)
    }

    /// What went wrong, and what helps.
    #[must_use]
    pub fn message(&self) -> LocalizedText {
        let (ko, en) = match self {
            Self::InvalidEndpoint => (
                "HF_ENDPOINT는 https://로 시작하는 주소여야 합니다".into(),
                "HF_ENDPOINT must be an address that begins with https://".into(),
            ),
            Self::Unreachable => (
                "모델 저장소에 연결할 수 없습니다; 네트워크와 프록시 설정을 확인하세요".into(),
                "the model hub cannot be reached; look at the network and the proxy".into(),
            ),
            Self::NotFound => ("모델 저장소에 그런 파일이 없습니다".into(), "the model hub has nothing by that name".into()),
            Self::Gated => (
                "모델 저장소가 로그인과 동의를 요구합니다; 그 페이지에서 받은 파일을 models 폴더에 넣으세요".into(),
                "the model hub asks for an account that has agreed to its terms; download the file there and put it into the models folder"
                    .into(),
            ),
            Self::Busy => (
                "모델 저장소가 요청을 너무 많이 받았습니다; 잠시 뒤에 다시 시도하세요".into(),
                "the model hub has been asked too often; try again later".into(),
            ),
            Self::ServerError => ("모델 저장소에 오류가 있습니다".into(), "the model hub has an error of its own".into()),
            Self::UntrustedRedirect(host) => (
                format!("모델 저장소가 다른 서버(`{host}`)로 보내려 하며, 따라가지 않습니다"),
                format!("the model hub points to another server, `{host}`, which is not followed"),
            ),
            Self::InvalidResponse => ("모델 저장소의 응답을 읽을 수 없습니다".into(), "what the model hub sends cannot be read".into()),
            Self::NoChecksum => (
                "모델 저장소가 파일의 SHA-256을 알려 주지 않아 확인할 수 없습니다".into(),
                "the model hub does not say the file's SHA-256, so it could not be checked".into(),
            ),
            Self::Interrupted => ("모델 저장소와의 연결이 끊겼습니다".into(), "the connection to the model hub broke off".into()),
            Self::Timeout => (
                "모델 저장소에서 제한 시간 동안 아무것도 오지 않았습니다".into(),
                "nothing came from the model hub for too long".into(),
            ),
            Self::ChecksumMismatch => (
                "받은 파일이 저장소가 말한 것과 다릅니다 (SHA-256 불일치); 지웠으니 다시 받으세요".into(),
                "what came is not what the hub named: its SHA-256 differs; it was removed, so download it again".into(),
            ),
            Self::InvalidModel(flaw) => (
                format!("받은 파일은 쓸 수 있는 모델이 아닙니다: {flaw}"),
                format!("what came is no model that can be used: {flaw}"),
            ),
            Self::Disk(error) => return error.message(),
        };
        LocalizedText { ko, en }
    }
}
