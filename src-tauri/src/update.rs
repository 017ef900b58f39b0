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
use self::endpoint::Feed;
use crate::preferences::Memory;

/// From the start to the first time that somebody is asked, and from then on.
const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long whoever announces versions may take.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a download may stand still.
const STALL: Duration = Duration::from_secs(60);

/// Bytes of the largest package.
const LARGEST: u64 = 4 << 30;

/// Bytes between two reports of a download.
const STEP: u64 = 1 << 20;

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
        reason: Reason,
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
pub enum Reason {
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
pub struct Updates {
    feed: Option<Feed>,
    status: watch::Sender<UpdateStatus>,
    found: Mutex<Option<Update>>,
    stop: Notify,
}

/// Begins with what this program was packaged with.
pub fn open(app: &AppHandle) -> Updates {
    let feed = Feed::of(app);
    let status = if feed.is_some() { UpdateStatus::Unknown } else { UpdateStatus::Unannounced };
    Updates { feed, status: watch::Sender::new(status), found: Mutex::default(), stop: Notify::new() }
}

/// Asks by itself, soon and then every day, if anybody announces anything.
pub fn follow(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        let updates = app.state::<Updates>();
        if updates.feed.is_none() {
            return;
        }
        sleep(FIRST).await;
        loop {
            updates.check(&app).await;
            sleep(EVERY).await;
        }
    });
}

impl Updates {
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
        let Some(feed) = &self.feed else { return };
        if !self.begin(UpdateStatus::Checking) {
            return;
        }
        let channel = app.state::<Memory>().get().choices.updates;
        let (found, otherwise) = match feed.endpoint(channel) {
            None => (None, UpdateStatus::Unknown),
            Some(endpoint) => match ask(app, feed, endpoint).await {
                Ok(found) => (found, UpdateStatus::Current),
                // One that was not made for this kind of computer is none either.
                Err(Error::TargetNotFound(_) | Error::TargetsNotFound(_)) => (None, UpdateStatus::Current),
                // What was found before is still there.
                Err(error) => (self.found(), failed(Reason::Unreachable, &error)),
            },
        };
        let status = found.as_ref().map_or(otherwise, |update| told(app, update));
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        self.status.send_replace(status);
    }

    /// Downloads what was found, checks it, puts it in the place of this program and starts HAPA again.
    pub async fn install(&self, app: &AppHandle) {
        let Some(update) = self.found() else { return };
        let version = update.version.clone();
        let begun = UpdateStatus::Downloading { version: version.clone(), received: 0, total: None };
        if !replaces_itself(app) || !self.begin(begun) {
            return;
        }
        let downloaded = tokio::select! {
            downloaded = self.download(&update) => downloaded,
            () = self.stop.notified() => {
                self.status.send_replace(told(app, &update));
                return;
            }
        };
        let package = match downloaded {
            Ok(package) => package,
            Err(error) => {
                self.status.send_replace(failed(reason(&error), &error));
                return;
            }
        };
        self.status.send_replace(UpdateStatus::Installing { version: version.clone() });
        tracing::info!(version, "version {version} takes the place of this one");
        // It checks the signature once more, of the very bytes that it writes.
        let installed = tauri::async_runtime::spawn_blocking(move || update.install(package)).await;
        match installed.map_err(Error::from).flatten() {
            Ok(()) => app.request_restart(),
            Err(error) => drop(self.status.send_replace(failed(Reason::NotInstalled, &error))),
        }
    }

    /// Gives up a download.
    pub fn cancel(&self) {
        self.stop.notify_waiters();
    }

    /// Goes to a status in which something is done, unless something is done already.
    fn begin(&self, status: UpdateStatus) -> bool {
        self.status.send_if_modified(|now| {
            let free = !now.is_busy();
            if free {
                *now = status;
            }
            free
        })
    }

    fn found(&self) -> Option<Update> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The package, once its signature was checked.
    async fn download(&self, update: &Update) -> Result<Vec<u8>, Error> {
        let (mut received, mut told) = (0, 0);
        let too_large = Notify::new();
        let on_part = |bytes: usize, total: Option<u64>| {
            received += bytes as u64;
            if received.max(total.unwrap_or_default()) > LARGEST {
                too_large.notify_one();
            } else if received >= told + STEP {
                told = received;
                let version = update.version.clone();
                self.status.send_replace(UpdateStatus::Downloading { version, received, total });
            }
        };
        tokio::select! {
            downloaded = update.download(on_part, || {}) => downloaded,
            () = too_large.notified() => Err(Error::Network(format!("it is larger than {LARGEST} bytes"))),
        }
    }
}

async fn ask(app: &AppHandle, feed: &Feed, endpoint: tauri::Url) -> Result<Option<Update>, Error> {
    let handle = app.clone();
    let updater = app
        .updater_builder()
        .endpoints(vec![endpoint])?
        .pubkey(feed.key.as_str())
        .timeout(ANSWER)
        .configure_client(|client| client.read_timeout(STALL))
        // Where the installer cannot replace programs that run, nothing of HAPA runs while it does.
        .on_before_exit(move || crate::end(&handle))
        .build()?;
    updater.check().await
}

/// What is said of a version that was found.
fn told(app: &AppHandle, update: &Update) -> UpdateStatus {
    let (version, notes) = (update.version.clone(), update.body.clone());
    UpdateStatus::Found { version, notes, installable: replaces_itself(app) }
}

/// Whether this program knows how it was installed, and so how to be replaced.
fn replaces_itself(app: &AppHandle) -> bool {
    platform::bundle_type().is_some() || app.env().appimage.is_some()
}

/// Why a download failed.
fn reason(error: &Error) -> Reason {
    match error {
        Error::Minisign(_)
        | Error::Base64(_)
        | Error::SignatureUtf8(_)
        | Error::SignedVersionMismatch { .. }
        | Error::MissingSignedVersion => Reason::NotTrusted,
        _ => Reason::NotDownloaded,
    }
}

fn failed(reason: Reason, error: &Error) -> UpdateStatus {
    tracing::warn!("updating HAPA failed ({reason:?}): {error}");
    UpdateStatus::Failed { reason, detail: error.to_string() }
}
