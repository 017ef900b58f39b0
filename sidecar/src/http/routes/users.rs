//! `/api/v1/users/profile`: the user's profile, which adapts answers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::keys::Caller;
use crate::assistant::profiles::profile::{Profile, ProfileFields};
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::JsonBody;
use crate::http::state::AppState;

/// The user's profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    profile: Profile,
}

/// Returns the user's profile.
#[utoipa::path(
    get, path = "/api/v1/users/profile", tag = "users",
    responses(
        (status = 200, description = "The profile, or the default profile if none was saved", body = ProfileResponse),
        ClientErrors,
    )
)]
pub(crate) async fn profile(State(app): State<AppState>, caller: Caller) -> Result<Json<ProfileResponse>, ApiError> {
    let profile = app.assistant.profiles.get(&caller.owner).await?;
    Ok(Json(ProfileResponse { status: "success", profile }))
}

/// Saves the user's profile. It applies to all requests that do not override it. Absent fields have their defaults.
#[utoipa::path(
    put, path = "/api/v1/users/profile", tag = "users", request_body = ProfileFields,
    responses(
        (status = 200, description = "The saved profile", body = ProfileResponse),
        ClientErrors,
    )
)]
pub(crate) async fn save_profile(
    State(app): State<AppState>,
    caller: Caller,
    JsonBody(fields): JsonBody<ProfileFields>,
) -> Result<Json<ProfileResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    if fields.is_too_long() {
        invalid.max_items("preferredLanguageFeatures", usize::MAX, 8);
    }
    invalid.into_result()?;
    let profile = Profile::default().with(fields);
    app.assistant.profiles.save(&caller.owner, &profile).await?;
    Ok(Json(ProfileResponse { status: "success", profile }))
}
