//! The processes behind a window. The sidecar is found as other programs find it: by its file in the data folder.

use std::fs;
use std::net::TcpListener;

use handshake::Discovery;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::eventually;

use crate::session::DesktopSession;

/// The sidecar that runs on a desk.
pub async fn sidecar(session: &DesktopSession) -> Discovery {
    eventually("the sidecar can be found", || async {
        let found: Discovery = serde_json::from_slice(&fs::read(Discovery::path(session.data_dir())).ok()?).ok()?;
        is_running(found.pid).then_some(found)
    })
    .await
}

/// Whether a process is there and not only waits to be forgotten.
pub fn is_running(pid: u32) -> bool {
    status(pid).is_some_and(|status| !status.contains("State:\tZ"))
}

/// The process that started this one.
pub fn parent(pid: u32) -> u32 {
    status(pid).and_then(|status| parent_of(&status)).expect("the process lives")
}

fn parent_of(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// The processes that draw the pages of this app's windows, the oldest first, as soon as there are two.
pub async fn web_processes(app: u32) -> Vec<u32> {
    eventually("both pages are drawn", || async {
        let pages = current_web_processes(app);
        (pages.len() >= 2).then_some(pages)
    })
    .await
}

/// The processes that draw them now.
pub fn current_web_processes(app: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("this is Linux").flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let mut pages: Vec<u32> = pids.filter(|pid| is_web_process_of(*pid, app)).collect();
    pages.sort_unstable();
    pages
}

/// The environment of a process, as its variables were when it began.
pub fn environment(pid: u32) -> String {
    let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&variables).replace('\0', "\n")
}

fn is_web_process_of(pid: u32, app: u32) -> bool {
    // Linux shortens names to 15 characters.
    status(pid).is_some_and(|status| status.starts_with("Name:\tWebKitWebProces\n") && parent_of(&status) == Some(app))
}

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().expect("a process id")), signal).expect("the process lives");
}

/// Whether a program could listen on this port now.
pub fn is_port_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn status(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}
