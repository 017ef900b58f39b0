//! New versions of HAPA: whether there is one, and putting it in the place of this one.
//!
//! What is installed carries the signature of whoever packaged this program, made for the version that was announced. A version that is
//! not newer is none.

mod endpoint;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tauri::plugin::TauriPlugin;
use tauri::utils::platform;
use tauri::{AppHandle, Manager, Wry};
use tauri_plugin_updater::{Config, Error, Update, UpdaterExt};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

pub use self::endpoint::Channel;
use self::endpoint::UpdateEndpoint;
use crate::preferences::DesktopStateFile;

/// From the start to the first time that somebody is asked, and from then on.
const INITIAL_DELAY: Duration = Duration::from_secs(60);
const CHECK_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// How long whoever announces versions may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a download may stand still.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of the largest package.
const MAX_PACKAGE_BYTES: u64 = 4 << 30;

/// Bytes between two reports of a download.
const PROGRESS_STEP_BYTES: u64 = 1 << 20;

/// How it is about new versions, as the windows are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UpdateStatus {
    /// Nobody announces versions to this program: it was built from source.
    Unannounced,
    /// Nobody was asked yet, or nobody is to be.
    Unknown,
    /// Somebody is being asked.
    Checking,
    /// There is none that is newer.
    Current,
    /// There is one.
    Found {
        /// Such as `1.2.0`.
        version: String,
        /// What is new in it, in the words of whoever announces it.
        notes: Option<String>,
        /// Whether this program can put it in its own place. If not, it is updated in the way that it was installed.
        installable: bool,
    },
    /// It is coming.
    Downloading {
        /// Such as `1.2.0`.
        version: String,
        /// Bytes that are here.
        received: u64,
        /// Bytes in all, if they are known.
        total: Option<u64>,
    },
    /// It was checked, and is being put in the place of this one. HAPA starts again afterwards.
    Installing {
        /// Such as `1.2.0`.
        version: String,
    },
    /// That did not work. This version goes on.
    Failed {
        /// What did not.
        reason: UpdateFailure,
        /// In words of the system.
        detail: String,
    },
}

impl UpdateStatus {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Checking | Self::Downloading { .. } | Self::Installing { .. })
    }
}

/// What did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateFailure {
    /// Nobody could be asked.
    Unreachable,
    /// It did not come as a whole.
    NotDownloaded,
    /// It does not carry the signature that it has to.
    NotTrusted,
    /// It could not be put in the place of this one.
    NotInstalled,
}

/// What tells of versions and installs them. Its own commands are allowed to no window.
pub fn plugin() -> TauriPlugin<Wry, Config> {
    tauri_plugin_updater::Builder::new().build()
}

/// How it is about new versions, and the verbs on that.
pub struct Updater {
    endpoint: Option<UpdateEndpoint>,
    status: watch::Sender<UpdateStatus>,
    available: Mutex<Option<Update>>,
    cancelled: Notify,
}

/// Asks by itself, soon and then every day, if anybody announces anything.
pub fn check_periodically(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        let updater = app.state::<Updater>();
        if updater.endpoint.is_none() {
            return;
        }
        sleep(INITIAL_DELAY).await;
        loop {
            updater.check(&app).await;
            sleep(CHECK_INTERVAL).await;
        }
    });
}

impl Updater {
    /// Begins with what this program was packaged with.
    pub fn new(app: &AppHandle) -> Self {
        let endpoint = UpdateEndpoint::from_config(app);
        let status = if endpoint.is_some() { UpdateStatus::Unknown } else { UpdateStatus::Unannounced };
        Self { endpoint, status: watch::Sender::new(status), available: Mutex::default(), cancelled: Notify::new() }
    }

    /// How it is now.
    pub fn status(&self) -> UpdateStatus {
        self.status.borrow().clone()
    }

    /// Each change from here on.
    pub fn changes(&self) -> watch::Receiver<UpdateStatus> {
        self.status.subscribe()
    }

    /// Asks whether there is a newer version in the channel that the user has chosen.
    pub async fn check(&self, app: &AppHandle) {
        let Some(endpoint) = &self.endpoint else { return };
        if !self.try_start(UpdateStatus::Checking) {
            return;
        }
        let channel = app.state::<DesktopStateFile>().get().preferences.updates;
        let (found, otherwise) = match endpoint.url(channel) {
            None => (None, UpdateStatus::Unknown),
            Some(url) => match request_update(app, endpoint, url).await {
                Ok(found) => (found, UpdateStatus::Current),
                // One that was not made for this kind of computer is none either.
                Err(Error::TargetNotFound(_) | Error::TargetsNotFound(_)) => (None, UpdateStatus::Current),
                // What was found before is still there.
                Err(error) => (self.available_update(), failed(UpdateFailure::Unreachable, &error)),
            },
        };
        let status = found.as_ref().map_or(otherwise, |update| found_status(app, update));
        *self.available.lock().unwrap_or_else(PoisonError::into_inner) = found;
        self.status.send_replace(status);
    }

