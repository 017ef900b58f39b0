//! The HTTP API: a router of all routes, behind the layers that each request passes.

mod docs;
mod error;
pub(crate) mod extract;
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
use tower::Layer;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

pub use self::middleware::allowed_hosts::AllowedHosts;
pub use self::middleware::auth::ClientAddr;

use self::middleware::{auth, request_id, request_log, route_aliases, security_headers};
use self::state::AppState;

/// The largest body that is read, in bytes: room for the longest question with the longest code, every character escaped.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// The API, ready to be served.
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
        .expose_headers(EXPOSED.map(HeaderName::from_static))
        // A page elsewhere may only reach into this machine if it is one of the origins.
        .allow_private_network(true);
    let router = router
        .route("/api/openapi.json", get(async || Json(document)))
        .route("/docs", get(docs::docs))
        .route("/docs/style.css", get(docs::style));
    with_layers(router, cors, app)
}

/// `/metrics` alone, for a port of its own.
pub fn metrics_router(app: AppState) -> Router {
    let (router, _) = routes::metrics(&app).split_for_parts();
    with_layers(router, CorsLayer::new(), app)
}

/// Routes with the layers that every request passes.
fn with_layers(router: Router<AppState>, cors: CorsLayer, app: AppState) -> Router {
    let mut router = router
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(cors)
        .layer(from_fn_with_state(app.clone(), auth::check_host_and_origin))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn(error::render))
        .layer(from_fn_with_state(app.clone(), request_log::observe));
    if app.security_headers {
        router = router.layer(from_fn(security_headers::add));
    }
    if !app.csrf_protection {
        router = router.layer(Extension(extract::AnyContentType));
    }
    let router = router.layer(from_fn(request_id::stamp)).with_state(app);
    // Names are resolved before the router looks at them.
    Router::new().fallback_service(MapRequestLayer::new(route_aliases::rewrite).layer(router))
}

/// Headers that a page may read beside the usual ones.
const EXPOSED: [&str; 5] = ["x-request-id", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

/// The API's description, as served on `/api/openapi.json`.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::undecorated().into_openapi()
}

/// The head of the API's description.
#[derive(OpenApi)]
#[openapi(
    info(title = "HAPA", description = "A coding assistant on your own machine.", license(name = "MIT", identifier = "MIT")),
    components(schemas(self::error::Problem, self::error::Reason, sse::Frame)),
    modifiers(&SecuritySchemes),
    security(("api_key" = []), ("bearer" = []))
)]
struct ApiDoc;

/// The two ways to send a key.
struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components
            .add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}
