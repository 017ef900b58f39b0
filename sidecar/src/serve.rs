//! A process that serves the API: it takes the data folder for itself, binds a port, and ends when it is told to.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::serve::ListenerExt;
use handshake::{DEFAULT_PORT, Discovery, Exit};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answers::Answers;
use crate::app::{App, VERSION};
use crate::complete::Sessions;
use crate::config::Config;
use crate::incidents::Incidents;
use crate::keys::{Key, Keys, installation_key};
use crate::metrics::Metrics;
use crate::stats::Stats;
use crate::store::Store;
use crate::{http, models, settings, system};

/// How long connections may stay open when the process ends. Streams end by themselves at once; what is left is a browser's
/// connection that never carried a request.
const HANG_UP: Duration = Duration::from_secs(1);

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
    /// Opens the data folder and the store, and starts to load the model. `window` is the desktop app's key of this launch.
    ///
    /// # Errors
    /// When the folder or the database cannot be used, or another HAPA uses them.
    pub async fn open(config: &Config, window: Option<&Key>, shutdown: CancellationToken) -> Result<Self, StartError> {
        let store_problem = |message: String| StartError::new(Exit::Store, message);
        make_data_folder(config)?;
        let lock = DataLock::take(&config.data).await?;
        let _ = fs::create_dir_all(config.models());
        let store = Store::open(&config.database).await.map_err(|error| store_problem(error.to_string()))?;
        let key =
            installation_key(&store, &config.key_file()).await.map_err(|error| store_problem(error.to_string()))?;
        let long_ago = crate::store::now() - COMPLETIONS_KEPT.as_millis() as i64;
        store.prune_completions(long_ago).await.map_err(|error| store_problem(error.to_string()))?;
        let settings = settings::Handle::open(store.clone(), config.settings.clone());
        let settings = settings.await.map_err(|error| store_problem(error.to_string()))?;
        let engine = models::start(config).map_err(|error| StartError::new(Exit::Config, error))?;
        let work = TaskTracker::new();
        let app = App {
            metrics: Metrics::default(),
            stats: Stats::default(),
            incidents: Incidents::start(store.clone(), &work, shutdown.clone()),
            engine,
            keys: Keys::new(store.clone(), window),
            system: system::watch(store.clone(), config.data.clone(), shutdown.clone()).await,
            store,
            origins: origins(config),
            answers: Answers::new(settings.clone()),
            sessions: Sessions::default(),
            settings,
            started: Instant::now(),
            shutdown,
            work,
        };
        Ok(Self { app, key, lock })
    }

    /// Serves the API until the shutdown token is cancelled, and then until open work is done, within a deadline.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        self.lock.announce(address)?;
        let shutdown = self.app.shutdown.clone();
        let router = http::router(self.app.clone());
        // A token that waits for a full packet is a token late.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let server = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let deadline = async {
            shutdown.cancelled().await;
            tokio::time::sleep(HANG_UP).await;
        };
        tokio::select! {
            ended = server.into_future() => ended?,
            () = deadline => tracing::debug!("some connections were still open"),
        }
        let Self { app, lock, .. } = self;
        app.work.close();
        let _ = tokio::time::timeout(DRAIN, app.work.wait()).await;
        app.store.close().await;
        let mut engine = app.engine.watch();
        // With the last handle the engine's thread ends; a process that ends under its hands may crash.
        drop(app);
        let _ = tokio::time::timeout(DRAIN, async { while engine.changed().await.is_ok() {} }).await;
        drop(lock);
        Ok(())
    }
}

/// The window's own pages, and those that the user trusts.
fn origins(config: &Config) -> Arc<[String]> {
    let own = ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"].map(str::to_owned);
    own.into_iter().chain(config.cors_origins.iter().cloned()).collect()
}

/// Binds the port that was asked for; otherwise the documented one, or the next that is free.
///
/// # Errors
/// When the port that was asked for is taken, or none is free.
pub async fn bind(config: &Config) -> Result<TcpListener, StartError> {
    if let Some(port) = config.port {
        return TcpListener::bind((config.host, port)).await.map_err(|error| {
            let help = "choose another with PORT or --port, or end the program that has it";
            StartError::new(Exit::PortTaken, format!("could not listen on port {port}: {error}; {help}"))
        });
    }
    for port in (DEFAULT_PORT..DEFAULT_PORT + 100).chain([0]) {
        if let Ok(listener) = TcpListener::bind((config.host, port)).await {
            return Ok(listener);
        }
    }
    Err(StartError::new(Exit::PortTaken, format!("could not listen on any port of {}", config.host)))
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
    fn announce(&self, address: SocketAddr) -> io::Result<()> {
        let found = Discovery { port: address.port(), pid: std::process::id(), version: VERSION.into() };
        let fresh = self.data.join("sidecar.json.new");
        fs::write(&fresh, handshake::line(&found))?;
        fs::rename(fresh, Discovery::path(&self.data))
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(Discovery::path(&self.data));
    }
}

/// The HAPA that serves this data folder now, if one does. A file left by a crash is not believed: its port may be anybody's.
#[must_use]
pub fn running(data: &Path) -> Option<Discovery> {
    let file = File::options().append(true).open(data.join("lock")).ok()?;
    if file.try_lock().is_ok() {
        return None;
    }
    serde_json::from_str(&fs::read_to_string(Discovery::path(data)).ok()?).ok()
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
