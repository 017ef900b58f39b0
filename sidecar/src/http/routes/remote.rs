//! `/api/v1/remote`: the server elsewhere that may be asked, its key, and whether it answers.

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

/// Characters of a key at most.
const MAX_KEY_LENGTH: usize = 1000;

/// The remote server, without its key.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemoteResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    remote: RemoteHealth,
    /// Where the key that the server is sent is kept; null where it is sent none. A key is for the server that it was saved for.
    key: Option<KeyLocation>,
    /// The models that the server lists, by name.
    models: Vec<String>,
}

/// How the remote server is.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemoteHealth {
    policy: RemotePolicy,
    /// `off` where the policy is to ask nobody elsewhere, `unknown` until the first look, `up`, or `down`.
    #[schema(example = "off")]
    state: &'static str,
    /// Its address; null where none is set.
    endpoint: Option<String>,
    /// The model that is asked for; null while that is not known.
    model: Option<String>,
    /// Why it is down, in the language of `Accept-Language`; null otherwise.
    message: Option<String>,
}

impl RemoteHealth {
    /// Of the server as it was seen last.
    pub fn of(app: &AppState, language: Language) -> Self {
        Self::seen(app, &app.remote.state(), language)
    }

    fn seen(app: &AppState, state: &remote::State, language: Language) -> Self {
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

/// The key for the remote server.
#[derive(Deserialize, ToSchema)]
pub struct RemoteKeyRequest {
    /// The key, as the server's owner gave it. It is never shown again.
    #[schema(min_length = 1, max_length = 1000, pattern = "^[!-~]+$", example = "sk-0123456789")]
    key: String,
}

/// Shows the remote server: which it is, how it was when it was looked at last, and where its key is kept.
#[utoipa::path(
    get, path = "/api/v1/remote", tag = "remote",
    responses(
        (status = 200, description = "The server", body = RemoteResponse),
        ClientErrors,
    )
)]
pub async fn remote(State(app): State<AppState>, language: Language) -> Json<RemoteResponse> {
    Json(response(&app, &app.remote.state(), language).await)
}

/// Looks now whether the remote server answers, by asking for its models. This is done whatever the policy is, since somebody
/// asks for it; no question goes out.
#[utoipa::path(
    post, path = "/api/v1/remote/try", tag = "remote",
    responses(
        (status = 200, description = "How the server is; `state` is `up` or `down`", body = RemoteResponse),
        ClientErrors,
    )
)]
pub async fn try_remote(State(app): State<AppState>, language: Language) -> Json<RemoteResponse> {
    let state = app.remote.probe().await;
    Json(response(&app, &state, language).await)
}

/// Saves the key for the remote server that is set, in place of the one before: in the system's keychain, or in a file that only
/// you can read.
#[utoipa::path(
    put, path = "/api/v1/remote/key", tag = "remote", request_body = RemoteKeyRequest,
    responses(
        (status = 200, description = "It is kept", body = RemoteResponse),
        ClientErrors,
    )
)]
pub async fn save_remote_key(
    State(app): State<AppState>,
    language: Language,
    JsonBody(RemoteKeyRequest { key }): JsonBody<RemoteKeyRequest>,
) -> Result<Json<RemoteResponse>, ApiError> {
    keep(&app, key).await?;
    looked_again(&app);
    Ok(Json(response(&app, &app.remote.state(), language).await))
}

/// Removes the key for the remote server.
#[utoipa::path(
    delete, path = "/api/v1/remote/key", tag = "remote",
    responses(
        (status = 200, description = "There is none any more", body = RemoteResponse),
        ClientErrors,
    )
)]
pub async fn remove_remote_key(
    State(app): State<AppState>,
    language: Language,
) -> Result<Json<RemoteResponse>, ApiError> {
    app.remote.credentials().remove().await?;
    looked_again(&app);
    Ok(Json(response(&app, &app.remote.state(), language).await))
}

async fn keep(app: &AppState, key: String) -> Result<(), ApiError> {
    let mut invalid = ValidationErrors::default();
    invalid.require_not_blank("key", &key);
    invalid.max_length("key", Some(&key), MAX_KEY_LENGTH);
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        invalid.add(
            "key",
            LocalizedText::new("공백 없는 ASCII 글자여야 합니다", "must be ASCII characters without spaces"),
        );
    }
    invalid.into_result()?;
    let endpoint = app.settings.current().remote_endpoint.clone();
    let Some(address) = endpoint.and_then(|endpoint| endpoint.read().ok()) else {
        let problem = LocalizedText::new("먼저 이 설정을 정하세요", "set this before its key");
        return Err(ApiError::ReferenceNotFound(ValidationErrors::field("remote_endpoint", problem)));
    };
    Ok(app.remote.credentials().save(key, address.origin()).await?)
}

/// With another key, the server may answer otherwise.
fn looked_again(app: &AppState) {
    if remote::is_enabled(&app.settings.current()) {
        let remote = app.remote.clone();
        app.assistant
            .tasks
            .spawn(app.assistant.shutdown.clone().run_until_cancelled_owned(async move { drop(remote.probe().await) }));
    }
}

async fn response(app: &AppState, state: &remote::State, language: Language) -> RemoteResponse {
    let models = if let remote::State::Up(models) = state { models.clone() } else { Vec::new() };
    let remote = RemoteHealth::seen(app, state, language);
    RemoteResponse { status: "success", remote, key: app.remote.key_location().await, models }
}
