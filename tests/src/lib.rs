//! The test harness: HAPA in the test's process or as a child process, fake servers, and helpers to wait with a deadline.

pub mod fake_hub;
pub mod fake_remote;
pub mod process;
pub mod server;
pub mod stream;

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

/// The deadline of every wait. Only a failing test waits so long.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// An HTTP client for loopback addresses, without a proxy.
#[must_use]
pub fn client() -> reqwest::Client {
    sidecar::base::http_client::loopback()
}

/// A temporary data folder that only the current user can read, as `hapa` requires.
///
/// # Panics
/// When it cannot be created.
#[must_use]
pub fn data_dir() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir().expect("a temporary folder can be created")
}

/// Polls `condition` until it returns a value.
///
/// # Panics
/// When it does not within [`TIMEOUT`]; `what` is in the message.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let until = async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TIMEOUT, until).await.unwrap_or_else(|_| panic!("did not happen in time: {what}"))
}

/// The default script of the scripted engine.
#[must_use]
pub fn script() -> Value {
    json!({
        "model": "scripted",
        "answers": [
            {"when": "forever", "pieces": ["```python\n", "while True:\n", "    pass\n"], "end": "hang"},
            {"when": "crash", "pieces": ["곧 ", "멈춥니다. ```"], "end": "crash"},
            {"when": "break", "pieces": ["시작 "], "end": "fail"},
            {"when": "cut", "pieces": ["```python\n", "x = 1"], "end": "length"},
            {"when": "words", "pieces": ["말로만 ", "답합니다."]},
            {"pieces": ["리스트에서 ", "중복을 ", "제거합니다.\n\n", "```python\n", "def remove_duplicates(lst):\n",
                        "    return ", "list(dict.fromkeys(lst))\n", "```\n", "\n순서가 ", "유지됩니다."]},
        ]
    })
}
