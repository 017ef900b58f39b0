//! Suggestion cache: while the user types what a recent suggestion starts with, the rest of it is returned without the
//! model.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::{CompletionRequest, Completions};
use crate::inference::ModelIdentity;
use crate::inference::response_cache::CacheKey;

/// Maximum number of cursors with cached suggestions.
const MAX_CURSORS: u64 = 256;

/// Maximum number of entries per cursor, so that deleting typed text hits the cache too.
const MAX_PER_CURSOR: usize = 8;

/// Time after which the entries of an unused cursor are evicted.
const TIME_TO_IDLE: Duration = Duration::from_secs(10 * 60);

/// Recent suggestions by cursor. Clones share it.
#[derive(Debug, Clone)]
pub struct SuggestionCache(Cache<CacheKey, Arc<Vec<CachedSuggestion>>>);

/// The suggestions after one prefix.
#[derive(Debug, Clone)]
struct CachedSuggestion {
    /// Length of the prefix in bytes, and its hash.
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
    /// The suggestions that were cached for this cursor, or for a shorter prefix of it; without what has been typed
    /// since.
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

    /// Caches the suggestions of a request.
    pub fn insert(&self, owner: &str, request: &CompletionRequest, completions: &Completions) {
        let key = cursor_key(owner, request, &completions.identity);
        let suggestion = CachedSuggestion {
            length: request.prefix.len(),
            before: CacheKey::of([request.prefix.as_str()]),
            completions: completions.clone(),
        };
        let cached = self.0.get(&key);
        let others = cached
            .iter()
            .flat_map(|suggestions| suggestions.iter())
            .filter(|cached| cached.before != suggestion.before);
        let suggestions = std::iter::once(suggestion.clone()).chain(others.cloned()).take(MAX_PER_CURSOR).collect();
        self.0.insert(key, Arc::new(suggestions));
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.0.invalidate_all();
    }
}

/// The cache key of a cursor: everything that changes a completion but the prefix.
fn cursor_key(owner: &str, request: &CompletionRequest, identity: &ModelIdentity) -> CacheKey {
    let count = request.max_suggestions.to_string();
    let identifying = [owner, identity.backend.as_str(), &identity.model, &count, &request.language, &request.suffix];
    let around = [&request.context, &request.file_path].map(|text| text.as_deref().unwrap_or_default());
    let files = request.files.iter().flat_map(|file| [&*file.path, &*file.content]);
    CacheKey::of(identifying.into_iter().chain(around).chain(files))
}
