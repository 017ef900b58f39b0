//! Updates of HAPA: check, download, verify and install.
//!
//! A package is installed only if it is signed with the publisher's key for exactly the announced version. Versions
//! that are not newer are ignored.

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

pub(crate) use self::endpoint::Channel;
use self::endpoint::UpdateEndpoint;
use crate::preferences::DesktopStateFile;

/// Delay of the first automatic check after the start, and the interval of the following ones.
const INITIAL_DELAY: Duration = Duration::from_secs(60);
const CHECK_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Timeout of a request to the update endpoint.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// Timeout of a download that receives no data.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum size of a package in bytes.
const MAX_PACKAGE_BYTES: u64 = 4 << 30;

/// Bytes between two progress reports of a download.
const PROGRESS_STEP_BYTES: u64 = 1 << 20;

/// The update status, as it is sent to the windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum UpdateStatus {
    /// No update endpoint is configured: the app was built from source.
    Unannounced,
    /// Not checked yet, or checks are turned off.
    Unknown,
    /// A check is running.
    Checking,
    /// This version is the newest.
    Current,
    /// An update is available.
    Found {
        /// Such as `1.2.0`.
        version: String,
        /// The publisher's release notes.
        notes: Option<String>,
        /// Whether the app can update itself. If not, the user updates it the way they installed it.
        installable: bool,
    },
    /// The package is being downloaded.
    Downloading {
        /// Such as `1.2.0`.
        version: String,
        /// Bytes received.
        received: u64,
        /// Size of the package in bytes, if known.
        total: Option<u64>,
    },
    /// The package is verified and being installed. HAPA restarts afterwards.
    Installing {
        /// Such as `1.2.0`.
        version: String,
    },
    /// The check or the installation failed. The current version stays in use.
    Failed {
        /// The step that failed.
        reason: UpdateFailure,
        /// The error message of the system or the library.
        detail: String,
    },
}

impl UpdateStatus {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Checking | Self::Downloading { .. } | Self::Installing { .. })
    }
}

/// The step of an update that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdateFailure {
    /// The update endpoint could not be reached.
    Unreachable,
    /// The download failed or was incomplete.
    NotDownloaded,
    /// The signature is missing, invalid, or for another version.
    NotTrusted,
    /// The package could not be installed.
    NotInstalled,
}

/// The updater plugin. No window has permission for its own commands.
pub(crate) fn plugin() -> TauriPlugin<Wry, Config> {
    tauri_plugin_updater::Builder::new().build()
}

/// Checks for updates, installs them and publishes the status.
pub(crate) struct Updater {
    endpoint: Option<UpdateEndpoint>,
    status: watch::Sender<UpdateStatus>,
    available: Mutex<Option<Update>>,
    cancelled: Notify,
}

/// Checks for updates after a short delay and then daily, if an update endpoint is configured.
pub(crate) fn check_periodically(app: AppHandle) {
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
    /// An updater with the endpoint of this build.
    pub(crate) fn new(app: &AppHandle) -> Self {
        let endpoint = UpdateEndpoint::from_config(app);
        let status = if endpoint.is_some() { UpdateStatus::Unknown } else { UpdateStatus::Unannounced };
        Self { endpoint, status: watch::Sender::new(status), available: Mutex::default(), cancelled: Notify::new() }
    }

    /// The current status.
    pub(crate) fn status(&self) -> UpdateStatus {
        self.status.borrow().clone()
    }

    /// A receiver for the next changes of the status.
    pub(crate) fn changes(&self) -> watch::Receiver<UpdateStatus> {
        self.status.subscribe()
    }

    /// Checks for a newer version in the user's channel. Does nothing while another operation runs.
    pub(crate) async fn check(&self, app: &AppHandle) {
        let Some(endpoint) = &self.endpoint else { return };
        if !self.try_start(UpdateStatus::Checking) {
            return;
        }
        let channel = app.state::<DesktopStateFile>().get().preferences.updates;
        let (available, status_if_none) = match endpoint.url(channel) {
            None => (None, UpdateStatus::Unknown),
            Some(url) => match request_update(app, endpoint, url).await {
                Ok(available) => (available, UpdateStatus::Current),
                // An update without a package for this platform counts as none.
                Err(Error::TargetNotFound(_) | Error::TargetsNotFound(_)) => (None, UpdateStatus::Current),
                // A previously found update stays available.
                Err(error) => (self.available_update(), failed(UpdateFailure::Unreachable, &error)),
            },
        };
        let status = available.as_ref().map_or(status_if_none, |update| found_status(app, update));
        *self.available.lock().unwrap_or_else(PoisonError::into_inner) = available;
        self.status.send_replace(status);
    }

    /// Downloads, verifies and installs the available update, then restarts HAPA.
    pub(crate) async fn install(&self, app: &AppHandle) {
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
        tracing::info!(version, "installing version {version}");
        // The plugin verifies the signature again, of the bytes that it writes.
        let installed = tauri::async_runtime::spawn_blocking(move || update.install(package)).await;
        match installed.map_err(Error::from).flatten() {
            Ok(()) => app.request_restart(),
            Err(error) => drop(self.status.send_replace(failed(UpdateFailure::NotInstalled, &error))),
        }
    }

    /// Cancels the download.
    pub(crate) fn cancel(&self) {
        self.cancelled.notify_waiters();
    }

    /// Enters a busy status; `false` if another operation is running.
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

    /// Downloads the package and verifies its signature.
    ///
    /// # Errors
    /// When the download fails, is larger than [`MAX_PACKAGE_BYTES`], or its signature is invalid.
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
            () = too_large.notified() => Err(Error::Network(format!("the package is larger than {MAX_PACKAGE_BYTES} bytes"))),
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
        // Some installers cannot replace running programs, so the sidecar is stopped first.
        .on_before_exit(move || crate::shut_down(&handle))
        .build()?;
    updater.check().await
}

/// The status for an available update.
fn found_status(app: &AppHandle, update: &Update) -> UpdateStatus {
    let (version, notes) = (update.version.clone(), update.body.clone());
    UpdateStatus::Found { version, notes, installable: supports_self_update(app) }
}

/// Whether the app can replace itself: it knows its bundle type or runs from an AppImage.
fn supports_self_update(app: &AppHandle) -> bool {
    platform::bundle_type().is_some() || app.env().appimage.is_some()
}

/// The failure for an error of the download.
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
    tracing::warn!("update failed ({reason:?}): {error}");
    UpdateStatus::Failed { reason, detail: error.to_string() }
}
