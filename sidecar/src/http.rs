//! What can be asked: every route with the permission it needs, then the layers each request passes.

mod aliases;
mod body;
mod cache;
mod check;
mod complete;
mod conversations;
mod docs;
mod doctor;
mod downloads;
mod enhanced;
mod errors;
mod feedback;
mod generate;
mod guard;
mod headers;
mod health;
mod history;
mod hosts;
mod imports;
pub(crate) mod json;
mod keys;
mod language;
mod logs;
mod measure;
mod metrics;
mod models;
mod observe;
mod openai;
mod problem;
mod remote;
mod request_id;
mod settings;
mod sse;
mod stats;
mod storage;
mod timeline;
mod transfer;
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
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::guard::Peer;
pub use self::hosts::Hosts;

use self::guard::{Access, Takes};
use crate::app::App;
use crate::keys::Permission;
use crate::limits::Kind;

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
        .expose_headers(EXPOSED.map(HeaderName::from_static))
        // A page elsewhere may only reach into this machine if it is one of the origins.
        .allow_private_network(true);
    let router = router
        .route("/api/openapi.json", get(async || Json(document)))
        .route("/docs", get(docs::docs))
        .route("/docs/style.css", get(docs::style));
    finished(router, cors, app)
}

/// `/metrics` alone, for a port of its own.
pub fn metrics_router(app: App) -> Router {
    let (router, _) = metrics_routes(&app).split_for_parts();
    finished(router, CorsLayer::new(), app)
}

/// Routes with the layers that every request passes.
fn finished(router: Router<App>, cors: CorsLayer, app: App) -> Router {
    let mut router = router
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(cors)
        .layer(from_fn_with_state(app.clone(), guard::known_host_and_origin))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn(openai::translated))
        .layer(from_fn_with_state(app.clone(), observe::observe));
    if app.security_headers {
        router = router.layer(from_fn(headers::careful));
    }
    if !app.csrf_protection {
        router = router.layer(Extension(body::AnyContentType));
    }
    let router = router.layer(from_fn(request_id::stamp)).with_state(app);
    // Names are resolved before the router looks at them.
    Router::new().fallback_service(MapRequestLayer::new(aliases::resolve).layer(router))
}

/// Headers that a page may read beside the usual ones.
const EXPOSED: [&str; 5] = ["x-request-id", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

/// The API's description, as served on `/api/openapi.json`.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    grouped(open_routes().routes(routes!(metrics::metrics)), |routes, _| routes).into_openapi()
}

fn routes(app: &App) -> OpenApiRouter<App> {
    grouped(open_routes().merge(metrics_routes(app)), |routes, access| {
        routes.route_layer(from_fn_with_state((app.clone(), access), guard::permitted))
    })
}

/// All routes: those in `open`, and each group that needs a key, passed through `guarded` with what it asks of the key.
fn grouped(
    open: OpenApiRouter<App>,
    guarded: impl Fn(OpenApiRouter<App>, Access) -> OpenApiRouter<App>,
) -> OpenApiRouter<App> {
    use Permission::{Admin, CodeCompletion, CodeGeneration, Feedback, History};
    [
        (admin_routes(), Admin, Kind::Plain),
        (generation_routes(), CodeGeneration, Kind::Generation),
        (stream_routes(), CodeGeneration, Kind::Stream),
        (check_routes(), CodeGeneration, Kind::Plain),
        (completion_routes(), CodeCompletion, Kind::Completion),
        (openai_model_routes(), CodeGeneration, Kind::Plain),
        (openai_chat_routes(), CodeGeneration, Kind::Stream),
        (openai_completion_routes(), CodeGeneration, Kind::Completion),
        (completion_event_routes(), CodeCompletion, Kind::Report),
        (feedback_routes(), Feedback, Kind::Plain),
        (history_routes(), History, Kind::Plain),
    ]
    .into_iter()
    .map(|(routes, permission, kind)| (routes, Access { permission, kind, takes: Takes::Json }))
    .chain([(file_routes(), Access { permission: Admin, kind: Kind::Plain, takes: Takes::File })])
    .fold(open, |all, (routes, access)| all.merge(guarded(said(routes, access.permission), access)))
}