    /// Downloads what was found, checks it, puts it in the place of this program and starts HAPA again.
    pub async fn install(&self, app: &AppHandle) {
        let Some(update) = self.available_update() else { return };
        let version = update.version.clone();
        let downloading = UpdateStatus::Downloading { version: version.clone(), received: 0, total: None };
        if !supports_self_update(app) || !self.try_start(downloading) {
            return;
        }
        let downloaded = tokio::select! {
            downloaded = self.download(&update) => downloaded,
            () = self.cancelled.notified() => {
                self.status.send_replace(found_status(app, &update));
                return;
            }
        };
        let package = match downloaded {
            Ok(package) => package,
            Err(error) => {
                self.status.send_replace(failed(download_failure(&error), &error));
                return;
            }
        };
        self.status.send_replace(UpdateStatus::Installing { version: version.clone() });
        tracing::info!(version, "version {version} takes the place of this one");
        // It checks the signature once more, of the very bytes that it writes.
        let installed = tauri::async_runtime::spawn_blocking(move || update.install(package)).await;
        match installed.map_err(Error::from).flatten() {
            Ok(()) => app.request_restart(),
            Err(error) => drop(self.status.send_replace(failed(UpdateFailure::NotInstalled, &error))),
        }
    }

    /// Gives up a download.
    pub fn cancel(&self) {
        self.cancelled.notify_waiters();
    }

    /// Goes to a status in which something is done, unless something is done already.
    fn try_start(&self, status: UpdateStatus) -> bool {
        self.status.send_if_modified(|now| {
            let free = !now.is_busy();
            if free {
                *now = status;
            }
            free
        })
    }

    fn available_update(&self) -> Option<Update> {
        self.available.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The package, once its signature was checked.
    async fn download(&self, update: &Update) -> Result<Vec<u8>, Error> {
        let (mut received, mut reported) = (0, 0);
        let too_large = Notify::new();
        let on_chunk = |bytes: usize, total: Option<u64>| {
            received += bytes as u64;
            if received.max(total.unwrap_or_default()) > MAX_PACKAGE_BYTES {
                too_large.notify_one();
            } else if received >= reported + PROGRESS_STEP_BYTES {
                reported = received;
                let version = update.version.clone();
                self.status.send_replace(UpdateStatus::Downloading { version, received, total });
            }
        };
        tokio::select! {
            downloaded = update.download(on_chunk, || {}) => downloaded,
            () = too_large.notified() => Err(Error::Network(format!("it is larger than {MAX_PACKAGE_BYTES} bytes"))),
        }
    }
}

async fn request_update(app: &AppHandle, endpoint: &UpdateEndpoint, url: tauri::Url) -> Result<Option<Update>, Error> {
    let handle = app.clone();
    let updater = app
        .updater_builder()
        .endpoints(vec![url])?
        .pubkey(endpoint.key.as_str())
        .timeout(CHECK_TIMEOUT)
        .configure_client(|client| client.read_timeout(READ_TIMEOUT))
        // Where the installer cannot replace programs that run, nothing of HAPA runs while it does.
        .on_before_exit(move || crate::shut_down(&handle))
        .build()?;
    updater.check().await
}

/// What is said of a version that was found.
fn found_status(app: &AppHandle, update: &Update) -> UpdateStatus {
    let (version, notes) = (update.version.clone(), update.body.clone());
    UpdateStatus::Found { version, notes, installable: supports_self_update(app) }
}

/// Whether this program knows how it was installed, and so how to be replaced.
fn supports_self_update(app: &AppHandle) -> bool {
    platform::bundle_type().is_some() || app.env().appimage.is_some()
}

/// Why a download failed.
fn download_failure(error: &Error) -> UpdateFailure {
    match error {
        Error::Minisign(_)
        | Error::Base64(_)
        | Error::SignatureUtf8(_)
        | Error::SignedVersionMismatch { .. }
        | Error::MissingSignedVersion => UpdateFailure::NotTrusted,
        _ => UpdateFailure::NotDownloaded,
    }
}

fn failed(reason: UpdateFailure, error: &Error) -> UpdateStatus {
    tracing::warn!("updating HAPA failed ({reason:?}): {error}");
    UpdateStatus::Failed { reason, detail: error.to_string() }
}
