//! Errors as responses: the status for each code, the contract's body, and one log line for what is our own fault.

use std::any::Any;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::observe::Failure;
use crate::error::{Error, ErrorCode, Language, Problem};
use crate::limits::Standing;

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
        let failure = Failure { code: problem.error_code, incident_id };
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
