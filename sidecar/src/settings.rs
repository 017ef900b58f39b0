//! The user's settings: one table with types, defaults and bounds, stored in the database and applied immediately.
//!
//! An environment variable overrides the stored value, which then cannot be changed through the API.

pub mod endpoint;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use utoipa::ToSchema;

use self::endpoint::Endpoint;
use self::value::{Bounds, Value};
pub use self::value::{EnvError, LogLevel, RemoteModel, RemotePolicy, Update};
use crate::base::i18n::LocalizedText;
use crate::base::model_id::ModelId;
use crate::base::validation::ValidationErrors;
use crate::store::{self, Store};

/// The table of settings: name, type, default, bounds, and the environment variable that overrides it, if there is one.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $($variable:literal)?
        $(in $min:tt ..= $max:tt)?;)*) => {
        /// The effective settings.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
        pub struct Settings { $($(#[doc = $doc])+ $(#[schema(minimum = $min, maximum = $max)])? pub $name: $type,)* }

        /// A change of settings. Absent fields are unchanged; null resets a field to its default.
        #[derive(Debug, Default, Deserialize, ToSchema)]
        pub struct Patch {
            $($(#[doc = $doc])+ #[serde(default)] #[schema(value_type = Option<$type> $(, minimum = $min, maximum = $max)?)] pub $name: Update<$type>,)*
        }

        /// The environment overrides.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct EnvOverrides { $($(#[doc = $doc])+ pub $name: Option<$type>,)* }

        impl Default for Settings {
            fn default() -> Self { Self { $($name: $default,)* } }
        }

        impl EnvOverrides {
            /// The settings that environment variables override, and problems with others.
            #[must_use]
            pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> (Self, Vec<EnvError>) {
                let mut problems = Vec::new();
                let overrides = Self { $($name: value::read(
                    None$(.or(Some($variable)))?, Bounds(None$(.or(Some(($min, $max))))?), lookup, &mut problems),)* };
                (overrides, problems)
            }

            /// The names of the overridden settings, each with its variable.
            #[must_use]
            pub fn variables(&self) -> BTreeMap<&'static str, &'static str> {
                let mut variables = BTreeMap::new();
                $($(if self.$name.is_some() { variables.insert(stringify!($name), $variable); })?)*
                variables
            }

            /// Applies the environment overrides.
            pub fn apply(&self, settings: &mut Settings) {
                $(if let Some(value) = &self.$name { settings.$name = value.clone(); })*
            }
        }

        impl Patch {
            fn check(&self, overrides: &EnvOverrides) -> ValidationErrors {
                let mut invalid = ValidationErrors::default();
                $({
                    if let Update::Set(value) = &self.$name
                        && let Some(problem) = value.problem(Bounds(None$(.or(Some(($min, $max))))?)) {
                        invalid.add(stringify!($name), problem);
                    }
                    if overrides.$name.is_some() && !matches!(self.$name, Update::Unchanged) {
                        let variable = ""$(.to_owned() + $variable)?;
                        invalid.add(stringify!($name), LocalizedText::new(
                            format!("환경 변수 {variable}(으)로 정해져 있어 여기서 바꿀 수 없습니다"),
                            format!("is set by {variable} in the environment and cannot be changed here"),
                        ));
                    }
                })*
                invalid
            }

            /// The changes as rows of the database: JSON, or `None` for the default.
            fn changes(&self) -> Vec<(&'static str, Option<String>)> {
                let mut changes = Vec::new();
                $(match &self.$name {
                    Update::Unchanged => {}
                    Update::Reset => changes.push((stringify!($name), None)),
                    Update::Set(value) => changes.push((stringify!($name), Some(value::json(value)))),
                })*
                changes
            }
        }

        impl Settings {
            /// The defaults, overridden by the stored values. Stored values that are not valid any more are ignored.
            #[must_use]
            pub fn from_rows(defaults: Self, rows: &[(String, String)]) -> Self {
                let mut settings = defaults;
                for (name, json) in rows {
                    match name.as_str() {
                        $(stringify!($name) => match serde_json::from_str::<$type>(json) {
                            Ok(value) if value.problem(Bounds(None$(.or(Some(($min, $max))))?)).is_none() => settings.$name = value,
                            _ => tracing::warn!("the stored value of the setting {name} is invalid; its default is used"),
                        },)*
                        _ => tracing::debug!("the stored setting {name} is unknown to this version"),
                    }
                }
                settings
            }
        }
    };
}

settings! {
    /// Lifetime of cached answers in seconds; 0 turns the response cache off.
    cache_ttl: u32 = 1800, "CACHE_TTL" in 0..=2_592_000;
    /// Maximum number of cached answers; 0 turns the response cache off.
    cache_size: u32 = 1000, "MAX_CACHE_SIZE" in 0..=100_000;
    /// Idle timeout of a generation in seconds: it stops if no token arrives for this long.
    request_timeout: u32 = 30, "REQUEST_TIMEOUT" in 1..=3600;
    /// Whether rate limits apply. They never apply to the app's own key.
    rate_limit_enabled: bool = true, "RATE_LIMIT_ENABLED";
    /// Maximum number of requests per key and window.
    rate_limit: u32 = 100, "DEFAULT_RATE_LIMIT" in 1..=1_000_000;
    /// Maximum number of generations per key and window.
    rate_limit_generation: u32 = 50, in 1..=1_000_000;
    /// Maximum number of completions per key and window; null for no limit.
    rate_limit_completion: Option<u32> = None, in 1..=1_000_000;
    /// Maximum number of open streams per key.
    rate_limit_streams: u32 = 10, in 1..=1000;
    /// Maximum number of requests per address and day.
    rate_limit_per_address: u32 = 1000, in 1..=10_000_000;
    /// Length of the rate limit window, in minutes.
    rate_limit_window_minutes: u32 = 60, "RATE_LIMIT_WINDOW_MINUTES" in 1..=1440;
    /// Days until history entries are deleted; null for never.
    history_retention_days: Option<u32> = None, "HISTORY_RETENTION_DAYS" in 1..=36_500;
    /// The chat model, by its id in the list of models; null for the default one, or the first installed one.
    chat_model: Option<ModelId> = None,;
    /// The completion model; null for the chat model.
    completion_model: Option<ModelId> = None,;
    /// Memory budget of models in MiB, KV cache and buffers included; null for 60% of this machine's memory.
    memory_budget_mb: Option<u32> = None, "HAPA_MEMORY_BUDGET_MB" in 64..=16_777_216;
    /// Minutes without a request after which a model is unloaded; the next request loads it again. Null for never.
    idle_unload_minutes: Option<u32> = None, in 1..=10_080;
    /// Maximum size of the KV cache on disk in MiB, which speeds up conversations after a restart; 0 turns it off.
    saved_states_mb: u32 = 1024, in 0..=1_048_576;
    /// Which models answer: local ones only, local ones with the remote server as the fallback, or the remote server
    /// only.
    remote_policy: RemotePolicy = RemotePolicy::LocalOnly,;
    /// URL of an OpenAI-compatible remote server. `http://` is accepted for this machine only.
    remote_endpoint: Option<Endpoint> = None, "AI_MODEL_ENDPOINT";
    /// Model of the remote server, by its name there; null for the first in its list.
    remote_model: Option<RemoteModel> = None,;
    /// Port of the API; null for 8000, or the next free port. A change takes effect at the next start.
    port: Option<u32> = None, "PORT" in 1..=65_535;
    /// Log filter, such as `info` or `info,sqlx=warn`.
    log_level: LogLevel = LogLevel::default(), "LOG_LEVEL";
}

/// Why settings could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Values are out of bounds, or overridden by the environment.
    #[error("invalid settings: {0:?}")]
    Invalid(#[from] ValidationErrors),
    /// The database failed.
    #[error("the settings could not be read or written")]
    Store(#[from] store::Error),
}

/// A handle to the settings. Clones share them.
#[derive(Debug, Clone)]
pub struct Handle {
    store: Store,
    defaults: Arc<Settings>,
    overrides: Arc<EnvOverrides>,
    current: Arc<watch::Sender<Arc<Settings>>>,
    /// The effective settings at the start of the process.
    first: Arc<Settings>,
    /// Serialises changes, so that the effective settings are those written last.
    changing: Arc<Mutex<()>>,
}

impl Handle {
    /// Loads the stored settings. `defaults` apply where none is stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(store: Store, defaults: Settings, overrides: EnvOverrides) -> Result<Self, store::Error> {
        let settings = effective(&store, &defaults, &overrides).await?;
        let first = Arc::new(settings);
        let current = Arc::new(watch::Sender::new(Arc::clone(&first)));
        let (defaults, overrides) = (Arc::new(defaults), Arc::new(overrides));
        Ok(Self { store, defaults, overrides, current, first, changing: Arc::default() })
    }

    /// The effective settings.
    #[must_use]
    pub fn current(&self) -> Arc<Settings> {
        self.current.borrow().clone()
    }

    /// The effective settings, as they change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Settings>> {
        self.current.subscribe()
    }

    /// Changed settings that take effect at the next start.
    #[must_use]
    pub fn waiting_for_restart(&self) -> Vec<&'static str> {
        if self.current().port == self.first.port { Vec::new() } else { vec!["port"] }
    }

    /// The environment overrides.
    #[must_use]
    pub fn overrides(&self) -> &EnvOverrides {
        &self.overrides
    }

    /// Validates a change.
    ///
    /// # Errors
    /// Values out of bounds, or overridden by the environment.
    pub fn check(&self, patch: &Patch) -> Result<(), Error> {
        Ok(patch.check(&self.overrides).into_result()?)
    }

    /// Changes settings: stores and applies them.
    ///
    /// # Errors
    /// Values out of bounds, or overridden by the environment; then nothing is changed.
    pub async fn change(&self, patch: &Patch) -> Result<Arc<Settings>, Error> {
        self.check(patch)?;
        let _turn = self.changing.lock().await;
        self.store.save_settings(&patch.changes()).await?;
        let settings = Arc::new(effective(&self.store, &self.defaults, &self.overrides).await?);
        self.current.send_replace(Arc::clone(&settings));
        Ok(settings)
    }
}

async fn effective(store: &Store, defaults: &Settings, overrides: &EnvOverrides) -> Result<Settings, store::Error> {
    let mut settings = Settings::from_rows(defaults.clone(), &store.settings().await?);
    overrides.apply(&mut settings);
    Ok(settings)
}
