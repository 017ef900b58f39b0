//! `/api/v1/submit-feedback` and `/api/v1/feedback`: user feedback on answers.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::conversations::DoneResponse;
use crate::access::keys::Caller;
use crate::base::i18n::{Language, LocalizedText};
use crate::base::time::{now, timestamp};
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::{JsonBody, PathId, QueryParams};
use crate::http::state::AppState;
use crate::store;
use crate::store::NewFeedback;

/// The type of feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FeedbackType {
    /// The answer was good.
    Positive,
    /// The answer was bad.
    Negative,
    /// A suggestion for improvement.
    Suggestion,
    /// A bug report.
    Bug,
}

impl FeedbackType {
    const ALL: [Self; 4] = [Self::Positive, Self::Negative, Self::Suggestion, Self::Bug];

    fn as_str(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Suggestion => "suggestion",
            Self::Bug => "bug",
        }
    }
}

/// Feedback on an answer.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct FeedbackRequest {
    /// The type of feedback.
    #[serde(rename = "type")]
    kind: FeedbackType,
    /// A comment.
    #[serde(default)]
    #[schema(max_length = 2000, nullable = true, example = "정확한 코드였습니다")]
    comment: Option<String>,
    /// The code that the feedback refers to.
    #[serde(default)]
    #[schema(max_length = 50000, nullable = true)]
    code_snippet: Option<String>,
    /// The question that the feedback refers to.
    #[serde(default)]
    #[schema(max_length = 10000, nullable = true)]
    user_question: Option<String>,
    /// The message that the feedback refers to. It replaces earlier feedback on the same message.
    #[serde(default)]
    #[schema(nullable = true, example = json!(null))]
    message_id: Option<String>,
    /// Rating from 1 to 5; if absent, `positive` counts as 5 and `negative` as 1.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 5, nullable = true)]
    rating: Option<i64>,
}

/// The saved feedback.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedbackResponse {
    /// Always true.
    success: bool,
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "fb_0198c5a0-0000-7000-8000-000000000000")]
    feedback_id: String,
    /// The confirmation, for users.
    message: String,
    /// RFC 3339.
    timestamp: String,
}

/// Saves feedback on an answer. It is stored on this machine only.
#[utoipa::path(
    post, path = "/api/v1/submit-feedback", tag = "feedback", request_body = FeedbackRequest,
    responses(
        (status = 200, description = "The feedback was saved", body = FeedbackResponse),
        ClientErrors,
    )
)]
pub(crate) async fn submit_feedback(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    JsonBody(request): JsonBody<FeedbackRequest>,
) -> Result<Json<FeedbackResponse>, ApiError> {
    check(&request)?;
    let (feedback_id, time) = save(&app, &caller, &request).await?;
    let message = LocalizedText::new("의견을 저장했습니다. 고맙습니다!", "your feedback was saved; thank you");
    let message = message.text(language).to_owned();
    Ok(Json(FeedbackResponse { success: true, status: "success", feedback_id, message, timestamp: timestamp(time) }))
}

fn check(request: &FeedbackRequest) -> Result<(), ApiError> {
    let mut invalid = ValidationErrors::default();
    invalid.max_length("comment", request.comment.as_deref(), 2_000);
    invalid.max_length("code_snippet", request.code_snippet.as_deref(), 50_000);
    invalid.max_length("user_question", request.user_question.as_deref(), 10_000);
    invalid.in_range("rating", request.rating, 1, 5);
    Ok(invalid.into_result()?)
}

async fn save(app: &AppState, caller: &Caller, request: &FeedbackRequest) -> Result<(String, i64), ApiError> {
    if let Some(id) = &request.message_id
        && app.store.message(&caller.owner, id).await?.is_none()
    {
        let message = LocalizedText::new("없는 메시지입니다", "there is no such message");
        return Err(ApiError::ReferenceNotFound(ValidationErrors::field("message_id", message)));
    }
    let new = NewFeedback {
        message_id: request.message_id.as_deref(),
        kind: request.kind.as_str(),
        rating: request.rating,
        comment: request.comment.as_deref().unwrap_or_default(),
        code_snippet: request.code_snippet.as_deref().unwrap_or_default(),
        user_question: request.user_question.as_deref().unwrap_or_default(),
    };
    Ok(app.store.add_feedback(&caller.owner, new).await?)
}

