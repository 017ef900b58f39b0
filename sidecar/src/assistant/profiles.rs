//! Who asks: the profiles that are saved, one for each owner of a history.

pub mod profile;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use self::profile::Profile;
use crate::error::Error;
use crate::http::state::App;

/// Owners whose profiles are remembered.
const REMEMBERED: usize = 1000;

/// Profiles that were read already. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Profiles(Arc<Mutex<HashMap<String, Profile>>>);

impl Profiles {
    fn get(&self, owner: &str) -> Option<Profile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(owner).cloned()
    }

    fn put(&self, owner: &str, profile: &Profile) {
        let mut profiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if profiles.len() >= REMEMBERED {
            profiles.clear();
        }
        profiles.insert(owner.to_owned(), profile.clone());
    }
}

impl App {
    /// The saved profile of `owner`; the default one where none is saved.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn profile(&self, owner: &str) -> Result<Profile, Error> {
        if let Some(profile) = self.profiles.get(owner) {
            return Ok(profile);
        }
        let saved = self.store.profile(owner).await?;
        // One of another version, with values that this one does not know, counts as none.
        let profile = saved.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        self.profiles.put(owner, &profile);
        Ok(profile)
    }

    /// Saves the profile of `owner`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn save_profile(&self, owner: &str, profile: &Profile) -> Result<(), Error> {
        let json = serde_json::to_string(profile).expect("a profile is plain values");
        self.store.save_profile(owner, &json).await?;
        self.profiles.put(owner, profile);
        Ok(())
    }
}
