//! A process that serves the API: it takes the data folder for itself, binds a port, and ends when it is told to.

mod connections;
mod listeners;
mod tls;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use handshake::{Exit, InstanceFile};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answers::Answers;
use crate::app::{App, Handles, VERSION};
use crate::backend::Backend;
use crate::complete::{Offers, Sessions};
use crate::config::{Config, TlsFiles};
use crate::hub::Hub;
use crate::incidents::Incidents;
use crate::keys::{Key, Keys, Pepper, key_in};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::models::Models;
use crate::remote::Remote;
use crate::stats::Stats;
use crate::storage::Storage;
use crate::store::Store;
use crate::telemetry::tail::Tail;
use crate::timeline::Timeline;
use crate::users::Profiles;
use crate::{doctor, http, retention, settings, system};

pub use self::listeners::Listeners;

/// How long answers may take to be written to disk when the process ends.
const DRAIN: Duration = Duration::from_secs(5);

/// How long to wait for an earlier process on the same data folder to end.
const PATIENCE: Duration = Duration::from_secs(6);

/// How long it is kept what became of completions.
const COMPLETIONS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// The exit code that says so to the desktop app.
    pub exit: Exit,
    message: String,
}

impl StartError {
    /// An error that ends the process with `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

/// What a process opens the data folder for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// To serve the API with a model.
    Serve {
        /// The desktop app's key of this launch, if it started the process.
        window: Option<&'a Key>,
    },
    /// To change what is kept, for which no model is needed.
    Manage,
}

/// Everything that a serving process holds on to.
#[derive(Debug)]
pub struct House {
    /// What requests work with.
    pub app: App,
    /// The installation's own key, for programs of this user on this machine.
    pub key: Key,
    lock: DataLock,
}

impl House {
    /// Opens the data folder and the store, and starts to load the model if there is a use for it.
    ///
    /// # Errors
    /// When the folder or the database cannot be used, or another HAPA uses them.
    pub async fn open(config: &Config, purpose: Purpose<'_>, shutdown: CancellationToken) -> Result<Self, StartError> {
        let store_problem = |message: String| StartError::new(Exit::Store, message);
        make_data_folder(config)?;
        let lock = DataLock::take(&config.data).await?;
        let _ = fs::create_dir_all(config.models());
        let store = Store::open(&config.database).await.map_err(|error| store_problem(error.to_string()))?;
        let window = if let Purpose::Serve { window } = purpose { window } else { None };
        let (keys, key) = keys(config, &store, window).await.map_err(|error| store_problem(error.to_string()))?;
        let long_ago = crate::store::now() - COMPLETIONS_KEPT.as_millis() as i64;
        store.prune_completions(long_ago).await.map_err(|error| store_problem(error.to_string()))?;
        let settings = settings::Handle::open(store.clone(), config.default_settings(), config.settings.clone());
        let settings = settings.await.map_err(|error| store_problem(error.to_string()))?;
        let models = match purpose {
            Purpose::Serve { .. } => Models::start(config, settings.clone(), shutdown.clone()),
            Purpose::Manage => Ok(Models::none(config, settings.clone())),
        };
        let models = models.map_err(|error| StartError::new(Exit::Config, error))?;
        let remote = Remote::new(config, settings.watch());
        if matches!(purpose, Purpose::Serve { .. }) {
            tokio::spawn(remote.clone().watch(config.health_check_interval, shutdown.clone()));
        }
        let hub = Hub::new(config, models.clone());
        if matches!(purpose, Purpose::Serve { .. }) {
            hub.resume(shutdown.clone());
        }
        let work = TaskTracker::new();
        work.spawn(retention::watch(store.clone(), settings.clone(), models.clone(), shutdown.clone()));
        let checkup =
            doctor::watch(config.clone(), models.watch(), (settings.watch(), remote.states()), shutdown.clone());
        let checkup = checkup.await;
        let app = App::from(Handles {
            checkup,
            metrics: Metrics::default(),
            stats: Stats::default(),
            timeline: Timeline::open(&store).await,
            log: Tail::of(&config.log_file()),
            storage: Storage::of(config),
            incidents: Incidents::start(store.clone(), &work, shutdown.clone()),
            hub,
            backend: Backend::new(models.clone(), remote.clone(), settings.clone()),
            models,
            remote,
            keys,
            hosts: http::Hosts::new(config.host, &config.trusted_hosts),
            limits: Limits::new(settings.clone()),
            csrf_protection: config.csrf_protection,
            security_headers: config.security_headers,
            system: system::watch(store.clone(), config.data.clone(), shutdown.clone()).await,
            store,
            origins: origins(config),
            answers: Answers::new(settings.clone()),
            sessions: Sessions::default(),
            offers: Offers::default(),
            profiles: Profiles::default(),
            settings,
            started: Instant::now(),
            shutdown,
            work,
        });
        if matches!(purpose, Purpose::Serve { .. }) {
            app.work.spawn(app.timeline.clone().watch(app.clone()));
        }
        Ok(Self { app, key, lock })
    }

