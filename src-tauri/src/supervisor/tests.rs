//! Tests of the supervisor with shell scripts as sidecars: real processes, real time.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::policy::FailureReason;
use super::{Binary, SidecarStatus, Supervisor, Timeouts};

/// The start of every sidecar script: read the launch line, write the ready line.
const READY: &str = r#"read -r launch; echo '{"ready":{"port":8123,"version":"1.2.3"}}';"#;

#[tokio::test]
async fn the_ready_line_makes_the_sidecar_ready_and_publishes_its_base_url() {
    let supervisor = TestSupervisor::new(&format!("{READY} cat > /dev/null"));
    let status = supervisor.until(|status| matches!(status, SidecarStatus::Ready { .. })).await;
    let SidecarStatus::Ready { base_url, version, restarts, .. } = status else { unreachable!() };
    assert_eq!((base_url.as_str(), version.as_str(), restarts), ("http://127.0.0.1:8123", "1.2.3", 0));
}

#[tokio::test]
async fn the_sidecar_receives_the_windows_key_on_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("launch");
    let ready = r#"echo '{"ready":{"port":1,"version":""}}'"#;
    let supervisor = TestSupervisor::new(&format!("head -n 1 > '{}'; {ready}; cat > /dev/null", file.display()));
    let status = supervisor.until(|status| matches!(status, SidecarStatus::Ready { .. })).await;
    let SidecarStatus::Ready { key, .. } = status else { unreachable!() };
    assert_eq!(fs::read_to_string(file).unwrap(), format!("{{\"launch\":{{\"key\":\"{}\"}}}}\n", key.reveal()));
}

#[tokio::test]
async fn a_crash_is_reported_with_the_end_of_the_log_and_followed_by_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let crash =
        format!("if mkdir '{}'; then echo last line >&2; kill -KILL $$; fi;", folder.path().join("once").display());
    let supervisor = TestSupervisor::new(&format!("{READY} {crash} cat > /dev/null"));
    let status = supervisor.until(|status| matches!(status, SidecarStatus::Restarting { .. })).await;
    let SidecarStatus::Restarting { restarts, retry_in_ms, reason, log } = status else { unreachable!() };
    assert_eq!((restarts, retry_in_ms, reason), (1, 200, FailureReason::Crashed));
    assert_eq!(log, ["last line", "the sidecar exited: signal: 9 (SIGKILL)"]);
    supervisor.until(|status| matches!(status, SidecarStatus::Ready { restarts: 1, .. })).await;
}

#[tokio::test]
async fn an_invalid_setting_is_a_failure_until_the_user_restarts_the_sidecar() {
    let folder = tempfile::tempdir().unwrap();
    let fixed = folder.path().join("fixed");
    let refuse = format!("[ -e '{}' ] || {{ echo PORT is not a number >&2; exit 78; }};", fixed.display());
    let supervisor = TestSupervisor::new(&format!("{refuse} {READY} cat > /dev/null"));
    let status = supervisor.until(|status| matches!(status, SidecarStatus::Failed { .. })).await;
    let log = vec!["PORT is not a number".to_owned(), "the sidecar exited: exit status: 78".to_owned()];
    assert_eq!(status, SidecarStatus::Failed { reason: FailureReason::BadConfig, log });
    fs::write(fixed, "").unwrap();
    supervisor.handle.restart();
    supervisor.until(|status| matches!(status, SidecarStatus::Ready { restarts: 0, .. })).await;
}

#[tokio::test]
async fn a_restart_stops_the_running_sidecar_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("story");
    let story = file.display();
    let supervisor =
        TestSupervisor::new(&format!("echo starts >> '{story}'; {READY} cat > /dev/null; echo ends >> '{story}'"));
    let first = supervisor.until(|status| matches!(status, SidecarStatus::Ready { .. })).await;
    supervisor.handle.restart();
    supervisor.until(|status| matches!(status, SidecarStatus::Ready { .. }) && *status != first).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "starts\nends\nstarts\n");
}

#[tokio::test]
async fn stopping_waits_for_the_sidecar_to_drain() {
    let folder = tempfile::tempdir().unwrap();
    let drained = folder.path().join("drained");
    let supervisor = TestSupervisor::new(&format!("{READY} cat > /dev/null; echo yes > '{}'", drained.display()));
    supervisor.until(|status| matches!(status, SidecarStatus::Ready { .. })).await;
    supervisor.stop().await;
    assert!(drained.exists());
}

#[tokio::test]
async fn a_sidecar_that_does_not_drain_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let supervisor = TestSupervisor::new(&format!("echo $$ > '{}'; {READY} exec sleep 1000", file.display()));
    supervisor.until(|status| matches!(status, SidecarStatus::Ready { .. })).await;
    supervisor.stop().await;
    let pid = fs::read_to_string(file).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[tokio::test]
async fn a_sidecar_without_a_ready_line_times_out() {
    let timeouts = Timeouts { ready: Duration::from_millis(300), ..TIMEOUTS };
    let supervisor = TestSupervisor::with(shell("exec sleep 1000"), timeouts);
    let status = supervisor.until(|status| matches!(status, SidecarStatus::Failed { .. })).await;
    let log = vec!["the sidecar did not become ready within 300ms".to_owned()];
    assert_eq!(status, SidecarStatus::Failed { reason: FailureReason::NotReadyInTime, log });
}

#[tokio::test]
async fn a_binary_that_is_not_the_sidecar_is_rejected() {
    let supervisor = TestSupervisor::new("echo Welcome; exec sleep 1000");
    let status = supervisor.until(|status| matches!(status, SidecarStatus::Failed { .. })).await;
    let SidecarStatus::Failed { reason, log } = status else { unreachable!() };
    assert_eq!(reason, FailureReason::CouldNotStart);
    assert!(log[0].starts_with("the program is not HAPA's sidecar"), "{log:?}");
}

#[tokio::test]
async fn a_missing_binary_is_named_in_the_log() {
    let binary = Binary { path: "/nowhere/hapa".into(), arguments: Vec::new() };
    let supervisor = TestSupervisor::with(binary, TIMEOUTS);
    let status = supervisor.until(|status| matches!(status, SidecarStatus::Failed { .. })).await;
    let log = vec!["could not start `/nowhere/hapa`: No such file or directory (os error 2)".to_owned()];
    assert_eq!(status, SidecarStatus::Failed { reason: FailureReason::CouldNotStart, log });
}

const TIMEOUTS: Timeouts = Timeouts { ready: Duration::from_secs(20), drain: Duration::from_millis(500) };

/// Timeout of one expectation, long enough for a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

struct TestSupervisor {
    handle: Supervisor,
}

impl TestSupervisor {
    fn new(script: &str) -> Self {
        Self::with(shell(script), TIMEOUTS)
    }

    fn with(binary: Binary, timeouts: Timeouts) -> Self {
        Self { handle: Supervisor::start(binary, timeouts).unwrap() }
    }

    async fn until(&self, predicate: impl FnMut(&SidecarStatus) -> bool) -> SidecarStatus {
        let mut changes = self.handle.changes();
        let status = timeout(DEADLINE, changes.wait_for(predicate)).await;
        status.unwrap_or_else(|_| panic!("still {:?}", self.handle.status())).unwrap().clone()
    }

    async fn stop(self) {
        tokio::task::spawn_blocking(move || self.handle.stop()).await.unwrap();
    }
}

fn shell(script: &str) -> Binary {
    Binary { path: "/bin/sh".into(), arguments: ["-c", script].map(Into::into).into() }
}
