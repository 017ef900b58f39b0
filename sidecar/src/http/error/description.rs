//! Error responses in the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::Problem;

/// The `4XX` responses of a route.
#[derive(Debug)]
pub(crate) struct ClientErrors;

/// The `5XX` responses of a route.
#[derive(Debug)]
pub(crate) struct ServerErrors;

impl IntoResponses for ClientErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        response("4XX", "The request was rejected")
    }
}

impl IntoResponses for ServerErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        response("5XX", "The request failed")
    }
}

fn response(status: &str, description: &str) -> BTreeMap<String, RefOr<Response>> {
    let reference = RefOr::Ref(utoipa::openapi::Ref::from_schema_name(Problem::name()));
    let content = ContentBuilder::new().schema(Some(reference)).build();
    let response = ResponseBuilder::new().description(description).content("application/json", content).build();
    BTreeMap::from([(status.to_owned(), response.into())])
}