    /// Whether the API may be served on the configured address: beyond this machine only if somebody made a key for it.
    ///
    /// # Errors
    /// When it may not; the message says what to do.
    pub async fn may_listen(&self, config: &Config) -> Result<(), StartError> {
        let refused = |message: String| StartError::new(Exit::Config, message);
        let any = self.app.keys.any_made().await.map_err(|error| refused(error.to_string()))?;
        if config.host.is_loopback() || any {
            return Ok(());
        }
        Err(refused(format!(
            "HOST is `{}`, which other machines can reach, and there is no key for them; make one with `hapa keys create`, \
             or leave HOST out to serve this machine only",
            config.host
        )))
    }

    /// Serves the API until the shutdown token is cancelled, and then until open work is done, within a deadline.
    ///
    /// # Errors
    /// When the place of the API cannot be written down.
    pub async fn serve(self, listeners: impl Into<Listeners>) -> io::Result<()> {
        let listeners = listeners.into();
        self.lock.announce(listeners.own_port()?)?;
        listeners.serve(&self.app).await;
        let Self { app, lock, .. } = self;
        app.work.close();
        let _ = tokio::time::timeout(DRAIN, app.work.wait()).await;
        app.store.close().await;
        // A process that ends under the hands of a model may crash.
        let _ = tokio::time::timeout(DRAIN, app.models.end()).await;
        drop(app);
        drop(lock);
        Ok(())
    }
}

/// The keys that are accepted, and the installation's own among them.
async fn keys(config: &Config, store: &Store, window: Option<&Key>) -> Result<(Keys, Key), crate::error::Error> {
    let pepper = Pepper::open(config.secret_key.as_ref(), &config.secret_file())?;
    let keys = Keys::new(store.clone(), pepper, config, window);
    let key = key_in(&config.key_file())?;
    keys.accept_installation_key(&key).await?;
    Ok((keys, key))
}

/// The window's own pages, and those that the user trusts.
fn origins(config: &Config) -> Arc<[String]> {
    let own = ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"].map(str::to_owned);
    own.into_iter().chain(config.cors_origins.iter().cloned()).collect()
}

/// The data folder, taken by this process alone for as long as this lives.
#[derive(Debug)]
struct DataLock {
    data: PathBuf,
    _file: File,
}

impl DataLock {
    async fn take(data: &Path) -> Result<Self, StartError> {
        let path = data.join("lock");
        let problem =
            |error: io::Error| StartError::new(Exit::Store, format!("could not open `{}`: {error}", path.display()));
        let file = File::options().create(true).append(true).open(&path).map_err(problem)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { data: data.to_owned(), _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let message =
                        format!("another HAPA already uses `{}`; `hapa status` shows where it is", data.display());
                    return Err(StartError::new(Exit::Store, message));
                }
                Err(TryLockError::Error(error)) => return Err(problem(error)),
            }
        }
    }

    /// Writes down where the API is, for editors and for `hapa status`.
    fn announce(&self, port: u16) -> io::Result<()> {
        let found = InstanceFile { port, pid: std::process::id(), version: VERSION.into() };
        let fresh = self.data.join("sidecar.json.new");
        fs::write(&fresh, handshake::encode_line(&found))?;
        fs::rename(fresh, InstanceFile::path(&self.data))
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(InstanceFile::path(&self.data));
    }
}

/// The HAPA that serves this data folder now, if one does. A file left by a crash is not believed: its port may be anybody's.
#[must_use]
pub fn running(data: &Path) -> Option<InstanceFile> {
    let file = File::options().append(true).open(data.join("lock")).ok()?;
    if file.try_lock().is_ok() {
        return None;
    }
    serde_json::from_str(&fs::read_to_string(InstanceFile::path(data)).ok()?).ok()
}

/// What is wrong with the certificate and its key, if anything is.
#[must_use]
pub fn certificate_problem(files: &TlsFiles) -> Option<String> {
    tls::acceptor(files).err().map(|error| error.to_string())
}

/// Makes the data folder, which only its owner can read.
///
/// # Errors
/// When it cannot be made.
pub fn make_data_folder(config: &Config) -> Result<(), StartError> {
    private_folder(&config.data).map_err(|error| {
        let message = format!("could not make the data folder `{}`: {error}", config.data.display());
        StartError::new(Exit::Store, message)
    })
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