/// Feedback statistics.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedbackStats {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    total_feedback: i64,
    /// Number of entries of each type.
    #[schema(example = json!({"positive": 3, "negative": 1, "suggestion": 0, "bug": 0}))]
    by_type: BTreeMap<&'static str, i64>,
    /// Mean rating from 1 to 5; null without ratings.
    average_rating: Option<f64>,
    /// Number of entries in the last 7 days.
    last_7_days: i64,
    /// The days of the last 30 that have feedback, newest first.
    last_days: Vec<FeedbackDay>,
}

/// Feedback of one day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedbackDay {
    /// UTC.
    #[schema(example = "2024-12-28")]
    date: String,
    count: i64,
}

/// Returns statistics of the user's feedback.
#[utoipa::path(
    get, path = "/api/v1/feedback/stats", tag = "feedback",
    responses(
        (status = 200, description = "The statistics", body = FeedbackStats),
        ClientErrors,
    )
)]
pub(crate) async fn feedback_stats(
    State(app): State<AppState>,
    caller: Caller,
) -> Result<Json<FeedbackStats>, ApiError> {
    stats(&app, &caller.owner).await.map(Json)
}

async fn stats(app: &AppState, owner: &str) -> Result<FeedbackStats, ApiError> {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let counts = app.store.feedback_by_kind(owner).await?;
    let count =
        |kind: FeedbackType| counts.iter().find(|(name, _)| name == kind.as_str()).map_or(0, |(_, count)| *count);
    let by_type: BTreeMap<&str, i64> = FeedbackType::ALL.into_iter().map(|kind| (kind.as_str(), count(kind))).collect();
    let days = app.store.feedback_by_day(owner, now() - 30 * DAY).await?;
    let week = timestamp(now() - 7 * DAY);
    Ok(FeedbackStats {
        status: "success",
        total_feedback: by_type.values().sum(),
        by_type,
        average_rating: app.store.average_rating(owner).await?,
        last_7_days: days.iter().filter(|day| day.date.as_str() > &week[..10]).map(|day| day.count).sum(),
        last_days: days.into_iter().map(|day| FeedbackDay { date: day.date, count: day.count }).collect(),
    })
}

/// The number of entries to return.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedbackParameters {
    /// Maximum number of entries, 1 to 100; 10 if absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// The latest feedback.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecentFeedback {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Newest first.
    items: Vec<FeedbackItem>,
}

/// Feedback on an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedbackItem {
    id: String,
    /// `positive`, `negative`, `suggestion` or `bug`.
    #[serde(rename = "type")]
    kind: String,
    comment: String,
    code_snippet: String,
    user_question: String,
    message_id: Option<String>,
    rating: Option<i64>,
    /// RFC 3339.
    timestamp: String,
}

impl From<store::Feedback> for FeedbackItem {
    fn from(feedback: store::Feedback) -> Self {
        Self {
            id: feedback.id,
            kind: feedback.kind,
            comment: feedback.comment,
            code_snippet: feedback.code_snippet,
            user_question: feedback.user_question,
            message_id: feedback.message_id,
            rating: feedback.rating,
            timestamp: timestamp(feedback.created_at),
        }
    }
}

/// Returns the user's latest feedback.
#[utoipa::path(
    get, path = "/api/v1/feedback/recent", tag = "feedback", params(FeedbackParameters),
    responses(
        (status = 200, description = "The feedback", body = RecentFeedback),
        ClientErrors,
    )
)]
pub(crate) async fn recent_feedback(
    State(app): State<AppState>,
    caller: Caller,
    QueryParams(parameters): QueryParams<FeedbackParameters>,
) -> Result<Json<RecentFeedback>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let limit = invalid.in_range("limit", parameters.limit, 1, 100).unwrap_or(10);
    invalid.into_result()?;
    let found = app.store.recent_feedback(&caller.owner, limit).await?;
    Ok(Json(RecentFeedback { status: "success", items: found.into_iter().map(FeedbackItem::from).collect() }))
}

/// Deletes a feedback entry.
#[utoipa::path(
    delete, path = "/api/v1/feedback/{id}", tag = "feedback", params(("id" = String, Path, description = "The feedback's id")),
    responses(
        (status = 200, description = "The feedback was deleted", body = DoneResponse),
        ClientErrors,
    )
)]
pub(crate) async fn delete_feedback(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<DoneResponse>, ApiError> {
    if !app.store.delete_feedback(&caller.owner, &id).await? {
        return Err(ApiError::NotFound);
    }
    Ok(Json(DoneResponse::new(language, "의견을 삭제했습니다", "the feedback was deleted")))
}
