//! The processes of the desktop app. The sidecar is discovered by its file in the data folder.

use std::fs;
use std::net::TcpListener;

use handshake::InstanceFile;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::eventually;

use crate::session::DesktopSession;

/// Waits for the session's sidecar and returns its discovery file.
pub(crate) async fn sidecar(session: &DesktopSession) -> InstanceFile {
    eventually("the sidecar is discoverable", || async {
        let found: InstanceFile =
            serde_json::from_slice(&fs::read(InstanceFile::path(session.data_dir())).ok()?).ok()?;
        is_running(found.pid).then_some(found)
    })
    .await
}

/// Whether a process exists and is not a zombie.
pub(crate) fn is_running(pid: u32) -> bool {
    status(pid).is_some_and(|status| !status.contains("State:\tZ"))
}

/// The id of a process's parent.
pub(crate) fn parent(pid: u32) -> u32 {
    status(pid).and_then(|status| parent_of(&status)).expect("the process exists")
}

fn parent_of(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Waits until the app has two web processes, one for each window, and returns their ids in ascending order.
pub(crate) async fn web_processes(app: u32) -> Vec<u32> {
    eventually("both pages have a web process", || async {
        let pages = current_web_processes(app);
        (pages.len() >= 2).then_some(pages)
    })
    .await
}

/// The ids of the app's web processes, in ascending order.
pub(crate) fn current_web_processes(app: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("this is Linux").flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let mut pages: Vec<u32> = pids.filter(|pid| is_web_process_of(*pid, app)).collect();
    pages.sort_unstable();
    pages
}

/// The environment variables with which a process was started, one a line.
pub(crate) fn environment(pid: u32) -> String {
    let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&variables).replace('\0', "\n")
}

fn is_web_process_of(pid: u32, app: u32) -> bool {
    // Linux truncates process names to 15 characters.
    status(pid).is_some_and(|status| status.starts_with("Name:\tWebKitWebProces\n") && parent_of(&status) == Some(app))
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().expect("a process id fits")), signal).expect("the process exists");
}

/// Whether the port can be bound.
pub(crate) fn is_port_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn status(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}
