//! Who asks: the profiles that are saved, one for each owner of a history.

use crate::app::App;
use crate::error::Error;
use crate::generate::profile::Profile;

impl App {
    /// The saved profile of `owner`; the default one where none is saved.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn profile(&self, owner: &str) -> Result<Profile, Error> {
        let saved = self.store.profile(owner).await?;
        // One of another version, with values that this one does not know, counts as none.
        Ok(saved.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
    }

    /// Saves the profile of `owner`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn save_profile(&self, owner: &str, profile: &Profile) -> Result<(), Error> {
        let json = serde_json::to_string(profile).expect("a profile is plain values");
        Ok(self.store.save_profile(owner, &json).await?)
    }
}