/// The routes, with the permission that they need in their description. A body that may be absent is described as what it is
/// when it is there: clients are generated more easily from that than from "this or null".
fn said(mut routes: OpenApiRouter<App>, permission: Permission) -> OpenApiRouter<App> {
    for path in routes.get_openapi_mut().paths.paths.values_mut() {
        let methods = [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
        for operation in methods.into_iter().flatten() {
            let named = Extensions::builder().add("x-permission", permission.as_str()).build();
            operation.extensions.get_or_insert_default().merge(named);
            let Some(RefOr::T(body)) = &mut operation.request_body else { continue };
            for content in body.content.values_mut() {
                if let RefOr::T(content) = content
                    && let Some(RefOr::T(Schema::OneOf(either))) = &content.schema
                    && let Some(reference) = either.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
                {
                    content.schema = Some(reference.clone());
                }
            }
        }
    }
    routes
}

fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi()).routes(routes!(health::health))
}

fn metrics_routes(app: &App) -> OpenApiRouter<App> {
    let guarded = from_fn_with_state(app.clone(), guard::local_or_admin);
    OpenApiRouter::new().routes(routes!(metrics::metrics)).route_layer(guarded)
}

fn admin_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health::health_detailed))
        .routes(routes!(settings::settings, settings::change_settings))
        .routes(routes!(keys::keys, keys::make_key))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(cache::cache_stats))
        .routes(routes!(cache::clear_cache))
        .routes(routes!(stats::stats))
        .routes(routes!(timeline::metrics_series))
        .routes(routes!(timeline::metrics_endpoints))
        .routes(routes!(logs::logs))
        .routes(routes!(doctor::doctor))
        .routes(routes!(storage::storage))
        .routes(routes!(errors::errors_dashboard))
        .routes(routes!(errors::error_patterns))
        .routes(routes!(models::load_model))
        .routes(routes!(models::unload_model))
        .routes(routes!(models::verify_model))
        .routes(routes!(models::remove_model))
        .routes(routes!(downloads::downloads, downloads::download_model))
        .routes(routes!(downloads::change_download, downloads::give_up_download))
        .routes(routes!(downloads::search_hub))
        .routes(routes!(downloads::hub_files))
        .routes(routes!(remote::remote))
        .routes(routes!(remote::try_remote))
        .routes(routes!(remote::save_remote_key, remote::remove_remote_key))
}

/// Routes that take a file as it is, of any size.
fn file_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(imports::import_model))
}

fn generation_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(generate::generate_code)).routes(routes!(enhanced::enhanced_generate))
}

fn stream_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(generate::generate_code_streaming))
        .routes(routes!(enhanced::enhanced_stream_generate))
}

fn check_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(users::profile, users::save_profile))
        .routes(routes!(measure::count_tokens))
        .routes(routes!(check::validate_code))
        .routes(routes!(check::analyze_code))
        .routes(routes!(models::models))
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
    OpenApiRouter::new().routes(routes!(complete::complete_code))
}

fn openai_model_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openai::Schemas::openapi())
        .routes(routes!(openai::list_models))
        .routes(routes!(openai::retrieve_model))
}

fn openai_chat_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(openai::chat_completions))
}

fn openai_completion_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(openai::completions))
}

fn completion_event_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(complete::completion_event))
}

fn feedback_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(feedback::submit_feedback))
        .routes(routes!(feedback::feedback_stats))
        .routes(routes!(feedback::recent_feedback))
        .routes(routes!(feedback::delete_feedback))
}

fn history_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(history::history, history::delete_history))
        .routes(routes!(history::history_item, history::delete_history_item))
        .routes(routes!(transfer::export_history))
        .routes(routes!(conversations::conversations, conversations::start_conversation))
        .routes(routes!(
            conversations::conversation,
            conversations::change_conversation,
            conversations::delete_conversation
        ))
        .merge(import_routes())
}

/// Routes that take whole files.
fn import_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(transfer::import_history))
        .layer(Extension(body::Limit(transfer::IMPORT_BODY_LIMIT)))
        .layer(DefaultBodyLimit::max(transfer::IMPORT_BODY_LIMIT))
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
