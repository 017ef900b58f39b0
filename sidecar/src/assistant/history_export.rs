//! Exports a history as JSON or Markdown, and imports JSON.

use std::collections::HashMap;
use std::fmt::Write;

use futures_util::Stream;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::generate::{ContextFile, ModelType};
use crate::base::time::{now, timestamp};
use crate::store::{self, Imported, NewConversation, Store};

/// Messages per page.
const PAGE: i64 = 100;

/// A message in the file.
#[derive(Debug, Serialize, Deserialize)]
struct ExportedMessage {
    id: String,
    conversation_id: String,
    /// RFC 3339.
    timestamp: String,
    question: String,
    #[serde(default)]
    code_context: Option<String>,
    response: String,
    #[serde(default)]
    generated_code: String,
    #[serde(default)]
    explanation: String,
    #[serde(default = "python")]
    language: String,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    model_used: String,
    #[serde(default = "local")]
    backend: String,
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
    /// Seconds.
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    tokens_per_second: Option<f64>,
    #[serde(default)]
    replaced: bool,
    #[serde(default)]
    rating: Option<i64>,
    /// The message that precedes it.
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    model_type: ModelType,
    #[serde(default)]
    files: Vec<ContextFile>,
    #[serde(default)]
    dropped_messages: u32,
}

fn python() -> String {
    "python".into()
}

fn local() -> String {
    crate::inference::BackendKind::Local.as_str().into()
}

/// A conversation in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ExportedConversation {
    id: String,
    title: String,
    #[serde(default)]
    pinned: bool,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    updated_at: String,
}

impl From<store::Message> for ExportedMessage {
    fn from(message: store::Message) -> Self {
        Self {
            id: message.id,
            conversation_id: message.conversation_id,
            timestamp: timestamp(message.created_at),
            question: message.question,
            code_context: message.code_context,
            response: message.answer,
            generated_code: message.generated_code,
            explanation: message.explanation,
            language: message.language,
            finish_reason: message.finish,
            model_used: message.model,
            backend: message.backend,
            prompt_tokens: u32::try_from(message.prompt_tokens).unwrap_or(u32::MAX),
            completion_tokens: u32::try_from(message.completion_tokens).unwrap_or(u32::MAX),
            duration: message.duration_ms as f64 / 1000.0,
            tokens_per_second: message.tokens_per_second,
            replaced: message.superseded,
            rating: message.rating,
            parent: message.parent,
            model_type: ModelType::of(&message.kind).unwrap_or_default(),
            files: ContextFile::from_json(message.files.as_deref()),
            dropped_messages: u32::try_from(message.dropped).unwrap_or(u32::MAX),
        }
    }
}

/// The formats of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, which can be imported.
    Json,
    /// Markdown, for reading.
    Markdown,
}

/// Which messages are exported.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The owner.
    pub owner: String,
    /// One conversation; `None` for all of them.
    pub conversation: Option<String>,
}

/// The position of an export.
enum Position {
    Head,
    Conversations(i64),
    Messages { after: i64, conversation: String },
    End,
}

/// Exports a history, or one conversation of it, in pages: oldest first, with all versions, and never more than a few
/// messages in memory.
pub fn export(store: Store, scope: Scope, format: Format) -> impl Stream<Item = Result<String, store::Error>> + Send {
    let start = (Position::Head, store, scope);
    stream::unfold(start, move |(position, store, scope)| async move {
        match page(&store, &scope, format, position).await {
            Ok(Some((text, next))) => Some((Ok(text), (next, store, scope))),
            Ok(None) => None,
            Err(error) => Some((Err(error), (Position::End, store, scope))),
        }
    })
}

async fn page(
    store: &Store,
    scope: &Scope,
    format: Format,
    position: Position,
) -> Result<Option<(String, Position)>, store::Error> {
    match (position, format) {
        (Position::Head, Format::Markdown) => {
            let messages = Position::Messages { after: i64::MIN, conversation: String::new() };
            Ok(Some((format!("# HAPA, {}\n", &timestamp(now())[..10]), messages)))
        }
        (Position::Head, Format::Json) => {
            let head = format!(
                "{{\"format\":\"hapa-history\",\"version\":1,\"exported_at\":\"{}\",\"conversations\":[",
                timestamp(now())
            );
            Ok(Some((head, Position::Conversations(0))))
        }
        (Position::Conversations(offset), _) => conversations(store, scope, offset).await.map(Some),
        (Position::Messages { after, conversation }, format) => {
            messages(store, scope, format, after, conversation).await.map(Some)
        }
        (Position::End, _) => Ok(None),
    }
}

