//! Suggestions that were offered lately: while somebody types what one of them says, the rest of it is there without the model.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::{Completions, Cursor};
use crate::inference::response_cache::Key;
use crate::inference::router::Voice;

/// Places in texts that are remembered at most.
const MOST_PLACES: u64 = 256;

/// Offers that are remembered of each, so that deleting what was typed is answered too.
const MOST_OFFERS: usize = 8;

/// How long a place is remembered after its last offer.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// What was offered lately, and where. Clones share it.
#[derive(Debug, Clone)]
pub struct Offers(Cache<Key, Arc<Vec<Offer>>>);

/// What was offered after one text.
#[derive(Debug, Clone)]
struct Offer {
    /// Bytes of the text before the cursor, and that text as a hash.
    length: usize,
    before: Key,
    completions: Completions,
}

impl Default for Offers {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST_PLACES).time_to_idle(REMEMBERED).build())
    }
}

impl Offers {
    /// What was offered at the cursor, or before what has been typed since; without what has been typed.
    #[must_use]
    pub fn find(&self, owner: &str, cursor: &Cursor, voice: &Voice) -> Option<Completions> {
        let offers = self.0.get(&place(owner, cursor, voice))?;
        offers.iter().find_map(|offer| {
            let (before, typed) = cursor.prefix.split_at_checked(offer.length)?;
            (Key::of([before]) == offer.before).then(|| offer.completions.after(typed, cursor.several_lines)).flatten()
        })
    }

    /// Remembers what was offered at the cursor.
    pub fn keep(&self, owner: &str, cursor: &Cursor, completions: &Completions) {
        let place = place(owner, cursor, &completions.voice);
        let offer = Offer {
            length: cursor.prefix.len(),
            before: Key::of([cursor.prefix.as_str()]),
            completions: completions.clone(),
        };
        let older = self.0.get(&place);
        let others = older.iter().flat_map(|offers| offers.iter()).filter(|older| older.before != offer.before);
        let offers = std::iter::once(offer.clone()).chain(others.cloned()).take(MOST_OFFERS).collect();
        self.0.insert(place, Arc::new(offers));
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.invalidate_all();
    }
}

/// All that matters to a completion but the text before the cursor.
fn place(owner: &str, cursor: &Cursor, voice: &Voice) -> Key {
    let count = cursor.suggestions.to_string();
    let known = [owner, voice.place.as_str(), &voice.model, &count, &cursor.language, &cursor.suffix];
    let around = [&cursor.context, &cursor.file_path].map(|text| text.as_deref().unwrap_or_default());
    let files = cursor.files.iter().flat_map(|file| [&*file.path, &*file.content]);
    Key::of(known.into_iter().chain(around).chain(files))
}
