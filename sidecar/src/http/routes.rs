//! The table of routes: each with the permission that it requires and its rate limit class. The handlers are in the submodules.

pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod conversations;
pub(crate) mod count_tokens;
pub(crate) mod doctor;
pub(crate) mod downloads;
pub(crate) mod enhanced;
pub(crate) mod errors;
pub(crate) mod feedback;
pub(crate) mod generate;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod history_transfer;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod metrics_series;
pub(crate) mod model_imports;
pub(crate) mod models;
pub(crate) mod remote;
pub(crate) mod settings;
pub(crate) mod stats;
pub(crate) mod storage;
pub(crate) mod users;

use axum::Extension;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::{RefOr, Schema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::middleware::auth::{self, ExpectedBody, RoutePolicy};
use super::state::AppState;
use super::{ApiDoc, extract, openai};
use crate::access::keys::Permission;
use crate::access::rate_limit::RequestClass;

/// All routes, each behind the checks of its policy.
pub(crate) fn all(app: &AppState) -> OpenApiRouter<AppState> {
    protected(open_routes().merge(metrics(app)), |routes, policy| {
        routes.route_layer(from_fn_with_state((app.clone(), policy), auth::require_permission))
    })
}

/// All routes without their checks, for the OpenAPI document.
pub(crate) fn undecorated() -> OpenApiRouter<AppState> {
    protected(open_routes().routes(routes!(metrics::metrics)), |routes, _| routes)
}

/// All routes: those in `open`, and each group that needs a key, passed through `protect` with its policy.
fn protected(
    open: OpenApiRouter<AppState>,
    protect: impl Fn(OpenApiRouter<AppState>, RoutePolicy) -> OpenApiRouter<AppState>,
) -> OpenApiRouter<AppState> {
    use Permission::{Admin, CodeCompletion, CodeGeneration, Feedback, History};
    [
        (admin_routes(), Admin, RequestClass::Plain),
        (generation_routes(), CodeGeneration, RequestClass::Generation),
        (stream_routes(), CodeGeneration, RequestClass::Stream),
        (check_routes(), CodeGeneration, RequestClass::Plain),
        (completion_routes(), CodeCompletion, RequestClass::Completion),
        (openai_model_routes(), CodeGeneration, RequestClass::Plain),
        (openai_chat_routes(), CodeGeneration, RequestClass::Stream),
        (openai_completion_routes(), CodeGeneration, RequestClass::Completion),
        (completion_event_routes(), CodeCompletion, RequestClass::Report),
        (feedback_routes(), Feedback, RequestClass::Plain),
        (history_routes(), History, RequestClass::Plain),
    ]
    .into_iter()
    .map(|(routes, permission, class)| (routes, RoutePolicy { permission, class, body: ExpectedBody::Json }))
    .chain([(file_routes(), RoutePolicy { permission: Admin, class: RequestClass::Plain, body: ExpectedBody::File })])
    .fold(open, |all, (routes, policy)| all.merge(protect(document_permission(routes, policy.permission), policy)))
}

/// Documents the permission of the routes as `x-permission`. The schema of an optional body is replaced by that of the body
/// itself: client generators handle that better than `oneOf` with null.
fn document_permission(mut routes: OpenApiRouter<AppState>, permission: Permission) -> OpenApiRouter<AppState> {
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

fn open_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(ApiDoc::openapi()).routes(routes!(health::health))
}

/// `/metrics`: needs no key from this machine, and an admin key from others.
pub(crate) fn metrics(app: &AppState) -> OpenApiRouter<AppState> {
    let protect = from_fn_with_state(app.clone(), auth::require_local_or_admin);
    OpenApiRouter::new().routes(routes!(metrics::metrics)).route_layer(protect)
}

fn admin_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::health_detailed))
        .routes(routes!(settings::settings, settings::change_settings))
        .routes(routes!(keys::keys, keys::make_key))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(cache::cache_stats))
        .routes(routes!(cache::clear_cache))
        .routes(routes!(stats::stats))
        .routes(routes!(metrics_series::metrics_series))
        .routes(routes!(metrics_series::metrics_endpoints))
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

/// Routes whose body is a file of any size.
fn file_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(model_imports::import_model))
}

fn generation_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(generate::generate_code)).routes(routes!(enhanced::enhanced_generate))
}

fn stream_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(generate::generate_code_streaming))
        .routes(routes!(enhanced::enhanced_stream_generate))
}

fn check_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(users::profile, users::save_profile))
        .routes(routes!(count_tokens::count_tokens))
        .routes(routes!(check::validate_code))
        .routes(routes!(check::analyze_code))
        .routes(routes!(models::models))
        .merge(batch_routes())
}

/// Routes with a larger body limit: batches of code.
fn batch_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(check::validate_code_batch))
        .layer(Extension(extract::BodyLimit(check::BATCH_BODY_LIMIT)))
        .layer(DefaultBodyLimit::max(check::BATCH_BODY_LIMIT))
}

fn completion_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(completion::complete_code))
}

fn openai_model_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openai::Schemas::openapi())
        .routes(routes!(openai::list_models))
        .routes(routes!(openai::retrieve_model))
}

fn openai_chat_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(openai::chat_completions))
}

fn openai_completion_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(openai::completions))
}

fn completion_event_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(completion::completion_event))
}

fn feedback_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(feedback::submit_feedback))
        .routes(routes!(feedback::feedback_stats))
        .routes(routes!(feedback::recent_feedback))
        .routes(routes!(feedback::delete_feedback))
}

fn history_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(history::history, history::delete_history))
        .routes(routes!(history::history_item, history::delete_history_item))
        .routes(routes!(history_transfer::export_history))
        .routes(routes!(conversations::conversations, conversations::start_conversation))
        .routes(routes!(
            conversations::conversation,
            conversations::change_conversation,
            conversations::delete_conversation
        ))
        .merge(import_routes())
}

/// Routes with a larger body limit: history files.
fn import_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(history_transfer::import_history))
        .layer(Extension(extract::BodyLimit(history_transfer::IMPORT_BODY_LIMIT)))
        .layer(DefaultBodyLimit::max(history_transfer::IMPORT_BODY_LIMIT))
}