async fn conversations(store: &Store, scope: &Scope, offset: i64) -> Result<(String, Position), store::Error> {
    let (found, total): (Vec<store::Conversation>, i64) = match &scope.conversation {
        Some(id) => (store.conversation(&scope.owner, id).await?.into_iter().collect(), 1),
        None => store.conversations(&scope.owner, PAGE, offset).await?,
    };
    let next = offset + i64::try_from(found.len()).unwrap_or(PAGE);
    let mut text = String::new();
    for (index, conversation) in found.into_iter().enumerate() {
        let separator = if offset == 0 && index == 0 { "" } else { "," };
        let thread = ExportedConversation {
            id: conversation.id,
            title: conversation.title,
            pinned: conversation.pinned,
            created_at: timestamp(conversation.created_at),
            updated_at: timestamp(conversation.updated_at),
        };
        text += separator;
        text += &json!(thread).to_string();
    }
    if next < total && next > offset {
        return Ok((text, Position::Conversations(next)));
    }
    text += "],\"messages\":[";
    Ok((text, Position::Messages { after: i64::MIN, conversation: String::new() }))
}

async fn messages(
    store: &Store,
    scope: &Scope,
    format: Format,
    mut after: i64,
    mut conversation: String,
) -> Result<(String, Position), store::Error> {
    let mut first = after == i64::MIN;
    let owner = &scope.owner;
    let found = store.messages_after(owner, scope.conversation.as_deref(), after, PAGE).await?;
    let end = found.is_empty();
    let mut text = String::new();
    for (number, message) in found {
        after = number;
        match format {
            Format::Json => {
                text += if first { "" } else { "," };
                text += &json!(ExportedMessage::from(message)).to_string();
            }
            Format::Markdown => {
                if message.conversation_id != conversation {
                    conversation.clone_from(&message.conversation_id);
                    let named = store.conversation(owner, &conversation).await?;
                    let title = named.map(|found| found.title).unwrap_or_default();
                    let _ = write!(text, "\n## {}\n", title.replace('\n', " "));
                }
                let time = timestamp(message.created_at);
                let _ = write!(text, "\n### {time}\n\n{}\n", blockquote(&message.question));
                for file in ContextFile::from_json(message.files.as_deref()) {
                    let _ =
                        write!(text, "\n`{}`\n\n{}\n", file.path.replace(['`', '\n'], " "), fenced("", &file.content));
                }
                if let Some(code) = message.code_context.filter(|code| !code.is_empty()) {
                    let _ = write!(text, "\n{}\n", fenced(&message.language, &code));
                }
                let _ = write!(text, "\n{}\n", message.answer.trim_end());
            }
        }
        first = false;
    }
    if !end {
        return Ok((text, Position::Messages { after, conversation }));
    }
    if format == Format::Json {
        text += "]}\n";
    }
    Ok((text, Position::End))
}

