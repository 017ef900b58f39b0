//! One file from the hub to the disk: going on where it was, trying again, and looking at every byte before it counts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::client::{Asking, Given, Refusal};
use super::{Error, Source};
use crate::base::fs::DiskError;
use crate::system;

/// Bytes that are left free on the disk.
const LEFT_FREE: u64 = 256 * 1024 * 1024;

/// What the hub says that a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Its bytes.
    pub bytes: u64,
    /// The commit that it is of, if the hub says so.
    pub commit: Option<String>,
}

impl Known {
    /// What the headers of the hub's own response say, and those of the one that brings the bytes.
    fn of(first: &HeaderMap, last: &HeaderMap) -> Result<Self, Error> {
        let text = |headers: &HeaderMap, name: &str| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
        let tag = text(first, "x-linked-etag").or_else(|| text(first, ETAG.as_str()));
        let sha256 = tag.map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase());
        let whole = text(last, CONTENT_RANGE.as_str()).and_then(|range| Some(range.rsplit_once('/')?.1.to_owned()));
        let bytes = text(first, "x-linked-size").or(whole).or_else(|| text(last, CONTENT_LENGTH.as_str()));
        let commit = text(first, "x-repo-commit").filter(|commit| commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Ok(Self {
            sha256: sha256.filter(|text| is_hash(text)).ok_or(Error::NoHash)?,
            bytes: bytes.and_then(|bytes| bytes.parse().ok()).ok_or(Error::Garbled)?,
            commit,
        })
    }
}

/// Brings bytes until all are there or something is wrong. What is there already is gone on from if it is of the same file. `known`
/// is what was known of the file and is renewed; `tell` is told how many bytes there are.
///
/// # Errors
/// Why it stopped. What came until then is there.
pub async fn bring(
    asking: &Asking,
    source: &Source,
    part: &Path,
    known: &mut Option<Known>,
    mut tell: impl FnMut(&Known, u64),
) -> Result<(), Refusal> {
    let disk = |error: std::io::Error| Refusal::from(Error::Disk(DiskError::from_io(&error, 0)));
    let mut there = tokio::fs::metadata(part).await.map_or(0, |facts| facts.len());
    if let Some(known) = known.as_ref().filter(|known| there > 0 && there == known.bytes) {
        tell(known, there);
        return Ok(());
    }
    let url = asking.at(&[source.repository.as_ref(), "resolve", source.revision.as_ref(), source.file.as_ref()])?;
    let Given { mut response, first } = asking.open(url, there).await?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // There is more than the file has: it is of another one.
        tokio::fs::remove_file(part).await.map_err(disk)?;
        return Err(Error::CutOff.into());
    }
    let now = Known::of(&first, response.headers())?;
    let same = known.as_ref().is_none_or(|known| known.sha256 == now.sha256);
    let goes_on = same && starts_at(&response, there);
    let now = known.insert(now);
    if !goes_on {
        if there > 0 && response.status() == StatusCode::PARTIAL_CONTENT {
            // These bytes belong behind others than those that are there.
            tokio::fs::remove_file(part).await.map_err(disk)?;
            return Err(Error::CutOff.into());
        }
        there = 0;
    }
    room_for(part, now.bytes.saturating_sub(there)).await?;
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(there == 0)
        .append(there > 0)
        .open(part)
        .await
        .map_err(disk)?;
    tell(now, there);
    while there < now.bytes {
        let chunk = timeout(asking.retry_policy().read_timeout, response.chunk()).await.map_err(|_| Error::Silent)?;
        let Some(chunk) = chunk.map_err(|_| Error::CutOff)? else { break };
        let more = chunk.len().min(usize::try_from(now.bytes - there).unwrap_or(usize::MAX));
        let full = |error: std::io::Error| Error::Disk(DiskError::from_io(&error, now.bytes - there));
        file.write_all(&chunk[..more]).await.map_err(full)?;
        // What is counted is with the system, so that it outlives this process.
        file.flush().await.map_err(full)?;
        there += more as u64;
        tell(now, there);
    }
    file.sync_all().await.map_err(disk)?;
    if there < now.bytes { Err(Error::CutOff.into()) } else { Ok(()) }
}

/// Whether a response brings what comes after the first `there` bytes.
fn starts_at(response: &reqwest::Response, there: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    match response.status() {
        StatusCode::PARTIAL_CONTENT => start == Some(there),
        _ => there == 0,
    }
}

/// Whether the disk has room.
async fn room_for(part: &Path, bytes: u64) -> Result<(), Error> {
    let folder = part.parent().unwrap_or(part).to_owned();
    let room = tokio::task::spawn_blocking(move || system::capacity(&folder).disk).await.ok().flatten();
    match room {
        Some(free) if free < bytes + LEFT_FREE => Err(DiskError::Full { missing: bytes + LEFT_FREE - free }.into()),
        _ => Ok(()),
    }
}

/// Whether a file's bytes are those that the hub named, and a model. `tell` is told how many were looked at.
///
/// # Errors
/// What is wrong with them.
pub fn check(part: &Path, known: &Known, mut tell: impl FnMut(u64)) -> Result<(), Error> {
    let disk = |error: std::io::Error| Error::Disk(DiskError::Io(error.to_string()));
    if hash(part, &mut tell).map_err(disk)? != known.sha256 {
        return Err(Error::Wrong);
    }
    engine::gguf::read(part).map(drop).map_err(|flaw| Error::Flawed(flaw.to_string()))
}

/// Whether a text can be a SHA-256 in hexadecimal digits.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The SHA-256 of a file's bytes, in hexadecimal digits. `tell` is told how many were looked at.
///
/// # Errors
/// Those of the disk.
pub fn hash(file: &Path, mut tell: impl FnMut(u64)) -> std::io::Result<String> {
    let (mut file, mut hash, mut seen) = (File::open(file)?, Sha256::new(), 0);
    let mut block = vec![0; 1024 * 1024];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&block[..read]);
        seen += read as u64;
        tell(seen);
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn what_a_file_is_is_read_from_what_the_hub_says_of_it() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
        };
        let hash = "ab".repeat(32);
        let (linked, tag) = (format!("\"{hash}\""), format!("W/\"{}\"", hash.to_uppercase()));
        let known = |bytes, commit: Option<&str>| Known { sha256: hash.clone(), bytes, commit: commit.map(Into::into) };
        for (first, last, expected) in [
            (
                headers(&[
                    ("x-linked-etag", &linked),
                    ("x-linked-size", "10"),
                    ("x-repo-commit", "c0ffee"),
                    ("etag", "\"other\""),
                ]),
                headers(&[("content-length", "3")]),
                Ok(known(10, Some("c0ffee"))),
            ),
            (
                headers(&[("etag", &tag)]),
                headers(&[("content-range", "bytes 4-9/10"), ("content-length", "6")]),
                Ok(known(10, None)),
            ),
            (headers(&[("etag", &linked)]), headers(&[("content-length", "10")]), Ok(known(10, None))),
            (headers(&[("etag", "\"d41d8cd9\"")]), headers(&[("content-length", "10")]), Err(Error::NoHash)),
            (headers(&[("etag", &linked)]), headers(&[("content-length", "-1")]), Err(Error::Garbled)),
            (headers(&[]), headers(&[]), Err(Error::NoHash)),
        ] {
            assert_eq!(Known::of(&first, &last), expected);
        }
    }
}
