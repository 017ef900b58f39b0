//! Extractors for JSON bodies, query parameters and path ids, which reject with [`ApiError`].

pub(crate) mod lenient_json;

use axum::body::{Bytes, HttpBody};
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use self::lenient_json::Json;
use super::BODY_LIMIT;
use crate::base::i18n::LocalizedText;
use crate::base::validation::ValidationErrors;
use crate::http::error::ApiError;

/// A request extension: the body limit of a route in bytes, if it is not [`BODY_LIMIT`]. It is for the error message only; the
/// layer `DefaultBodyLimit` enforces the limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit(pub usize);

/// A request extension: bodies are read as JSON whatever their `Content-Type`, since CSRF protection is off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnyContentType;

/// Whether the `Content-Type` is JSON, which an HTML form cannot send.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Whether the `Content-Type` is `application/octet-stream`, which an HTML form cannot send either.
pub(crate) fn is_octet_stream(headers: &HeaderMap) -> bool {
    media_type(headers) == "application/octet-stream"
}

/// The `Content-Type` in lower case without parameters.
fn media_type(headers: &HeaderMap) -> String {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A JSON body.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read(request, state).await.map(Self)
    }
}

async fn read<T: DeserializeOwned, S: Send + Sync>(request: Request, state: &S) -> Result<T, ApiError> {
    if !is_json(request.headers()) && request.extensions().get::<AnyContentType>().is_none() {
        return Err(ApiError::NotJson);
    }
    let limit = request.extensions().get().map_or(BODY_LIMIT, |BodyLimit(limit)| *limit);
    let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            ApiError::PayloadTooLarge { limit }
        }
        other => ApiError::BadRequest(other.body_text()),
    })?;
    parse(&bytes)
}

/// An optional JSON body; if absent, every field has its default.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // Decided by the body, not by `Content-Type`: some clients send the header without a body.
        let absent = request.body().is_end_stream();
        let value = if absent { Ok(T::default()) } else { read(request, state).await };
        value.map(Self)
    }
}

/// Parses a JSON body. Malformed JSON is a bad request; a value that does not match the schema is an error of its field.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let value = serde_json::from_slice(bytes).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    serde_path_to_error::deserialize(Json(value)).map_err(|error| {
        let path = error.path().to_string();
        ApiError::Invalid(field_error(&path, &error.into_inner().to_string()))
    })
}

/// The error of a field whose value is missing or has the wrong type, from serde's message.
fn field_error(path: &str, problem: &str) -> ValidationErrors {
    let problem = problem.split(" at line ").next().unwrap_or(problem);
    let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(field) => {
            let path = if path == "." { field.to_owned() } else { format!("{path}.{field}") };
            ValidationErrors::field(path, LocalizedText::new("필수 항목입니다", "is required"))
        }
        None => ValidationErrors::field(
            path,
            LocalizedText::new(format!("올바르지 않은 값입니다: {problem}"), format!("is not valid: {problem}")),
        ),
    }
}

/// The query parameters of the URL.
#[derive(Debug)]
pub(crate) struct QueryParams<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|rejection| ApiError::BadRequest(rejection.body_text()))?;
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            // The parameter is named in the message only: take the first one that the message contains.
            let text = rejection.body_text();
            let path = pairs.iter().map(|(name, _)| name).find(|name| text.contains(name.as_str()));
            let problem = text.rsplit(": ").next().unwrap_or_default().to_owned();
            ApiError::Invalid(field_error(path.map_or(".", String::as_str), &problem))
        })
    }
}

/// The id in the path.
#[derive(Debug)]
pub(crate) struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // A path segment that is not valid UTF-8 is no id.
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| ApiError::NotFound)
    }
}
