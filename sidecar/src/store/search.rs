//! Converts a search text into an expression of the trigram full-text index.
//!
//! Queries of virtual tables are not checked at compile time: sqlx 0.9 crashes the compiler on them. The tests of the
//! history run each of them.

use sqlx::SqlitePool;

/// Maximum number of trigrams for a word of one or two characters. More exist for single letters only; the most
/// frequent ones are used.
const MAX_GROUPS: i64 = 400;

/// The expression that finds texts with all words of `text`, as parts of words too. `None` if nothing can be found.
pub(super) async fn expression(pool: &SqlitePool, text: &str) -> sqlx::Result<Option<String>> {
    let mut parts = Vec::new();
    for word in text.split_whitespace() {
        let word = word.replace('\0', "");
        if word.chars().count() >= 3 {
            parts.push(quoted(&word));
            continue;
        }
        let groups = groups(pool, &word).await?;
        if groups.is_empty() {
            return Ok(None);
        }
        let quoted: Vec<String> = groups.iter().map(|group| quoted(group)).collect();
        parts.push(format!("({})", quoted.join(" OR ")));
    }
    Ok((!parts.is_empty()).then(|| parts.join(" AND ")))
}

/// The trigrams in the index that start with a shorter word.
async fn groups(pool: &SqlitePool, word: &str) -> sqlx::Result<Vec<String>> {
    // The index is lower-case.
    let first = word.to_lowercase();
    let last = format!("{first}\u{10ffff}");
    sqlx::query_scalar("SELECT term FROM messages_terms WHERE term >= ? AND term <= ? ORDER BY doc DESC LIMIT ?")
        .bind(first)
        .bind(last)
        .bind(MAX_GROUPS)
        .fetch_all(pool)
        .await
}

/// Text as a literal inside an expression.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
