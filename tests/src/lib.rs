//! What the black-box tests share: HAPA inside the test's own process, and HAPA as a program.

pub mod hub;
pub mod process;
pub mod server;
pub mod stranger;
pub mod stream;

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

/// The longest that anything is waited for. Only a failing test ever waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An HTTP client that asks this machine and no proxy.
#[must_use]
pub fn client() -> reqwest::Client {
    sidecar::web::here()
}

/// A folder for a test alone, which nobody else can look into, as a data folder should be.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir().expect("a temporary folder can be made")
}

/// Waits until `condition` gives something.
///
/// # Panics
/// When it does not in time; `what` is in the message.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let until = async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, until).await.unwrap_or_else(|_| panic!("did not happen in time: {what}"))
}

/// The script that most tests follow.
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
