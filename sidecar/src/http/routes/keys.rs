//! `/api/v1/keys`: API keys.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conversations::DoneResponse;
use crate::access::keys::{Caller, NewKeyRequest, Permission};
use crate::base::i18n::{Language, LocalizedText};
use crate::base::time::{now, timestamp};
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::{JsonBody, PathId};
use crate::http::state::AppState;
use crate::store::StoredKey;

/// An API key, without the secret, which is not stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyItem {
    id: String,
    name: String,
    /// The first characters of the key.
    #[schema(example = "hapa_1a2b3c…")]
    hint: String,
    kind: KeyKind,
    /// The user whose history the requests of the key belong to.
    user: String,
    permissions: Vec<Permission>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339; null if the key does not expire.
    expires_at: Option<String>,
    /// Whether the key has expired.
    expired: bool,
    /// RFC 3339, to the minute; null if the key was never used.
    last_used_at: Option<String>,
}

/// The origin of a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyKind {
    /// Created by a user.
    Made,
    /// The demo key, in development only.
    Demo,
    /// The key of the installation. It cannot be revoked and has no rate limits.
    Installation,
}

impl From<StoredKey> for KeyItem {
    fn from(key: StoredKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            hint: key.hint,
            kind: match key.kind.as_str() {
                "installation" => KeyKind::Installation,
                "demo" => KeyKind::Demo,
                _ => KeyKind::Made,
            },
            user: key.owner,
            permissions: Permission::parse_list(&key.permissions),
            created_at: timestamp(key.created_at),
            expires_at: key.expires_at.map(timestamp),
            expired: key.expires_at.is_some_and(|end| end <= now()),
            last_used_at: key.last_used_at.map(timestamp),
        }
    }
}

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeysResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Newest first.
    keys: Vec<KeyItem>,
}

/// A new key.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct KeyRequest {
    /// The name of the key.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "VS Code")]
    name: String,
    /// The permissions of the key; all but `admin` if absent. They cannot exceed those of the key that creates it.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 5, nullable = true)]
    permissions: Option<Vec<Permission>>,
    /// Days until the key expires; API_KEY_EXPIRY_DAYS if absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3650, nullable = true)]
    expires_in_days: Option<u32>,
    /// The user whose history the requests of the key belong to; your own if absent. Only the installation's own user may name
    /// another one.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$", nullable = true)]
    user: Option<String>,
    /// Creates the demo key, which replaces the previous one; in development only.
    #[serde(default)]
    demo: bool,
}

/// The created key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The secret. It is returned only once.
    #[schema(example = "hapa_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")]
    key: String,
    #[serde(flatten)]
    item: KeyItem,
}

/// Lists all keys, newest first.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys",
    responses(
        (status = 200, description = "The keys", body = KeysResponse),
        ClientErrors,
    )
)]
pub(crate) async fn keys(State(app): State<AppState>) -> Result<Json<KeysResponse>, ApiError> {
    let keys = app.keys.list().await?;
    Ok(Json(KeysResponse { status: "success", keys: keys.into_iter().map(KeyItem::from).collect() }))
}

/// Creates a key. The secret is returned once and stored as a hash.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "keys", request_body = KeyRequest,
    responses(
        (status = 200, description = "The key", body = KeyResponse),
        ClientErrors,
    )
)]
pub(crate) async fn make_key(
    State(app): State<AppState>,
    caller: Caller,
    JsonBody(request): JsonBody<KeyRequest>,
) -> Result<Json<KeyResponse>, ApiError> {
    let request = validate(request)?;
    let (key, stored) = app.keys.create(&caller, request).await?;
    Ok(Json(KeyResponse { status: "success", key: key.reveal().to_owned(), item: stored.into() }))
}

fn validate(request: KeyRequest) -> Result<NewKeyRequest, ApiError> {
    let mut invalid = ValidationErrors::default();
    invalid.require_not_blank("name", &request.name);
    invalid.max_length("name", Some(&request.name), 100);
    let permissions = request.permissions.unwrap_or_else(|| Permission::DEFAULT.to_vec());
    if !(1..=Permission::ALL.len()).contains(&permissions.len()) {
        invalid.add("permissions", LocalizedText::new("1개에서 5개 사이여야 합니다", "must be 1 to 5"));
    }
    invalid.in_range("expires_in_days", request.expires_in_days, 1, 3650);
    if let Some(user) = &request.user
        && !(user.len() <= 64
            && !user.is_empty()
            && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)))
    {
        let ko = "1자에서 64자 사이의 영문자, 숫자, '.', '_', '-'여야 합니다";
        let en = "must be 1 to 64 letters, digits, dots, underscores or hyphens";
        invalid.add("user", LocalizedText::new(ko, en));
    }
    invalid.into_result()?;
    let KeyRequest { name, expires_in_days: days, user, demo, .. } = request;
    Ok(NewKeyRequest { name: name.trim().to_owned(), permissions, days, user, demo })
}

/// Revokes a key. It takes effect immediately.
#[utoipa::path(
    delete, path = "/api/v1/keys/{id}", tag = "keys", params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 200, description = "The key was revoked", body = DoneResponse),
        ClientErrors,
    )
)]
pub(crate) async fn revoke_key(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<DoneResponse>, ApiError> {
    app.keys.revoke(&id).await?;
    Ok(Json(DoneResponse::new(language, "키를 폐기했습니다", "the key was revoked")))
}
