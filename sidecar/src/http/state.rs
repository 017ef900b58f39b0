//! The state of the HTTP layer: the handles that handlers use.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::access::keys::Keys;
use crate::access::rate_limit::RateLimiters;
use crate::assistant::Assistant;
use crate::doctor::HealthMonitor;
use crate::http::AllowedHosts;
use crate::hub::Hub;
use crate::logging::log_reader::LogReader;
use crate::metrics::Metrics;
use crate::metrics::error_log::ErrorLog;
use crate::metrics::history::MetricsHistory;
use crate::metrics::latency::EndpointLatency;
use crate::models::Models;
use crate::remote::Remote;
use crate::settings;
use crate::store::Store;
use crate::system::Sample;
use crate::system::disk_usage::DiskUsage;

/// The state of the HTTP layer, shared by all its clones. Middleware and handlers hold one each.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Handles>);

impl From<Handles> for AppState {
    fn from(handles: Handles) -> Self {
        Self(Arc::new(handles))
    }
}

impl Deref for AppState {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0
    }
}

/// The handles themselves.
#[derive(Debug)]
pub struct Handles {
    /// Generation, completion and token counts.
    pub assistant: Assistant,
    /// The local models.
    pub models: Models,
    /// Search and download of models.
    pub hub: Hub,
    /// The remote server.
    pub remote: Remote,
    /// The database.
    pub store: Store,
    /// API keys.
    pub keys: Keys,
    /// Rate limits.
    pub limits: RateLimiters,
    /// The user's settings.
    pub settings: settings::Handle,
    /// The latest sample of the machine's load.
    pub system: watch::Receiver<Sample>,
    /// The latest findings of the doctor.
    pub health: HealthMonitor,
    /// The `Host` headers that are accepted.
    pub hosts: AllowedHosts,
    /// Web origins whose pages may use the API.
    pub origins: Arc<[String]>,
    /// Whether request bodies must have a content type that pages of other origins cannot send without a CORS preflight.
    pub csrf_protection: bool,
    /// Whether responses have security headers.
    pub security_headers: bool,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// Latencies by endpoint.
    pub latency: EndpointLatency,
    /// Metrics of the last hour.
    pub history: MetricsHistory,
    /// Errors that the API responded with.
    pub error_log: ErrorLog,
    /// The log file.
    pub log: LogReader,
    /// Disk usage of the data folder.
    pub disk_usage: DiskUsage,
    /// When the process started.
    pub started: Instant,
}
