//! Suggestions that were suggestioned lately: while somebody types what one of them says, the rest of it is there without the model.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::{CompletionRequest, Completions};
use crate::inference::ModelIdentity;
use crate::inference::response_cache::CacheKey;

/// Places in texts that are remembered at most.
const MAX_CURSORS: u64 = 256;

/// SuggestionCache that are remembered of each, so that deleting what was typed is answered too.
const MAX_PER_CURSOR: usize = 8;

/// How long a place is remembered after its last suggestion.
const TIME_TO_IDLE: Duration = Duration::from_secs(10 * 60);

/// What was suggestioned lately, and where. Clones share it.
#[derive(Debug, Clone)]
pub struct SuggestionCache(Cache<CacheKey, Arc<Vec<CachedSuggestion>>>);

/// What was suggestioned after one text.
#[derive(Debug, Clone)]
struct CachedSuggestion {
    /// Bytes of the text before the request, and that text as a hash.
    length: usize,
    before: CacheKey,
    completions: Completions,
}

impl Default for SuggestionCache {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_CURSORS).time_to_idle(TIME_TO_IDLE).build())
    }
}

impl SuggestionCache {
    /// What was suggestioned at the request, or before what has been typed since; without what has been typed.
    #[must_use]
    pub fn find(&self, owner: &str, request: &CompletionRequest, identity: &ModelIdentity) -> Option<Completions> {
        let suggestions = self.0.get(&cursor_key(owner, request, identity))?;
        suggestions.iter().find_map(|suggestion| {
            let (before, typed) = request.prefix.split_at_checked(suggestion.length)?;
            (CacheKey::of([before]) == suggestion.before)
                .then(|| suggestion.completions.remaining_after(typed, request.multiline))
                .flatten()
        })
    }

    /// Remembers what was suggestioned at the request.
    pub fn insert(&self, owner: &str, request: &CompletionRequest, completions: &Completions) {
        let place = cursor_key(owner, request, &completions.identity);
        let suggestion = CachedSuggestion {
            length: request.prefix.len(),
            before: CacheKey::of([request.prefix.as_str()]),
            completions: completions.clone(),
        };
        let older = self.0.get(&place);
        let others =
            older.iter().flat_map(|suggestions| suggestions.iter()).filter(|older| older.before != suggestion.before);
        let suggestions = std::iter::once(suggestion.clone()).chain(others.cloned()).take(MAX_PER_CURSOR).collect();
        self.0.insert(place, Arc::new(suggestions));
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.invalidate_all();
    }
}

/// All that matters to a completion but the text before the request.
fn cursor_key(owner: &str, request: &CompletionRequest, identity: &ModelIdentity) -> CacheKey {
    let count = request.max_suggestions.to_string();
    let known = [owner, identity.backend.as_str(), &identity.model, &count, &request.language, &request.suffix];
    let around = [&request.context, &request.file_path].map(|text| text.as_deref().unwrap_or_default());
    let files = request.files.iter().flat_map(|file| [&*file.path, &*file.content]);
    CacheKey::of(known.into_iter().chain(around).chain(files))
}
