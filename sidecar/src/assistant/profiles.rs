//! The saved profiles of users, one per owner of a history.

pub mod profile;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use self::profile::Profile;
use crate::store::{self, Store};

/// Maximum number of profiles cached in memory.
const MAX_CACHED: usize = 1000;

/// Profiles in the store, with a cache. Clones share them.
#[derive(Debug, Clone)]
pub struct Profiles {
    store: Store,
    cached: Arc<Mutex<HashMap<String, Profile>>>,
}

impl Profiles {
    /// The profiles in `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, cached: Arc::default() }
    }

    /// The saved profile of `owner`; the default one where none is saved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(&self, owner: &str) -> Result<Profile, store::Error> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner).get(owner).cloned();
        if let Some(profile) = cached {
            return Ok(profile);
        }
        let saved = self.store.profile(owner).await?;
        // A profile of another version, with values that this version does not know, counts as absent.
        let profile = saved.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        self.cache(owner, &profile);
        Ok(profile)
    }

    /// Saves the profile of `owner`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save(&self, owner: &str, profile: &Profile) -> Result<(), store::Error> {
        let json = serde_json::to_string(profile).expect("a profile is plain values");
        self.store.save_profile(owner, &json).await?;
        self.cache(owner, profile);
        Ok(())
    }

    fn cache(&self, owner: &str, profile: &Profile) {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= MAX_CACHED {
            cached.clear();
        }
        cached.insert(owner.to_owned(), profile.clone());
    }
}
