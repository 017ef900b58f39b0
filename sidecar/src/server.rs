//! Composition root: opens the data folder and the store, assembles the parts, and serves the API until shutdown.

mod connections;
mod listeners;
mod retention;

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use handshake::Exit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::keys::{self, Key, Keys, Pepper, load_or_create_key};
use crate::access::rate_limit::RateLimiters;
use crate::assistant::Assistant;
use crate::assistant::complete::{EditorSessions, SuggestionCache};
use crate::assistant::profiles::Profiles;
use crate::config::Config;
use crate::http::state::{AppState, Handles};
use crate::hub::{Hub, OnInstalled};
use crate::inference::ModelRouter;
use crate::inference::response_cache::ResponseCache;
use crate::instance::{self, InstanceLock};
use crate::logging::log_reader::LogReader;
use crate::metrics::error_log::ErrorLog;
use crate::metrics::history::{CacheTotals, MetricsHistory, Point};
use crate::metrics::latency::EndpointLatency;
use crate::metrics::{Metrics, Totals};
use crate::models::Models;
use crate::remote::Remote;
use crate::store::Store;
use crate::system::disk_usage::DiskUsage;
use crate::{doctor, http, settings, system, tls};

pub use self::listeners::Listeners;

/// How long answers may take to be stored at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Retention of completions and their outcomes.
const COMPLETION_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// The exit code for the desktop app.
    pub exit: Exit,
    message: String,
}

impl StartError {
    /// An error that ends the process with `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl From<instance::Error> for StartError {
    fn from(error: instance::Error) -> Self {
        Self::new(Exit::Store, error.to_string())
    }
}

impl From<tls::Error> for StartError {
    fn from(error: tls::Error) -> Self {
        Self::new(Exit::Config, error.to_string())
    }
}

/// What a process opens the data folder for.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// To serve the API with a model.
    Serve {
        /// The desktop app's key of this launch, if it started the process.
        window: Option<&'a Key>,
    },
    /// To change what is stored, for which no model is needed.
    Manage,
}

/// A server: the locked data folder, and the state of its request handlers.
#[derive(Debug)]
pub struct Server {
    /// The state of the request handlers.
    pub app: AppState,
    /// The installation's own key, for programs of this user on this machine.
    pub key: Key,
    lock: InstanceLock,
}

impl Server {
    /// Opens the data folder and the store, and starts to load the model unless [`Mode`] makes that needless.
    ///
    /// # Errors
    /// When the folder or the database cannot be used, or another HAPA uses them.
    pub async fn open(config: &Config, mode: Mode<'_>, shutdown: CancellationToken) -> Result<Self, StartError> {
        let store_problem = |message: String| StartError::new(Exit::Store, message);
        instance::create_data_folder(&config.data)?;
        let lock = InstanceLock::acquire(&config.data).await?;
        let _ = fs::create_dir_all(config.models());
        let store = Store::open(&config.database).await.map_err(|error| store_problem(error.to_string()))?;
        let window = if let Mode::Serve { window } = mode { window } else { None };
        let (keys, key) = keys(config, &store, window).await.map_err(|error| store_problem(error.to_string()))?;
        let long_ago = crate::base::time::now() - COMPLETION_RETENTION.as_millis() as i64;
        store.prune_completions(long_ago).await.map_err(|error| store_problem(error.to_string()))?;
        let settings = settings::Handle::open(store.clone(), config.default_settings(), config.settings.clone());
        let settings = settings.await.map_err(|error| store_problem(error.to_string()))?;
        let models = match mode {
            Mode::Serve { .. } => Models::start(config, settings.clone(), shutdown.clone()),
            Mode::Manage => Ok(Models::none(config, settings.clone())),
        };
        let models = models.map_err(|error| StartError::new(Exit::Config, error))?;
        let remote = Remote::new(config, settings.watch());
        if matches!(mode, Mode::Serve { .. }) {
            tokio::spawn(remote.clone().watch(config.health_check_interval, shutdown.clone()));
        }
        let rescan = models.clone();
        let hub = Hub::new(config, OnInstalled(Arc::new(move || rescan.rescan())));
        if matches!(mode, Mode::Serve { .. }) {
            hub.resume(shutdown.clone());
        }
        let tasks = TaskTracker::new();
        tasks.spawn(retention::watch(store.clone(), settings.clone(), models.clone(), shutdown.clone()));
        let health =
            doctor::watch(config.clone(), models.watch(), (settings.watch(), remote.watch_state()), shutdown.clone());
        let health = health.await;
        let assistant = Assistant {
            router: ModelRouter::new(models.clone(), remote.clone(), settings.clone()),
            cache: ResponseCache::new(settings.clone()),
            store: store.clone(),
            profiles: Profiles::new(store.clone()),
            suggestions: SuggestionCache::default(),
            sessions: EditorSessions::default(),
            metrics: Metrics::default(),
            settings: settings.clone(),
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
        };
        let app = AppState::from(Handles {
            health,
            metrics: assistant.metrics.clone(),
            latency: EndpointLatency::default(),
            history: MetricsHistory::open(&store).await,
            log: LogReader::of(&config.log_file()),
            disk_usage: DiskUsage::new(config.data.clone(), config.data_parts()),
            error_log: ErrorLog::start(store.clone(), &tasks, shutdown.clone()),
            hub,
            models,
            remote,
            keys,
            hosts: http::AllowedHosts::new(config.host, &config.trusted_hosts),
            limits: RateLimiters::new(settings.clone()),
            csrf_protection: config.csrf_protection,
            security_headers: config.security_headers,
            system: system::watch(store.clone(), config.data.clone(), shutdown.clone()).await,
            store: store.clone(),
            origins: origins(config),
            settings,
            started: Instant::now(),
            assistant,
        });
        if matches!(mode, Mode::Serve { .. }) {
            let sampled = app.clone();
            tasks.spawn(app.history.clone().record(store, shutdown, move || sample(&sampled)));
        }
        Ok(Self { app, key, lock })
    }

