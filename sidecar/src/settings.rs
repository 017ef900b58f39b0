//! What the user has chosen: one table of settings with their bounds, kept in the database, in force as soon as they change.
//!
//! A variable of the environment that is set for this process wins over what is kept, and cannot be changed from inside.

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

/// The table of settings: name, type, default, bounds, and the variable of the environment that decides it, if there is one.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $($variable:literal)?
        $(in $least:tt ..= $most:tt)?;)*) => {
        /// What is in force.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
        pub struct Settings { $($(#[doc = $doc])+ $(#[schema(minimum = $least, maximum = $most)])? pub $name: $type,)* }

        /// What to change. Absent fields stay; null brings the default back.
        #[derive(Debug, Default, Deserialize, ToSchema)]
        pub struct Patch {
            $($(#[doc = $doc])+ #[serde(default)] #[schema(value_type = Option<$type> $(, minimum = $least, maximum = $most)?)] pub $name: Update<$type>,)*
        }

        /// What the environment decides.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct EnvOverrides { $($(#[doc = $doc])+ pub $name: Option<$type>,)* }

        impl Default for Settings {
            fn default() -> Self { Self { $($name: $default,)* } }
        }

        impl EnvOverrides {
            /// The settings that variables of the environment decide, and what is wrong with others.
            #[must_use]
            pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> (Self, Vec<EnvError>) {
                let mut problems = Vec::new();
                let overrides = Self { $($name: value::read(
                    None$(.or(Some($variable)))?, Bounds(None$(.or(Some(($least, $most))))?), lookup, &mut problems),)* };
                (overrides, problems)
            }

            /// The names of the settings that the environment decides, each with its variable.
            #[must_use]
            pub fn variables(&self) -> BTreeMap<&'static str, &'static str> {
                let mut variables = BTreeMap::new();
                $($(if self.$name.is_some() { variables.insert(stringify!($name), $variable); })?)*
                variables
            }

            /// Puts the values of the environment in the place of others.
            pub fn apply(&self, settings: &mut Settings) {
                $(if let Some(value) = &self.$name { settings.$name = value.clone(); })*
            }
        }

        impl Patch {
            fn check(&self, overrides: &EnvOverrides) -> ValidationErrors {
                let mut invalid = ValidationErrors::default();
                $({
                    if let Update::Set(value) = &self.$name
                        && let Some(problem) = value.problem(Bounds(None$(.or(Some(($least, $most))))?)) {
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

            /// The changes as the database keeps them: JSON, or nothing for the default.
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
            /// The defaults, with what the database keeps instead. What it keeps that is not valid any more is left out.
            #[must_use]
            pub fn from_rows(defaults: Self, rows: &[(String, String)]) -> Self {
                let mut settings = defaults;
                for (name, json) in rows {
                    match name.as_str() {
                        $(stringify!($name) => match serde_json::from_str::<$type>(json) {
                            Ok(value) if value.problem(Bounds(None$(.or(Some(($least, $most))))?)).is_none() => settings.$name = value,
                            _ => tracing::warn!("the setting {name} is kept with a value that is not valid; its default counts"),
                        },)*
                        _ => tracing::debug!("the setting {name} is kept, and this version does not know it"),
                    }
                }
                settings
            }
        }
    };
}

settings! {
    /// Seconds that a finished answer can be given again; 0 turns the cache off.
    cache_ttl: u32 = 1800, "CACHE_TTL" in 0..=2_592_000;
    /// Answers in the cache at most; 0 turns the cache off.
    cache_size: u32 = 1000, "MAX_CACHE_SIZE" in 0..=100_000;
    /// A generation ends when no token comes for so many seconds.
    request_timeout: u32 = 30, "REQUEST_TIMEOUT" in 1..=3600;
    /// Whether requests are limited. The app's own key never is.
    rate_limit_enabled: bool = true, "RATE_LIMIT_ENABLED";
    /// Requests of a key in a window.
    rate_limit: u32 = 100, "DEFAULT_RATE_LIMIT" in 1..=1_000_000;
    /// Generations of a key in a window.
    rate_limit_generation: u32 = 50, in 1..=1_000_000;
    /// Completions of a key in a window; null for any number.
    rate_limit_completion: Option<u32> = None, in 1..=1_000_000;
    /// Streams that a key may have open at a time.
    rate_limit_streams: u32 = 10, in 1..=1000;
    /// Requests from one address in a day.
    rate_limit_per_address: u32 = 1000, in 1..=10_000_000;
    /// Minutes of a window.
    rate_limit_window_minutes: u32 = 60, "RATE_LIMIT_WINDOW_MINUTES" in 1..=1440;
    /// Days that the history is kept; null for ever.
    history_retention_days: Option<u32> = None, "HISTORY_RETENTION_DAYS" in 1..=36_500;
    /// The model that chats and generates, by its id in the list of models; null for the default one, or the first there is.
    chat_model: Option<ModelId> = None,;
    /// The model that completes code; null for the one that chats.
    completion_model: Option<ModelId> = None,;
    /// Mebibytes of main memory that models may take with everything around them; null for six tenths of this machine's.
    memory_budget_mb: Option<u32> = None, "HAPA_MEMORY_BUDGET_MB" in 64..=16_777_216;
    /// Minutes without a request after which a model leaves memory; the next request brings it back. Null for never.
    idle_unload_minutes: Option<u32> = None, in 1..=10_080;
    /// Mebibytes on the disk for what the model has read of conversations, so that they go on quickly after a restart; 0 for none.
    saved_states_mb: u32 = 1024, in 0..=1_048_576;
    /// Who answers: the models of this machine only, these and then the remote server, or the remote server.
    remote_policy: RemotePolicy = RemotePolicy::LocalOnly,;
    /// The remote server: an OpenAI-compatible one by its address. `http://` is for this machine only.
    remote_endpoint: Option<Endpoint> = None, "AI_MODEL_ENDPOINT";
    /// The remote server's model, by its name there; null for the first that it lists.
    remote_model: Option<RemoteModel> = None,;
    /// The port of the API; null for 8000, or the next one that is free. A change counts from the next start on.
    port: Option<u32> = None, "PORT" in 1..=65_535;
    /// Which log lines are written, such as `info` or `info,sqlx=warn`.
    log_level: LogLevel = LogLevel::default(), "LOG_LEVEL";
}

/// Why settings could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Values are out of bounds, or decided by the environment.
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
    /// What was in force when the process started.
    first: Arc<Settings>,
    /// One change at a time, so that what is in force is what was written last.
    changing: Arc<Mutex<()>>,
}

impl Handle {
    /// Reads what is kept. `defaults` count where nothing is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(store: Store, defaults: Settings, overrides: EnvOverrides) -> Result<Self, store::Error> {
        let settings = effective(&store, &defaults, &overrides).await?;
        let first = Arc::new(settings);
        let current = Arc::new(watch::Sender::new(Arc::clone(&first)));
        let (defaults, overrides) = (Arc::new(defaults), Arc::new(overrides));
        Ok(Self { store, defaults, overrides, current, first, changing: Arc::default() })
    }

    /// What is in force now.
    #[must_use]
    pub fn current(&self) -> Arc<Settings> {
        self.current.borrow().clone()
    }

    /// What is in force, as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Settings>> {
        self.current.subscribe()
    }

    /// Settings that have changed and count from the next start on.
    #[must_use]
    pub fn waiting_for_restart(&self) -> Vec<&'static str> {
        if self.current().port == self.first.port { Vec::new() } else { vec!["port"] }
    }

    /// What the environment decides.
    #[must_use]
    pub fn overrides(&self) -> &EnvOverrides {
        &self.overrides
    }

    /// Checks a patch by itself.
    ///
    /// # Errors
    /// Values out of bounds, or decided by the environment.
    pub fn check(&self, patch: &Patch) -> Result<(), Error> {
        Ok(patch.check(&self.overrides).into_result()?)
    }

    /// Changes settings, keeps them, and puts them in force.
    ///
    /// # Errors
    /// Values out of bounds, or decided by the environment; then nothing is changed.
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
