//! `/api/v1/users/profile`: who asks, and how they like their answers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::keys::Caller;
use crate::assistant::profiles::profile::{Profile, ProfileFields};
use crate::base::i18n::Language;
use crate::base::validation::Invalid;
use crate::http::error::{Problem, Rejection};
use crate::http::extract::Body;
use crate::http::state::App;

/// A saved profile.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    profile: Profile,
}

/// Shows the profile of this key's user.
#[utoipa::path(
    get, path = "/api/v1/users/profile", tag = "users",
    responses(
        (status = 200, description = "The profile; the default one where none was saved", body = ProfileResponse),
        (status = "4XX", description = "The request was refused", body = Problem),
    )
)]
pub async fn profile(
    State(app): State<App>,
    caller: Caller,
    language: Language,
) -> Result<Json<ProfileResponse>, Rejection> {
    let profile = app.profile(&caller.owner).await.map_err(language.rejection())?;
    Ok(Json(ProfileResponse { status: "success", profile }))
}

/// Saves the profile of this key's user, for all questions that do not say otherwise. Absent fields have their defaults.
#[utoipa::path(
    put, path = "/api/v1/users/profile", tag = "users", request_body = ProfileFields,
    responses(
        (status = 200, description = "The profile as it was saved", body = ProfileResponse),
        (status = "4XX", description = "The request was refused", body = Problem),
    )
)]
pub async fn save_profile(
    State(app): State<App>,
    caller: Caller,
    language: Language,
    Body(fields): Body<ProfileFields>,
) -> Result<Json<ProfileResponse>, Rejection> {
    let mut invalid = Invalid::default();
    if fields.is_too_long() {
        invalid.at_most_items("preferredLanguageFeatures", usize::MAX, 8);
    }
    invalid.into_result().map_err(language.rejection())?;
    let profile = Profile::default().with(fields);
    app.save_profile(&caller.owner, &profile).await.map_err(language.rejection())?;
    Ok(Json(ProfileResponse { status: "success", profile }))
}