    /// Checks whether the API may be served on the configured address: beyond this machine, it needs a key besides the
    /// installation's own.
    ///
    /// # Errors
    /// When it may not; the message says what to do.
    pub async fn check_bind_allowed(&self, config: &Config) -> Result<(), StartError> {
        let refused = |message: String| StartError::new(Exit::Config, message);
        let any = self.app.keys.has_external_keys().await.map_err(|error| refused(error.to_string()))?;
        if config.host.is_loopback() || any {
            return Ok(());
        }
        Err(refused(format!(
            "HOST is `{}`, which other machines can reach, and there is no key for them; make one with `hapa keys create`, \
             or leave HOST out to serve this machine only",
            config.host
        )))
    }

    /// Serves the API until the shutdown token is cancelled, and then until open requests are done, within a deadline.
    ///
    /// # Errors
    /// When the port of the API cannot be published.
    pub async fn serve(self, listeners: impl Into<Listeners>) -> io::Result<()> {
        let listeners = listeners.into();
        self.lock.publish(listeners.loopback_port()?)?;
        listeners.serve(&self.app).await;
        let Self { app, lock, .. } = self;
        app.assistant.tasks.close();
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, app.assistant.tasks.wait()).await;
        app.store.close().await;
        // A process that exits while a model is being loaded or run may crash.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, app.models.shut_down()).await;
        drop(app);
        drop(lock);
        Ok(())
    }
}

/// The accepted keys, and the installation's own key.
async fn keys(config: &Config, store: &Store, window: Option<&Key>) -> Result<(Keys, Key), keys::Error> {
    let pepper = Pepper::open(config.secret_key.as_ref(), &config.secret_file())?;
    let keys = Keys::new(store.clone(), pepper, config, window);
    let key = load_or_create_key(&config.key_file())?;
    keys.accept_installation_key(&key).await?;
    Ok((keys, key))
}

/// The current gauges, and the totals since the process started.
fn sample(app: &AppState) -> (Point, CacheTotals, Totals) {
    let (sample, load, models) = (*app.system.borrow(), app.models.queue_depth(), app.models.memory());
    let cache = app.assistant.cache.stats();
    let [queue_completion, queue_chat, queue_background] = load.waiting_by_priority.map(|waiting| waiting as u64);
    let gauges = Point {
        cpu: sample.cpu,
        memory: sample.memory_bytes,
        memory_total: sample.memory_total,
        process_memory: sample.process_memory,
        gpu: sample.graphics,
        gpu_memory: Some(models.gpu_bytes).filter(|bytes| *bytes > 0),
        budget_used: models.used_bytes,
        budget_limit: models.budget_bytes,
        queue_completion,
        queue_chat,
        queue_background,
        active: load.active as u64,
        ..Point::default()
    };
    (gauges, CacheTotals { hits: cache.hits, misses: cache.misses }, app.metrics.totals())
}

/// The window's own origins, and those of the configuration.
fn origins(config: &Config) -> Arc<[String]> {
    let own = ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"].map(str::to_owned);
    own.into_iter().chain(config.cors_origins.iter().cloned()).collect()
}
