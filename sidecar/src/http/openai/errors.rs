//! Error bodies in OpenAI's format, for all error responses below `/v1`, from handlers and middleware.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::error::{ErrorCode, Problem};

/// The body of every error response below `/v1`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenAiError {
    error: ErrorBody,
}

/// The error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiErrorBody)]
pub(crate) struct ErrorBody {
    /// The error message for users, in the language of `Accept-Language`.
    message: String,
    /// The type of the error: `invalid_request_error`, `authentication_error`, `permission_error`, `rate_limit_error` or
    /// `server_error`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The invalid field, if a field is invalid.
    param: Option<String>,
    /// The error code for programs, such as `context_length_exceeded` or `model_loading`.
    code: String,
    /// Tokens of the prompt, if it is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    n_prompt_tokens: Option<u64>,
    /// The context size in tokens, if the prompt is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    n_ctx: Option<u64>,
}

impl From<&Problem> for OpenAiError {
    fn from(problem: &Problem) -> Self {
        let details = problem.error_details.as_ref();
        let reason = details.and_then(|details| details.get("reason")?.as_str());
        let number = |name: &str| details.and_then(|details| details.get(name)?.as_u64());
        let fields = details.and_then(Value::as_object).filter(|_| problem.error_code == ErrorCode::ValidationError);
        let fields: Vec<(&String, &str)> = fields
            .into_iter()
            .flatten()
            .filter_map(|(field, messages)| Some((field, messages.as_array()?.first()?.as_str()?)))
            .collect();
        let mut message = problem.error_message.clone();
        for (field, problem) in &fields {
            message += &format!("; `{field}`: {problem}");
        }
        let code = match (reason, problem.error_code) {
            (Some("context_too_long"), _) => "context_length_exceeded".to_owned(),
            (Some("key_missing" | "key_unknown" | "key_expired"), _) => "invalid_api_key".to_owned(),
            (Some(reason), _) => reason.to_owned(),
            (None, ErrorCode::TooManyRequests) => "rate_limit_exceeded".to_owned(),
            (None, code) => code.as_str().to_lowercase(),
        };
        let error = ErrorBody {
            message,
            kind: kind(problem.error_code),
            param: fields.first().map(|(field, _)| (*field).clone()),
            code,
            n_prompt_tokens: number("tokens"),
            n_ctx: number("limit"),
        };
        Self { error }
    }
}

fn kind(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unauthorized => "authentication_error",
        ErrorCode::Forbidden => "permission_error",
        ErrorCode::TooManyRequests => "rate_limit_error",
        ErrorCode::InternalServerError | ErrorCode::BadGateway | ErrorCode::ServiceUnavailable => "server_error",
        _ => "invalid_request_error",
    }
}
