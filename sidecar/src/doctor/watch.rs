//! The same checks from within a running HAPA, again and again in the background, so that asking for them costs nothing.

use std::mem::discriminant;
use std::time::Duration;

use engine::State;
use tokio::sync::watch::{self, Receiver};
use tokio_util::sync::CancellationToken;

use super::{Report, model, storage, surroundings};
use crate::config::Config;
use crate::system;

/// How long the database may be read through each time. It works for others meanwhile; `hapa doctor` takes more time.
const GLANCE: Duration = Duration::from_secs(1);

/// Looks at the installation until `shutdown`: as often as the configuration says, and when the model's state changes. The
/// first report is there when this returns, for which the database was only opened.
pub async fn watch(config: Config, mut engine: Receiver<State>, shutdown: CancellationToken) -> Receiver<Report> {
    let state = engine.borrow().clone();
    let (report, reports) = watch::channel(examine(&config, &state, Duration::ZERO).await);
    let look = async move {
        loop {
            let state = engine.borrow_and_update().clone();
            report.send_replace(examine(&config, &state, GLANCE).await);
            tokio::select! {
                () = tokio::time::sleep(config.health_check_interval) => {}
                () = turned(&mut engine, &state) => {}
            }
        }
    };
    tokio::spawn(shutdown.run_until_cancelled_owned(look));
    reports
}

/// All checks but those of ports: they are open, and ours.
async fn examine(config: &Config, state: &State, patience: Duration) -> Report {
    let room = system::room(&config.data);
    let mut findings = storage::findings(config, &room, patience).await;
    findings.push(model::file_of(state, config, &room));
    findings.push(model::backends());
    findings.extend(surroundings(config));
    Report { findings }
}

/// Returns when the state is of another kind than `seen`; how far a model has loaded is no change.
async fn turned(engine: &mut Receiver<State>, seen: &State) {
    if engine.wait_for(|state| discriminant(state) != discriminant(seen)).await.is_err() {
        // There is no engine that could change.
        std::future::pending().await
    }
}
