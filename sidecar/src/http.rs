//! What can be asked: every route with the permission it needs, then the layers each request passes.

mod aliases;
mod body;
mod cache;
mod check;
mod complete;
mod conversations;
mod enhanced;
mod errors;
mod generate;
mod guard;
mod health;
mod history;
mod json;
mod language;
mod metrics;
mod observe;
mod problem;
mod request_id;
mod settings;
mod sse;
mod stats;
mod users;

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
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::keys::Permission;

/// The largest body that is read, in bytes: room for the longest question with the longest code, every character escaped.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// The API, ready to be served.
pub fn router(app: App) -> Router {
    let (router, document) = routes(&app).split_for_parts();
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
        .expose_headers([HeaderName::from_static("x-request-id"), header::RETRY_AFTER]);
    let router = router
        .route("/api/openapi.json", get(async || Json(document)))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(cors)
        .layer(from_fn_with_state(app.clone(), guard::known_host_and_origin))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .layer(from_fn(request_id::stamp))
        .with_state(app);
    // Names are resolved before the router looks at them.
    Router::new().fallback_service(MapRequestLayer::new(aliases::resolve).layer(router))
}

/// The API's description, as served on `/api/openapi.json`.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    grouped(|routes, _| routes).into_openapi()
}

fn routes(app: &App) -> OpenApiRouter<App> {
    grouped(|routes, permission| routes.route_layer(from_fn_with_state((app.clone(), permission), guard::permitted)))
}

/// All routes. Each group that needs a permission is passed through `guarded` with it.
fn grouped(guarded: impl Fn(OpenApiRouter<App>, Permission) -> OpenApiRouter<App>) -> OpenApiRouter<App> {
    open_routes()
        .merge(guarded(admin_routes(), Permission::Admin))
        .merge(guarded(generation_routes(), Permission::CodeGeneration))
        .merge(guarded(completion_routes(), Permission::CodeCompletion))
        .merge(guarded(history_routes(), Permission::History))
}

fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi()).routes(routes!(health::health)).routes(routes!(metrics::metrics))
}

fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health::health_detailed))
        .routes(routes!(settings::settings, settings::change_settings))
        .routes(routes!(cache::cache_stats))
        .routes(routes!(cache::clear_cache))
        .routes(routes!(stats::stats))
        .routes(routes!(errors::errors_dashboard))
        .routes(routes!(errors::error_patterns))
}

fn generation_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(generate::generate_code))
        .routes(routes!(generate::generate_code_streaming))
        .routes(routes!(enhanced::enhanced_generate))
        .routes(routes!(enhanced::enhanced_stream_generate))
        .routes(routes!(users::profile, users::save_profile))
        .routes(routes!(check::validate_code))
        .routes(routes!(check::analyze_code))
        .merge(batch_routes())
}

/// Routes whose bodies may be larger than the others'.
fn batch_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(check::validate_code_batch))
        .layer(Extension(body::Limit(check::BATCH_BODY_LIMIT)))
        .layer(DefaultBodyLimit::max(check::BATCH_BODY_LIMIT))
}

fn completion_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(complete::complete_code)).routes(routes!(complete::completion_event))
}

fn history_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(history::history))
        .routes(routes!(conversations::conversations))
        .routes(routes!(conversations::conversation, conversations::delete_conversation))
}

/// The head of the API's description.
#[derive(OpenApi)]
#[openapi(
    info(title = "HAPA", description = "A coding assistant on your own machine.", license(name = "MIT", identifier = "MIT")),
    components(schemas(crate::error::Problem, crate::error::Reason, sse::Frame)),
    modifiers(&Keys),
    security(("api_key" = []), ("bearer" = []))
)]
struct Document;

/// The two ways to send a key.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components
            .add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}
