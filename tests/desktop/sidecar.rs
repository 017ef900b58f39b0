//! The sidecar behind a window, found as other programs find it: by its file in the data folder.

use std::fs;
use std::net::TcpListener;

use handshake::Discovery;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::eventually;

use crate::desk::Desk;

/// The sidecar that runs on a desk.
pub async fn running(desk: &Desk) -> Discovery {
    eventually("the sidecar can be found", || async {
        let found: Discovery = serde_json::from_slice(&fs::read(Discovery::path(desk.data())).ok()?).ok()?;
        lives(found.pid).then_some(found)
    })
    .await
}

/// Whether a process is there and not only waits to be forgotten.
pub fn lives(pid: u32) -> bool {
    status(pid).is_some_and(|status| !status.contains("State:\tZ"))
}

/// The process that started this one.
pub fn parent(pid: u32) -> u32 {
    let status = status(pid).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("Linux tells a process's parent");
    line.trim().parse().expect("a process id")
}

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().expect("a process id")), signal).expect("the process lives");
}

/// Whether a program could listen on this port now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn status(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}
