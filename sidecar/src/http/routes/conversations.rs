//! `/api/v1/conversations`: conversations and their messages.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::history::{HistoryItem, has_more, page};
use crate::access::keys::Caller;
use crate::base::i18n::{Language, LocalizedText};
use crate::base::time::timestamp;
use crate::base::validation::ValidationErrors;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::{JsonBody, OptionalJsonBody, PathId, QueryParams};
use crate::http::state::AppState;
use crate::store;

/// The page of conversations to return.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParameters {
    /// Maximum number of conversations, 1 to 100; 50 if absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// Number of conversations to skip; 0 if absent.
    #[param(minimum = 0)]
    offset: Option<i64>,
}

/// A page of conversations: pinned ones first, then by last update, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    items: Vec<ConversationItem>,
    /// Number of conversations on all pages.
    total_count: i64,
    /// Whether there is a next page.
    has_more: bool,
}

/// A conversation without its messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationItem {
    id: String,
    /// The start of the first question, or the title that the user set.
    title: String,
    /// Whether the conversation is pinned to the top of the list.
    pinned: bool,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    updated_at: String,
    /// Number of messages in the current thread, without replaced versions.
    message_count: i64,
}

impl From<store::Conversation> for ConversationItem {
    fn from(conversation: store::Conversation) -> Self {
        Self {
            id: conversation.id,
            title: conversation.title,
            pinned: conversation.pinned,
            created_at: timestamp(conversation.created_at),
            updated_at: timestamp(conversation.updated_at),
            message_count: conversation.message_count,
        }
    }
}

/// A conversation with its messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    conversation: ConversationItem,
    /// The newest messages of the current thread, oldest first.
    messages: Vec<HistoryItem>,
    /// Whether there are earlier messages. To get them, set `before` to the id of the first message here.
    has_more: bool,
}

/// The part of the thread to return.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ThreadParameters {
    /// Maximum number of messages, 1 to 1000; 1000 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Only messages before the one with this id.
    before: Option<String>,
}

/// A new conversation without messages.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct ConversationRequest {
    /// The title of the conversation; a default title if absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", nullable = true, example = "Flask 앱")]
    title: Option<String>,
}

/// Changes of a conversation. Absent fields are not changed.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ConversationChange {
    /// The new title.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", nullable = true, example = "Flask 앱")]
    title: Option<String>,
    /// Whether the conversation is pinned to the top of the list.
    #[serde(default)]
    #[schema(nullable = true)]
    pinned: Option<bool>,
    /// The id of a message to show, of any version: the thread then contains this message, its ancestors, and the newest
    /// messages that follow it.
    #[serde(default)]
    #[schema(nullable = true)]
    shown: Option<String>,
}

/// The created or changed conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedConversation {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    conversation: ConversationItem,
}

/// The confirmation of an operation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DoneResponse {
    /// Always `success`.
    #[schema(example = "success")]
    pub(super) status: &'static str,
    /// The confirmation, for users.
    pub(super) message: String,
}

impl DoneResponse {
    /// A confirmation in the language of the request.
    pub(super) fn new(language: Language, ko: &str, en: &str) -> Self {
        Self { status: "success", message: LocalizedText::new(ko, en).text(language).to_owned() }
    }
}

