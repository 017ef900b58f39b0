//! The same checks from within a running HAPA, again and again in the background, so that asking for them costs nothing.

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

/// How long the database may be read through each time. It works for others meanwhile; `hapa doctor` takes more time.
const GLANCE: Duration = Duration::from_secs(1);

/// The longest that somebody waits who wants the installation looked at now.
const WAITING: Duration = Duration::from_secs(10);

/// The latest report on the installation. Clones share it.
#[derive(Debug, Clone)]
pub struct HealthMonitor {
    reports: Receiver<Report>,
    requests: Arc<Notify>,
}

impl HealthMonitor {
    /// The latest one.
    #[must_use]
    pub fn latest(&self) -> Report {
        self.reports.borrow().clone()
    }

    /// One that is made now, or the latest where that takes too long.
    pub async fn recheck(&self) -> Report {
        let mut reports = self.reports.clone();
        reports.mark_unchanged();
        self.requests.notify_one();
        let _ = timeout(WAITING, reports.changed()).await;
        self.latest()
    }
}

/// Looks at the installation until `shutdown`: as often as the configuration says, and when the state of the model or of the
/// remote server changes, or somebody asks. The first report is there when this returns, for which the database was only opened.
pub async fn watch(
    config: Config,
    mut engine: Receiver<State>,
    (settings, mut elsewhere): (Receiver<Arc<Settings>>, Receiver<Remote>),
    shutdown: CancellationToken,
) -> HealthMonitor {
    let seen =
        Snapshot { state: engine.borrow().clone(), settings: now(&settings), remote: elsewhere.borrow().clone() };
    let (report, reports) = watch::channel(examine(&config, &seen, Duration::ZERO).await);
    let requests = Arc::new(Notify::new());
    let health = HealthMonitor { reports, requests: Arc::clone(&requests) };
    let look = async move {
        loop {
            let seen = Snapshot {
                state: engine.borrow_and_update().clone(),
                settings: now(&settings),
                remote: elsewhere.borrow_and_update().clone(),
            };
            report.send_replace(examine(&config, &seen, GLANCE).await);
            tokio::select! {
                () = tokio::time::sleep(config.health_check_interval) => {}
                () = requests.notified() => {}
                () = turned(&mut engine, &seen.state) => {}
                () = changed(&mut elsewhere) => {}
            }
        }
    };
    tokio::spawn(shutdown.run_until_cancelled_owned(look));
    health
}

/// What is known without looking.
struct Snapshot {
    state: State,
    settings: Arc<Settings>,
    remote: Remote,
}

fn now(settings: &Receiver<Arc<Settings>>) -> Arc<Settings> {
    settings.borrow().clone()
}

/// All checks but those of ports: they are open, and ours.
async fn examine(config: &Config, seen: &Snapshot, patience: Duration) -> Report {
    let room = system::capacity(&config.data);
    let mut findings = storage::findings(config, &room, patience).await;
    findings.push(model::file_of(&seen.state, config, &room, is_enabled(&seen.settings)));
    findings.push(model::backends());
    findings.extend(remote::finding(&seen.settings, &seen.remote));
    findings.extend(environment_findings(config));
    Report { findings }
}

/// Returns when the state is of another kind than `seen`; how far a model has loaded is no change.
async fn turned(engine: &mut Receiver<State>, seen: &State) {
    if engine.wait_for(|state| discriminant(state) != discriminant(seen)).await.is_err() {
        // There is no engine that could change.
        std::future::pending().await
    }
}

/// Returns when the remote server has changed.
async fn changed(elsewhere: &mut Receiver<Remote>) {
    if elsewhere.changed().await.is_err() {
        std::future::pending().await
    }
}
