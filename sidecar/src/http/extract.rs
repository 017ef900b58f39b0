//! Request bodies and queries as typed values; whatever is wrong with them becomes an error in the contract's shape.

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

/// The largest body that a route reads, in bytes, where that is not [`BODY_LIMIT`]: for the message, beside axum's own limit.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// Marks requests whose bodies are read as JSON whatever they are declared as.
#[derive(Debug, Clone, Copy)]
pub struct AnyContentType;

/// Whether a body is declared as JSON. No web page can declare that of a form, so a foreign page cannot send one unasked.
pub fn is_json(headers: &HeaderMap) -> bool {
    let declared = declared(headers);
    declared == "application/json" || (declared.starts_with("application/") && declared.ends_with("+json"))
}

/// Whether a body is declared as bytes of any kind, which no web page can declare of a form either.
pub fn is_octet_stream(headers: &HeaderMap) -> bool {
    declared(headers) == "application/octet-stream"
}

fn declared(headers: &HeaderMap) -> String {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A body of JSON.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

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

/// A body of JSON that may also be absent; then every field has its default.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // Some clients declare a body that they do not send.
        let absent = request.body().is_end_stream();
        let value = if absent { Ok(T::default()) } else { read(request, state).await };
        value.map(Self)
    }
}

/// JSON text as a value: text that is no JSON is a bad request, JSON that does not fit names the field.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let value = serde_json::from_slice(bytes).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    serde_path_to_error::deserialize(Json(value)).map_err(|error| {
        let path = error.path().to_string();
        ApiError::Invalid(field_error(&path, &error.into_inner().to_string()))
    })
}

/// The problem with a field whose value has the wrong type or is missing, from serde's words for it.
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

/// QueryParams of the address.
#[derive(Debug)]
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|rejection| ApiError::BadRequest(rejection.body_text()))?;
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            // Which parameter it was is in the message only; name the first one that the message quotes.
            let text = rejection.body_text();
            let path = pairs.iter().map(|(name, _)| name).find(|name| text.contains(name.as_str()));
            let problem = text.rsplit(": ").next().unwrap_or_default().to_owned();
            ApiError::Invalid(field_error(path.map_or(".", String::as_str), &problem))
        })
    }
}

/// The id in the address.
#[derive(Debug)]
pub struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // RequestFacts cannot be read as text is the id of nothing.
        let found = Path::<String>::from_request_parts(parts, state).await;
        found.map(|Path(id)| Self(id)).map_err(|_| ApiError::NotFound)
    }
}
