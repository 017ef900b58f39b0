//! The HTTP API: the router of all routes and its middleware.

mod answer_review;
mod docs;
mod error;
pub(crate) mod extract;
mod generation_response;
mod language;
mod middleware;
mod openai;
mod routes;
mod sse;
pub mod state;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::{Extension, Json, Router};
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

pub use self::middleware::allowed_hosts::AllowedHosts;
pub use self::middleware::auth::ClientAddr;

use self::middleware::{auth, request_id, request_log, route_aliases, security_headers};
use self::state::AppState;

/// Default body limit in bytes: fits the longest question with the longest code, every character escaped.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// The router of the API.
pub fn router(app: AppState) -> Router {
    let (router, document) = routes::all(&app).split_for_parts();
    let origins: Vec<HeaderValue> = app.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::ACCEPT_LANGUAGE,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("x-api-key"),
        ])
        .expose_headers(EXPOSED_HEADERS.map(HeaderName::from_static))
        // Private Network Access: pages of public origins may call this machine, if the origin is allowed.
        .allow_private_network(true);
    let router = router
        .route("/api/openapi.json", get(async || Json(document)))
        .route("/docs", get(docs::docs))
        .route("/docs/style.css", get(docs::style));
    with_layers(router, cors, app)
}

/// The router of the separate metrics port: `/metrics` only.
pub fn metrics_router(app: AppState) -> Router {
    let (router, _) = routes::metrics(&app).split_for_parts();
    with_layers(router, CorsLayer::new(), app)
}

/// Adds the middleware that every request passes, in the order of this list: the first layer is the outermost one.
fn with_layers(router: Router<AppState>, cors: CorsLayer, app: AppState) -> Router {
    let layers = ServiceBuilder::new()
        .layer(from_fn(request_id::stamp))
        .option_layer((!app.csrf_protection).then_some(Extension(extract::AnyContentType)))
        .option_layer(app.security_headers.then(|| from_fn(security_headers::add)))
        .layer(from_fn_with_state(app.clone(), request_log::observe))
        .layer(from_fn(error::render))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn_with_state(app.clone(), auth::check_host_and_origin))
        .layer(cors)
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    let router = router
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(layers)
        .with_state(app);
    // Aliases are rewritten outside of the router, since layers of a router run after its routing.
    Router::new().fallback_service(MapRequestLayer::new(route_aliases::rewrite).layer(router))
}

/// Response headers that pages may read, in addition to those that CORS allows by default.
const EXPOSED_HEADERS: [&str; 5] =
    ["x-request-id", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

/// The OpenAPI document, as served on `/api/openapi.json`.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::undecorated().into_openapi()
}

/// Base of the OpenAPI document: title, licence, shared schemas and security.
#[derive(OpenApi)]
#[openapi(
    info(title = "HAPA", description = "A coding assistant on your own machine.", license(name = "MIT", identifier = "MIT")),
    components(schemas(self::error::Problem, self::error::Reason, sse::Frame)),
    modifiers(&SecuritySchemes),
    security(("api_key" = []), ("bearer" = []))
)]
struct ApiDoc;

/// The two ways to send an API key: the header `X-API-Key` and a bearer token.
struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components
            .add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}