/// Text as a block quote.
fn blockquote(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Code in a fence that is longer than any inside it.
fn fenced(language: &str, code: &str) -> String {
    let mut fence = "```".to_owned();
    while code.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{}\n{fence}", code.trim_end())
}

/// The result of an import.
#[derive(Debug, Default)]
pub struct Report {
    /// Messages that were imported.
    pub imported: u64,
    /// Messages that exist already, or belong to another user's conversation. They stay as they are.
    pub skipped: u64,
    /// Entries that are not valid messages.
    pub invalid: u64,
    /// The first problems, by the position of the entry in the file.
    pub problems: Vec<(usize, String)>,
}

/// Maximum number of problems that are listed.
const MAX_PROBLEMS: usize = 20;

/// Imports the messages of a file for `owner`. Existing messages are never changed.
///
/// # Errors
/// When the database fails; what was imported until then stays.
pub async fn import(
    store: &Store,
    owner: &str,
    conversations: Vec<Value>,
    messages: Vec<Value>,
) -> Result<Report, store::Error> {
    let mut report = Report::default();
    let threads: Vec<ExportedConversation> =
        conversations.into_iter().filter_map(|thread| serde_json::from_value(thread).ok()).collect();
    let threads: HashMap<String, ExportedConversation> =
        threads.into_iter().map(|thread| (thread.id.clone(), thread)).collect();
    // Grouped by conversation, in the order of the file.
    let mut groups: Vec<(String, Vec<(ExportedMessage, i64)>)> = Vec::new();
    let mut positions: HashMap<String, usize> = HashMap::new();
    for (index, message) in messages.into_iter().enumerate() {
        match entry(message) {
            Ok((entry, time)) => {
                let id = entry.conversation_id.clone();
                let position = *positions.entry(id.clone()).or_insert(groups.len());
                if position == groups.len() {
                    groups.push((id, Vec::new()));
                }
                groups[position].1.push((entry, time));
            }
            Err(problem) => {
                report.invalid += 1;
                if report.problems.len() < MAX_PROBLEMS {
                    report.problems.push((index, problem));
                }
            }
        }
    }
    for (id, entries) in groups {
        let imported_count = import_conversation(store, owner, &id, threads.get(&id), &entries).await?;
        report.imported += imported_count;
        report.skipped += entries.len() as u64 - imported_count;
    }
    Ok(report)
}

async fn import_conversation(
    store: &Store,
    owner: &str,
    id: &str,
    thread: Option<&ExportedConversation>,
    entries: &[(ExportedMessage, i64)],
) -> Result<u64, store::Error> {
    let times = || entries.iter().map(|(_, time)| *time);
    let (first, last) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    let named = thread.map(|thread| shortened(&thread.title)).filter(|title| !title.trim().is_empty());
    let title = named.unwrap_or_else(|| shortened(entries.first().map_or("", |(entry, _)| &entry.question)));
    let time = |text: Option<&String>, otherwise: i64| text.and_then(|text| instant(text)).unwrap_or(otherwise);
    let conversation = NewConversation {
        id,
        title: &title,
        pinned: thread.is_some_and(|thread| thread.pinned),
        created_at: time(thread.map(|thread| &thread.created_at), first),
        updated_at: time(thread.map(|thread| &thread.updated_at), last),
    };
    let files: Vec<Option<String>> = entries.iter().map(|(entry, _)| ContextFile::to_json(&entry.files)).collect();
    let messages = entries.iter().zip(&files);
    let messages: Vec<Imported<'_>> =
        messages.map(|((entry, time), files)| imported(entry, *time, files.as_deref())).collect();
    store.import(owner, conversation, &messages).await
}

fn imported<'a>(entry: &'a ExportedMessage, created_at: i64, files: Option<&'a str>) -> Imported<'a> {
    Imported {
        id: &entry.id,
        question: &entry.question,
        code_context: entry.code_context.as_deref(),
        language: &entry.language,
        answer: &entry.response,
        generated_code: &entry.generated_code,
        explanation: &entry.explanation,
        finish: entry.finish_reason.as_deref().unwrap_or("stop"),
        model: &entry.model_used,
        backend: &entry.backend,
        prompt_tokens: entry.prompt_tokens.into(),
        completion_tokens: entry.completion_tokens.into(),
        duration_ms: (entry.duration * 1000.0) as i64,
        tokens_per_second: entry.tokens_per_second.filter(|speed| speed.is_finite()),
        created_at,
        superseded: entry.replaced,
        rating: entry.rating,
        parent: entry.parent.as_deref(),
        kind: entry.model_type.as_str(),
        files,
        dropped: entry.dropped_messages.into(),
    }
}

/// A validated entry with its time in milliseconds since 1970, or what is wrong with it.
fn entry(value: Value) -> Result<(ExportedMessage, i64), String> {
    let entry: ExportedMessage = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let id = |text: &str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let at_most = |text: &str, limit: usize| text.chars().count() <= limit;
    let checks = [
        (id(&entry.id), "`id` must be 1 to 64 letters, digits, hyphens or underscores"),
        (id(&entry.conversation_id), "`conversation_id` must be 1 to 64 letters, digits, hyphens or underscores"),
        (
            !entry.question.trim().is_empty() && at_most(&entry.question, 10_000),
            "`question` must have 1 to 10000 characters",
        ),
        (at_most(&entry.response, 1_000_000), "`response` must have at most 1000000 characters"),
        (
            at_most(entry.code_context.as_deref().unwrap_or_default(), 50_000),
            "`code_context` must have at most 50000 characters",
        ),
        (
            at_most(&entry.generated_code, 1_000_000) && at_most(&entry.explanation, 1_000_000),
            "`generated_code` and `explanation` must have at most 1000000 characters",
        ),
        (at_most(&entry.language, 50) && at_most(&entry.model_used, 200), "`language` or `model_used` is too long"),
        (matches!(entry.backend.as_str(), "local" | "remote"), "`backend` must be local or remote"),
        (
            entry.finish_reason.as_deref().is_none_or(|finish| FINISHES.contains(&finish)),
            "`finish_reason` is not one of ours",
        ),
        (entry.duration.is_finite() && (0.0..=1e9).contains(&entry.duration), "`duration` must be seconds"),
        (entry.rating.is_none_or(|rating| (1..=5).contains(&rating)), "`rating` must be 1 to 5"),
        (entry.parent.as_deref().is_none_or(id), "`parent` must be 1 to 64 letters, digits, hyphens or underscores"),
        (entry.files.len() <= 20, "`files` must have at most 20 items"),
        (
            entry.files.iter().all(|file| at_most(&file.path, 1000) && at_most(&file.content, 100_000)),
            "`files` must have paths of at most 1000 characters, and contents of at most 100000",
        ),
    ];
    if let Some((_, problem)) = checks.iter().find(|(fine, _)| !fine) {
        return Err((*problem).into());
    }
    let time = instant(&entry.timestamp).ok_or("`timestamp` must look like 2024-12-28T10:00:00Z")?;
    Ok((entry, time))
}

const FINISHES: [&str; 5] = ["stop", "length", "cancelled", "interrupted", "failed"];

/// Milliseconds since 1970; times before that are invalid.
fn instant(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond).filter(|time| *time >= 0)
}

fn shortened(title: &str) -> String {
    title.lines().next().unwrap_or_default().chars().take(200).collect()
}
