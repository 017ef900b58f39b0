//! What can go wrong for a caller, in words a person can use and codes a program can. No HTTP in it.

use crate::access::keys::{KeyProblem, Permission};
use crate::access::rate_limit::Limited;
use crate::base::i18n::Message;
use crate::base::validation::Invalid;
use crate::hub;

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
