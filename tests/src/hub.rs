//! A hub of models that follows no rules but the test's, and a file that is a model as far as its head goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::stranger::{Act, Heard, Stranger};

/// The repository that it has.
pub const REPOSITORY: &str = "tester/Tiny-GGUF";

/// The file in it.
pub const FILE: &str = "tiny-q8_0.gguf";

/// The id of the model that the file becomes.
pub const ID: &str = "tiny-q8_0";

/// The bytes of a model file with a head in order, and weights that nobody has trained.
#[must_use]
pub fn model_file() -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    let name = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    let (texts, numbers) = (
        [("general.architecture", "llama"), ("general.license", "mit")],
        [("block_count", 2_u32), ("context_length", 512), ("embedding_length", 8), ("attention.head_count", 2)],
    );
    file.extend(3_u32.to_le_bytes());
    file.extend(1_u64.to_le_bytes());
    file.extend(((texts.len() + numbers.len()) as u64).to_le_bytes());
    for (key, text) in texts {
        name(&mut file, key);
        file.extend(8_u32.to_le_bytes());
        name(&mut file, text);
    }
    for (key, number) in numbers {
        name(&mut file, &format!("llama.{key}"));
        file.extend(4_u32.to_le_bytes());
        file.extend(number.to_le_bytes());
    }
    let weights = 400_000_u64;
    name(&mut file, "token_embd.weight");
    file.extend(1_u32.to_le_bytes());
    file.extend(weights.to_le_bytes());
    file.extend(24_u32.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend((0..weights).map(|number| (number.wrapping_mul(2_654_435_761) >> 7) as u8));
    file
}

/// The SHA-256 of bytes, in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The byte that a request wants to go on from.
#[must_use]
pub fn from(heard: &Heard) -> usize {
    let range = heard.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    range.map_or(0, |from| from.parse().expect("a range begins with a number"))
}

/// The head of a response that brings `file` from byte `from` on, as the hub's storage gives it.
#[must_use]
pub fn head(file: &[u8], from: usize) -> String {
    let (status, range) = match from {
        0 => (200, String::new()),
        _ => (206, format!("Content-Range: bytes {from}-{}/{}\r\n", file.len() - 1, file.len())),
    };
    let (length, hash) = (file.len() - from, sha256(file));
    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{range}ETag: \"{hash}\"\r\nConnection: close\r\n\r\n")
}

/// A response with `file` from byte `from` on, of which `bytes` are sent at most.
#[must_use]
pub fn bytes(file: &[u8], from: usize, bytes: usize) -> Vec<u8> {
    let end = file.len().min(from.saturating_add(bytes));
    [head(file, from).as_bytes(), &file[from..end]].concat()
}

/// A redirection to `place`, with what the hub says of `file`.
#[must_use]
pub fn redirection(file: &[u8], place: &str) -> Act {
    let said = format!("X-Linked-ETag: \"{}\"\r\nX-Linked-Size: {}\r\nX-Repo-Commit: c0ffee", sha256(file), file.len());
    Act::Say(
        format!("HTTP/1.1 302 X\r\nLocation: {place}\r\n{said}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .into_bytes(),
    )
}

/// A hub with one repository, whose file is given as `act` says: of the requests for its bytes, the first has the number 0.
pub async fn hub(act: impl Fn(usize, &Heard) -> Act + Send + Sync + 'static) -> Stranger {
    let count = Arc::new(AtomicUsize::new(0));
    Stranger::start(move |_, heard| {
        let path = heard.what.trim_start_matches("GET ");
        if path.starts_with("/api/models?") {
            let found = json!([
                {"id": REPOSITORY, "downloads": 12, "likes": 3, "tags": ["gguf", "license:mit"], "gated": false},
                {"id": "../../etc", "downloads": 1, "tags": []},
                {"id": "tester/Gated", "tags": ["license:<script>"], "gated": "manual", "unknown": {}},
            ]);
            return Act::respond(200, "application/json", &found.to_string());
        }
        if path.starts_with(&format!("/api/models/{REPOSITORY}/tree/main")) {
            let file = model_file();
            let found = json!([
                {"type": "directory", "path": "q4", "size": 0},
                {"type": "file", "path": "README.md", "size": 9},
                {"type": "file", "path": "big-00001-of-00002.gguf", "size": 9},
                {"type": "file", "path": "../out.gguf", "size": 9},
                {"type": "file", "path": FILE, "size": file.len(), "lfs": {"oid": sha256(&file), "size": file.len()}},
            ]);
            return Act::respond(200, "application/json", &found.to_string());
        }
        act(count.fetch_add(1, Ordering::Relaxed), heard)
    })
    .await
}

/// A hub that brings half of the file and then nothing, and the rest when it is asked again.
pub async fn hub_that_stops_halfway() -> Stranger {
    let file = model_file();
    hub(move |number, heard| match number {
        0 => Act::Repeat(bytes(&file, 0, file.len() / 2), Vec::new(), Duration::from_millis(20)),
        _ => Act::Say(bytes(&file, from(heard), usize::MAX)),
    })
    .await
}
