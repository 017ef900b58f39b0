//! The handles that a request may use.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Hosts;
use crate::access::keys::Keys;
use crate::access::rate_limit::Limits;
use crate::assistant::complete::{Offers, Sessions};
use crate::assistant::profiles::Profiles;
use crate::doctor::Checkup;
use crate::hub::Hub;
use crate::inference::response_cache::Answers;
use crate::inference::router::Backend;
use crate::logging::log_reader::Tail;
use crate::metrics::Metrics;
use crate::metrics::error_log::Incidents;
use crate::metrics::history::Timeline;
use crate::metrics::latency::Stats;
use crate::models::Models;
use crate::remote::Remote;
use crate::settings;
use crate::store::Store;
use crate::system::Sample;
use crate::system::disk_usage::Storage;

/// All that the API works with. Clones share it; each layer that a request passes has one.
#[derive(Debug, Clone)]
pub struct App(Arc<Handles>);

impl From<Handles> for App {
    fn from(handles: Handles) -> Self {
        Self(Arc::new(handles))
    }
}

impl Deref for App {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0
    }
}

/// The handles themselves.
#[derive(Debug)]
pub struct Handles {
    /// The models of this machine.
    pub models: Models,
    /// Where models can be had.
    pub hub: Hub,
    /// The server elsewhere that may be asked too.
    pub remote: Remote,
    /// Who answers.
    pub backend: Backend,
    /// What is kept on disk.
    pub store: Store,
    /// Who may ask.
    pub keys: Keys,
    /// The latest look at the machine.
    pub system: watch::Receiver<Sample>,
    /// The latest look at the installation.
    pub checkup: Checkup,
    /// The host names that are answered to.
    pub hosts: Hosts,
    /// How much each caller may ask for.
    pub limits: Limits,
    /// Whether bodies must be what no foreign web page can send.
    pub csrf_protection: bool,
    /// Whether answers carry the headers that keep browsers careful.
    pub security_headers: bool,
    /// Web origins whose pages may use the API.
    pub origins: Arc<[String]>,
    /// Answers that can be given again.
    pub answers: Answers,
    /// Editor sessions with a completion on its way.
    pub sessions: Sessions,
    /// Completions that were offered lately.
    pub offers: Offers,
    /// Profiles that were read already.
    pub profiles: Profiles,
    /// What is counted.
    pub metrics: Metrics,
    /// How long requests took.
    pub stats: Stats,
    /// How HAPA did in the last hour.
    pub timeline: Timeline,
    /// Errors that were answered.
    pub incidents: Incidents,
    /// What was written down about the work.
    pub log: Tail,
    /// What the data folder holds.
    pub storage: Storage,
    /// What the user has chosen.
    pub settings: settings::Handle,
    /// When the process started.
    pub started: Instant,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
    /// Generations that still write to the store.
    pub work: TaskTracker,
}

/// The version of HAPA and of its API.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