/// Lists conversations: pinned ones first, then by last update, newest first.
#[utoipa::path(
    get, path = "/api/v1/conversations", tag = "history", params(PageParameters),
    responses(
        (status = 200, description = "A page of conversations", body = ConversationsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn conversations(
    State(app): State<AppState>,
    caller: Caller,
    QueryParams(parameters): QueryParams<PageParameters>,
) -> Result<Json<ConversationsResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let (limit, offset) = page(&mut invalid, parameters.limit, parameters.offset, 50);
    invalid.into_result()?;
    let found = app.store.conversations(&caller.owner, limit, offset).await;
    let (found, total_count) = found?;
    let items: Vec<ConversationItem> = found.into_iter().map(ConversationItem::from).collect();
    let has_more = has_more(offset, items.len(), total_count);
    Ok(Json(ConversationsResponse { status: "success", items, total_count, has_more }))
}

/// Returns a conversation with its messages.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}", tag = "history",
    params(("id" = String, Path, description = "The conversation's id"), ThreadParameters),
    responses(
        (status = 200, description = "The conversation", body = ConversationResponse),
        ClientErrors,
    )
)]
pub(crate) async fn conversation(
    State(app): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    QueryParams(parameters): QueryParams<ThreadParameters>,
) -> Result<Json<ConversationResponse>, ApiError> {
    let mut invalid = ValidationErrors::default();
    let limit = invalid.in_range("limit", parameters.limit, 1, 1000).unwrap_or(1000);
    invalid.into_result()?;
    let found = app.store.conversation(&caller.owner, &id).await?;
    let conversation = found.ok_or(ApiError::NotFound)?.into();
    // One more than requested, which shows whether there are more.
    let thread = app.store.thread(&id, parameters.before.as_deref(), limit + 1).await;
    let mut messages: Vec<HistoryItem> = thread?.into_iter().map(HistoryItem::from).collect();
    let has_more = i64::try_from(messages.len()).is_ok_and(|found| found > limit);
    if has_more {
        messages.remove(0);
    }
    Ok(Json(ConversationResponse { status: "success", conversation, messages, has_more }))
}

/// Creates a conversation without messages.
#[utoipa::path(
    post, path = "/api/v1/conversations", tag = "history", request_body = Option<ConversationRequest>,
    responses(
        (status = 200, description = "The conversation", body = ChangedConversation),
        ClientErrors,
    )
)]
pub(crate) async fn start_conversation(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    OptionalJsonBody(request): OptionalJsonBody<ConversationRequest>,
) -> Result<Json<ChangedConversation>, ApiError> {
    let title = title(request.title)?;
    let unnamed = LocalizedText::new("새 대화", "New conversation");
    let title = title.as_deref().unwrap_or_else(|| unnamed.text(language));
    let id = app.store.start_conversation(&caller.owner, title).await?;
    changed(&app, &caller, &id).await
}

/// Renames or pins a conversation, or switches to another version of a question.
#[utoipa::path(
    patch, path = "/api/v1/conversations/{id}", tag = "history", request_body = ConversationChange,
    params(("id" = String, Path, description = "The conversation's id")),
    responses(
        (status = 200, description = "The changed conversation", body = ChangedConversation),
        ClientErrors,
    )
)]
pub(crate) async fn change_conversation(
    State(app): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(change): JsonBody<ConversationChange>,
) -> Result<Json<ChangedConversation>, ApiError> {
    let title = title(change.title)?;
    let found = app.store.change_conversation(&caller.owner, &id, title.as_deref(), change.pinned).await;
    if !found? {
        return Err(ApiError::NotFound);
    }
    if let Some(message) = change.shown
        && !app.store.switch_thread(&id, &message).await?
    {
        let error = LocalizedText::new("이 대화에 없는 메시지입니다", "this conversation has no such message");
        return Err(ApiError::ReferenceNotFound(ValidationErrors::field("shown", error)));
    }
    changed(&app, &caller, &id).await
}

fn title(title: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(title) = title else { return Ok(None) };
    let mut invalid = ValidationErrors::default();
    invalid.require_not_blank("title", &title);
    invalid.max_length("title", Some(&title), 200);
    invalid.into_result()?;
    Ok(Some(title.trim().to_owned()))
}

async fn changed(app: &AppState, caller: &Caller, id: &str) -> Result<Json<ChangedConversation>, ApiError> {
    let conversation = app.store.conversation(&caller.owner, id).await?.ok_or(ApiError::NotFound)?.into();
    Ok(Json(ChangedConversation { status: "success", conversation }))
}

/// Deletes a conversation with all its messages.
#[utoipa::path(
    delete, path = "/api/v1/conversations/{id}", tag = "history", params(("id" = String, Path, description = "The conversation's id")),
    responses(
        (status = 200, description = "The conversation was deleted", body = DoneResponse),
        ClientErrors,
    )
)]
pub(crate) async fn delete_conversation(
    State(app): State<AppState>,
    caller: Caller,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<DoneResponse>, ApiError> {
    let deleted = app.store.delete_conversation(&caller.owner, &id).await?;
    if !deleted {
        return Err(ApiError::NotFound);
    }
    app.models.clear_kv_cache();
    Ok(Json(DoneResponse::new(language, "대화를 삭제했습니다", "the conversation was deleted")))
}
