//! `/api/v1/conversations`: threads of questions and answers.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{Id, Parameters};
use super::history::{HistoryItem, has_more, page};
use super::problem::Rejection;
use crate::app::App;
use crate::error::{Error, Invalid, Language, Message, Problem};
use crate::keys::Caller;
use crate::store::{self, timestamp};

/// Which conversations to show.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// At most so many, 1 to 100; 50 if absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// Leaving out so many of the latest.
    #[param(minimum = 0)]
    offset: Option<i64>,
}

/// A page of conversations, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    items: Vec<ConversationItem>,
    /// How many there are in all.
    total_count: i64,
    /// Whether there are more after these.
    has_more: bool,
}

/// A conversation without its messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationItem {
    id: String,
    /// The beginning of its first question.
    title: String,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    updated_at: String,
    /// Messages that are part of the thread now.
    message_count: i64,
}

impl From<store::Conversation> for ConversationItem {
    fn from(conversation: store::Conversation) -> Self {
        Self {
            id: conversation.id,
            title: conversation.title,
            created_at: timestamp(conversation.created_at),
            updated_at: timestamp(conversation.updated_at),
            message_count: conversation.message_count,
        }
    }
}

/// A conversation with its messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    #[serde(flatten)]
    conversation: ConversationItem,
    /// The thread, oldest first.
    messages: Vec<HistoryItem>,
}

/// That something was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoneResponse {
    /// Always `success`.
    #[schema(example = "success")]
    pub(super) status: &'static str,
    /// What was done, for a person.
    pub(super) message: String,
}

impl DoneResponse {
    /// Says what was done, in the client's language.
    pub(super) fn new(language: Language, ko: &str, en: &str) -> Self {
        Self { status: "success", message: Message::new(ko, en).text(language).to_owned() }
    }
}

/// Lists conversations, the latest first.
#[utoipa::path(
    get, path = "/api/v1/conversations", tag = "history", params(PageParameters),
    responses(
        (status = 200, description = "A page of conversations", body = ConversationsResponse),
        (status = "4XX", description = "The request was refused", body = Problem),
    )
)]
pub async fn conversations(
    State(app): State<App>,
    caller: Caller,
    language: Language,
    Parameters(parameters): Parameters<PageParameters>,
) -> Result<Json<ConversationsResponse>, Rejection> {
    let mut invalid = Invalid::default();
    let (limit, offset) = page(&mut invalid, parameters.limit, parameters.offset, 50);
    invalid.into_result().map_err(language.rejection())?;
    let found = app.store.conversations(&caller.owner, limit, offset).await;
    let (found, total_count) = found.map_err(language.rejection())?;
    let items: Vec<ConversationItem> = found.into_iter().map(ConversationItem::from).collect();
    let has_more = has_more(offset, items.len(), total_count);
    Ok(Json(ConversationsResponse { status: "success", items, total_count, has_more }))
}

/// Shows one conversation with its messages.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}", tag = "history", params(("id" = String, Path, description = "The conversation's id")),
    responses(
        (status = 200, description = "The conversation", body = ConversationResponse),
        (status = "4XX", description = "The request was refused", body = Problem),
    )
)]
pub async fn conversation(
    State(app): State<App>,
    caller: Caller,
    language: Language,
    Id(id): Id,
) -> Result<Json<ConversationResponse>, Rejection> {
    let found = app.store.conversation(&caller.owner, &id).await.map_err(language.rejection())?;
    let conversation = found.ok_or(Error::NotFound).map_err(language.rejection())?.into();
    let thread = app.store.thread(&id).await.map_err(language.rejection())?;
    let messages = thread.into_iter().map(HistoryItem::from).collect();
    Ok(Json(ConversationResponse { status: "success", conversation, messages }))
}

/// Deletes a conversation with all its messages.
#[utoipa::path(
    delete, path = "/api/v1/conversations/{id}", tag = "history", params(("id" = String, Path, description = "The conversation's id")),
    responses(
        (status = 200, description = "It is gone", body = DoneResponse),
        (status = "4XX", description = "The request was refused", body = Problem),
    )
)]
pub async fn delete_conversation(
    State(app): State<App>,
    caller: Caller,
    language: Language,
    Id(id): Id,
) -> Result<Json<DoneResponse>, Rejection> {
    let deleted = app.store.delete_conversation(&caller.owner, &id).await.map_err(language.rejection())?;
    if !deleted {
        return Err(language.rejection()(Error::NotFound));
    }
    Ok(Json(DoneResponse::new(language, "대화를 삭제했습니다", "the conversation was deleted")))
}
