//! Errors of the model hub: a closed list, each with a code for programs and a localized message.
//!
//! Error texts of the hub itself are never forwarded.

use crate::base::fs::DiskError;
use crate::base::i18n::LocalizedText;

/// Why a request to the hub, or a download, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model hub failed: {}", self.code())]
pub enum Error {
    /// The configured endpoint is not an `https` URL.
    InvalidEndpoint,
    /// The connection, or its TLS handshake, failed.
    Unreachable,
    /// There is no such repository or file.
    NotFound,
    /// The repository is gated: it needs an account that has accepted its terms.
    Gated,
    /// The hub is overloaded, or its rate limit is exceeded.
    Busy,
    /// The hub failed with a status of 5xx, or redirects too often.
    ServerError,
    /// A redirect to this untrusted host was not followed.
    UntrustedRedirect(String),
    /// The response is invalid.
    InvalidResponse,
    /// The hub does not report the SHA-256 of the file.
    NoChecksum,
    /// The connection was lost.
    Interrupted,
    /// No data arrived within the timeout.
    Timeout,
    /// The SHA-256 of the file differs from the reported one.
    ChecksumMismatch,
    /// The file is not a usable GGUF model.
    InvalidModel(String),
    /// A file could not be written.
    Disk(DiskError),
}

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl Error {
    /// The code for programs; part of the API.
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

    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy | Self::ServerError | Self::Interrupted | Self::Timeout)
    }

    /// What went wrong and what to do about it.
    #[must_use]
    pub fn message(&self) -> LocalizedText {
        let (ko, en) = match self {
            Self::InvalidEndpoint => (
                "HF_ENDPOINT는 https://로 시작하는 주소여야 합니다".into(),
                "HF_ENDPOINT must be a URL that starts with https://".into(),
            ),
            Self::Unreachable => (
                "모델 저장소에 연결할 수 없습니다. 네트워크와 프록시 설정을 확인하세요.".into(),
                "the model hub cannot be reached; check the network and the proxy".into(),
            ),
            Self::NotFound => ("모델 저장소에 해당 파일이 없습니다".into(), "the model hub has no such file".into()),
            Self::Gated => (
                "로그인과 약관 동의가 필요한 모델입니다. 모델 저장소의 웹 페이지에서 파일을 내려받아 models 폴더에 넣으세요.".into(),
                "the model requires an account that has accepted its terms; download the file on the hub's website and put it into the models folder"
                    .into(),
            ),
            Self::Busy => (
                "모델 저장소의 요청 한도를 넘었습니다. 잠시 뒤에 다시 시도하세요.".into(),
                "the model hub is overloaded or its rate limit is exceeded; try again later".into(),
            ),
            Self::ServerError => ("모델 저장소에서 오류가 발생했습니다".into(), "the model hub failed with an internal error".into()),
            Self::UntrustedRedirect(host) => (
                format!("모델 저장소가 신뢰할 수 없는 서버(`{host}`)로 리디렉션해 중단했습니다"),
                format!("the model hub redirects to an untrusted server, `{host}`; the redirect was not followed"),
            ),
            Self::InvalidResponse => ("모델 저장소의 응답이 올바르지 않습니다".into(), "the response of the model hub is invalid".into()),
            Self::NoChecksum => (
                "모델 저장소가 파일의 SHA-256을 알려 주지 않아 확인할 수 없습니다".into(),
                "the model hub does not report the file's SHA-256, so the file cannot be verified".into(),
            ),
            Self::Interrupted => ("모델 저장소와의 연결이 끊겼습니다".into(), "the connection to the model hub was lost".into()),
            Self::Timeout => (
                "모델 저장소가 제한 시간 안에 응답하지 않았습니다".into(),
                "the model hub sent no data within the timeout".into(),
            ),
            Self::ChecksumMismatch => (
                "내려받은 파일의 SHA-256이 모델 저장소의 값과 달라 삭제했습니다. 다시 내려받으세요.".into(),
                "the SHA-256 of the downloaded file is wrong; the file was deleted, download it again".into(),
            ),
            Self::InvalidModel(problem) => (
                format!("내려받은 파일은 사용할 수 있는 모델이 아닙니다: {problem}"),
                format!("the downloaded file is not a usable model: {problem}"),
            ),
            Self::Disk(error) => return error.message(),
        };
        LocalizedText { ko, en }
    }
}
