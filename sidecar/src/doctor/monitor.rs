//! Health monitor: repeats the checks in the background of a running HAPA, so that reading the report costs nothing.

use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use engine::State;
use tokio::sync::Notify;
use tokio::sync::watch::{self, Receiver};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Report, environment_findings, model, remote, storage};
use crate::config::Config;
use crate::remote::{State as Remote, is_enabled};
use crate::settings::Settings;
use crate::system;

/// Time limit of the database check in the background, where it works for others meanwhile; `hapa doctor` takes more
/// time.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that a client waits for a new report.
const RECHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// The latest health report. Clones share it.
#[derive(Debug, Clone)]
pub struct HealthMonitor {
    reports: Receiver<Report>,
    requests: Arc<Notify>,
}

impl HealthMonitor {
    /// The latest report.
    #[must_use]
    pub fn latest(&self) -> Report {
        self.reports.borrow().clone()
    }

    /// A new report, or the latest where that takes too long.
    pub async fn recheck(&self) -> Report {
        let mut reports = self.reports.clone();
        reports.mark_unchanged();
        self.requests.notify_one();
        let _ = timeout(RECHECK_TIMEOUT, reports.changed()).await;
        self.latest()
    }
}

/// Repeats the checks until `shutdown`: in the configured interval, when the state of the model or of the remote server
/// changes, and on request. The first report is available when this returns; for it, the database is opened, but not
/// checked.
pub async fn watch(
    config: Config,
    mut engine: Receiver<State>,
    (settings, mut remote): (Receiver<Arc<Settings>>, Receiver<Remote>),
    shutdown: CancellationToken,
) -> HealthMonitor {
    let snapshot =
        Snapshot { state: engine.borrow().clone(), settings: now(&settings), remote: remote.borrow().clone() };
    let (report, reports) = watch::channel(examine(&config, &snapshot, Duration::ZERO).await);
    let requests = Arc::new(Notify::new());
    let health = HealthMonitor { reports, requests: Arc::clone(&requests) };
    let monitor = async move {
        loop {
            let snapshot = Snapshot {
                state: engine.borrow_and_update().clone(),
                settings: now(&settings),
                remote: remote.borrow_and_update().clone(),
            };
            report.send_replace(examine(&config, &snapshot, DATABASE_TIMEOUT).await);
            tokio::select! {
                () = tokio::time::sleep(config.health_check_interval) => {}
                () = requests.notified() => {}
                () = kind_changed(&mut engine, &snapshot.state) => {}
                () = changed(&mut remote) => {}
            }
        }
    };
    tokio::spawn(shutdown.run_until_cancelled_owned(monitor));
    health
}

/// The state that is known without a check.
struct Snapshot {
    state: State,
    settings: Arc<Settings>,
    remote: Remote,
}

fn now(settings: &Receiver<Arc<Settings>>) -> Arc<Settings> {
    settings.borrow().clone()
}

/// All checks but those of ports, which this process uses.
async fn examine(config: &Config, snapshot: &Snapshot, database_timeout: Duration) -> Report {
    let capacity = system::capacity(&config.data);
    let mut findings = storage::findings(config, &capacity, database_timeout).await;
    findings.push(model::file_of(&snapshot.state, config, &capacity, is_enabled(&snapshot.settings)));
    findings.push(model::backends());
    findings.extend(remote::finding(&snapshot.settings, &snapshot.remote));
    findings.extend(environment_findings(config));
    Report { findings }
}

/// Resolves when the kind of state differs from `snapshot`; loading progress is no change.
async fn kind_changed(engine: &mut Receiver<State>, snapshot: &State) {
    if engine.wait_for(|state| discriminant(state) != discriminant(snapshot)).await.is_err() {
        // There is no engine that could change.
        std::future::pending().await
    }
}

/// Resolves when the state of the remote server has changed.
async fn changed(remote: &mut Receiver<Remote>) {
    if remote.changed().await.is_err() {
        std::future::pending().await
    }
}
