//! `/api/v1/remote`: state and API key of the remote server.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::i18n::{Language, LocalizedText};
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::JsonBody;
use crate::http::state::AppState;
use crate::remote;
use crate::remote::credentials::KeyLocation;
use crate::settings::RemotePolicy;

/// Maximum length of a key in characters.
const MAX_KEY_LENGTH: usize = 1000;

/// The remote server, without its key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemoteResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    remote: RemoteHealth,
    /// Where the API key is stored; null without a key for this server. A key is only sent to the server that it was saved for.
    key: Option<KeyLocation>,
    /// The names of the models that the server lists.
    models: Vec<String>,
}

/// The state of the remote server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemoteHealth {
    policy: RemotePolicy,
    /// `off` if the policy does not use it, `unknown` before the first check, `up` or `down`.
    #[schema(example = "off")]
    state: &'static str,
    /// The server URL; null if not set.
    endpoint: Option<String>,
    /// The requested model; null while unknown.
    model: Option<String>,
    /// Why the server is down, in the language of `Accept-Language`; null otherwise.
    message: Option<String>,
}

impl RemoteHealth {
    /// The latest known state.
    pub(crate) fn of(app: &AppState, language: Language) -> Self {
        Self::from_state(app, &app.remote.state(), language)
    }

    fn from_state(app: &AppState, state: &remote::State, language: Language) -> Self {
        let settings = app.settings.current();
        let (state, message) = match state {
            remote::State::Off => ("off", None),
            remote::State::Unknown => ("unknown", None),
            remote::State::Up(_) => ("up", None),
            remote::State::Down(failure) => ("down", Some(failure.message().text(language).to_owned())),
        };
        Self {
            policy: settings.remote_policy,
            state,
            endpoint: settings.remote_endpoint.as_ref().map(|endpoint| endpoint.0.clone()),
            model: app.remote.cached_model(),
            message,
        }
    }
}

/// The API key of the remote server.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RemoteKeyRequest {
    /// The API key. It is never returned.
    #[schema(min_length = 1, max_length = 1000, pattern = "^[!-~]+$", example = "sk-0123456789")]
    key: String,
}

/// Returns configuration and latest known state of the remote server, and where its key is stored.
#[utoipa::path(
    get, path = "/api/v1/remote", tag = "remote",
    responses(
        (status = 200, description = "The remote server", body = RemoteResponse),
        ClientErrors,
    )
)]
pub(crate) async fn remote(State(app): State<AppState>, language: Language) -> Json<RemoteResponse> {
    Json(response(&app, &app.remote.state(), language).await)
}

/// Checks the connection to the remote server by listing its models.
///
/// The check ignores the policy, since the user requested it. No question is sent.
#[utoipa::path(
    post, path = "/api/v1/remote/try", tag = "remote",
    responses(
        (status = 200, description = "The remote server; `state` is `up` or `down`", body = RemoteResponse),
        ClientErrors,
    )
)]
pub(crate) async fn try_remote(State(app): State<AppState>, language: Language) -> Json<RemoteResponse> {
    let state = app.remote.probe().await;
    Json(response(&app, &state, language).await)
}

/// Saves the API key of the configured remote server in the system keychain, or in a file that only the user can read.
///
/// It replaces the previous key.
#[utoipa::path(
    put, path = "/api/v1/remote/key", tag = "remote", request_body = RemoteKeyRequest,
    responses(
        (status = 200, description = "The key was saved", body = RemoteResponse),
        ClientErrors,
    )
)]
pub(crate) async fn save_remote_key(
    State(app): State<AppState>,
    language: Language,
    JsonBody(RemoteKeyRequest { key }): JsonBody<RemoteKeyRequest>,
) -> Result<Json<RemoteResponse>, ApiError> {
    save_key(&app, key).await?;
    check_in_background(&app);
    Ok(Json(response(&app, &app.remote.state(), language).await))
}

/// Deletes the API key of the remote server.
#[utoipa::path(
    delete, path = "/api/v1/remote/key", tag = "remote",
    responses(
        (status = 200, description = "The key was deleted", body = RemoteResponse),
        ClientErrors,
    )
)]
pub(crate) async fn remove_remote_key(
    State(app): State<AppState>,
    language: Language,
) -> Result<Json<RemoteResponse>, ApiError> {
    app.remote.credentials().remove().await?;
    check_in_background(&app);
    Ok(Json(response(&app, &app.remote.state(), language).await))
}

async fn save_key(app: &AppState, key: String) -> Result<(), ApiError> {
    let mut invalid = ValidationErrors::default();
    invalid.require_not_blank("key", &key);
    invalid.max_length("key", Some(&key), MAX_KEY_LENGTH);
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        invalid.add(
            "key",
            LocalizedText::new("공백 없는 ASCII 문자여야 합니다", "must be ASCII characters without spaces"),
        );
    }
    invalid.into_result()?;
    let endpoint = app.settings.current().remote_endpoint.clone();
    let Some(address) = endpoint.and_then(|endpoint| endpoint.read().ok()) else {
        let problem = LocalizedText::new("먼저 원격 서버 주소를 설정하세요", "set the server URL before its key");
        return Err(ApiError::ReferenceNotFound(ValidationErrors::field("remote_endpoint", problem)));
    };
    Ok(app.remote.credentials().save(key, address.origin()).await?)
}

/// Checks the remote server again: the state may differ with another key.
fn check_in_background(app: &AppState) {
    if remote::is_enabled(&app.settings.current()) {
        let remote = app.remote.clone();
        app.assistant
            .tasks
            .spawn(app.assistant.shutdown.clone().run_until_cancelled_owned(async move { drop(remote.probe().await) }));
    }
}

async fn response(app: &AppState, state: &remote::State, language: Language) -> RemoteResponse {
    let models = if let remote::State::Up(models) = state { models.clone() } else { Vec::new() };
    let remote = RemoteHealth::from_state(app, state, language);
    RemoteResponse { status: "success", remote, key: app.remote.key_location().await, models }
}
