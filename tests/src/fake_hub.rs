//! A fake model hub with one repository, and a GGUF file with a valid header.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::fake_remote::{FakeRemote, ReceivedRequest, Reply};

/// The hub's repository.
pub const REPOSITORY: &str = "tester/Tiny-GGUF";

/// The model file in the repository.
pub const FILE: &str = "tiny-q8_0.gguf";

/// The model id of the file once it is installed.
pub const ID: &str = "tiny-q8_0";

/// The bytes of a model file: a valid GGUF header, and arbitrary weights.
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

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first byte of the request's `Range` header; 0 without one.
#[must_use]
pub fn range_start(request: &ReceivedRequest) -> usize {
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    range.map_or(0, |start| start.parse().expect("a range starts with a number"))
}

/// The response header of `file` from byte `from` on, as the hub's storage sends it.
#[must_use]
pub fn response_header(file: &[u8], from: usize) -> String {
    let (status, range) = match from {
        0 => (200, String::new()),
        _ => (206, format!("Content-Range: bytes {from}-{}/{}\r\n", file.len() - 1, file.len())),
    };
    let (length, hash) = (file.len() - from, sha256(file));
    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{range}ETag: \"{hash}\"\r\nConnection: close\r\n\r\n")
}

/// The response of `file` from byte `from` on, cut off after `max_bytes` of the file.
#[must_use]
pub fn file_response(file: &[u8], from: usize, max_bytes: usize) -> Vec<u8> {
    let end = file.len().min(from.saturating_add(max_bytes));
    [response_header(file, from).as_bytes(), &file[from..end]].concat()
}

/// A redirect to `location`, with the headers that the hub adds for `file`.
#[must_use]
pub fn redirect(file: &[u8], location: &str) -> Reply {
    let headers =
        format!("X-Linked-ETag: \"{}\"\r\nX-Linked-Size: {}\r\nX-Repo-Commit: c0ffee", sha256(file), file.len());
    Reply::Send(
        format!(
            "HTTP/1.1 302 X\r\nLocation: {location}\r\n{headers}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .into_bytes(),
    )
}

/// Starts a hub with one repository. `reply` answers the requests for the file; its first argument counts them from 0.
pub async fn start(reply: impl Fn(usize, &ReceivedRequest) -> Reply + Send + Sync + 'static) -> FakeRemote {
    let count = Arc::new(AtomicUsize::new(0));
    FakeRemote::start(move |_, request| {
        let path = request.request_line.trim_start_matches("GET ");
        if path.starts_with("/api/models?") {
            let found = json!([
                {"id": REPOSITORY, "downloads": 12, "likes": 3, "tags": ["gguf", "license:mit"], "gated": false},
                {"id": "../../etc", "downloads": 1, "tags": []},
                {"id": "tester/Gated", "tags": ["license:<script>"], "gated": "manual", "unknown": {}},
            ]);
            return Reply::response(200, "application/json", &found.to_string());
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
            return Reply::response(200, "application/json", &found.to_string());
        }
        reply(count.fetch_add(1, Ordering::Relaxed), request)
    })
    .await
}

/// Starts a hub that stalls halfway through the first download, and serves the rest to the next request.
pub async fn truncating_hub() -> FakeRemote {
    let file = model_file();
    start(move |number, request| match number {
        0 => Reply::Repeat(file_response(&file, 0, file.len() / 2), Vec::new(), Duration::from_millis(20)),
        _ => Reply::Send(file_response(&file, range_start(request), usize::MAX)),
    })
    .await
}
