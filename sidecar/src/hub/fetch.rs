//! Fetches one file from the hub: resumes partial files and verifies the SHA-256.

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

use super::client::{FinalResponse, HubClient, RequestError};
use super::{Error, Source};
use crate::base::fs::DiskError;
use crate::system;

/// Disk space that stays free after a download, in bytes.
const MIN_FREE_BYTES: u64 = 256 * 1024 * 1024;

/// Checksum, size and commit of a file, as the hub reports them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMetadata {
    /// SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// The commit that contains it, if the hub reports one.
    pub commit: Option<String>,
}

impl FileMetadata {
    /// Reads the headers of the hub's own response, and of the last one, which has the body.
    fn from_headers(hub: &HeaderMap, last: &HeaderMap) -> Result<Self, Error> {
        let text = |headers: &HeaderMap, name: &str| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
        let tag = text(hub, "x-linked-etag").or_else(|| text(hub, ETAG.as_str()));
        let sha256 = tag.map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase());
        let total = text(last, CONTENT_RANGE.as_str()).and_then(|range| Some(range.rsplit_once('/')?.1.to_owned()));
        let bytes = text(hub, "x-linked-size").or(total).or_else(|| text(last, CONTENT_LENGTH.as_str()));
        let commit = text(hub, "x-repo-commit").filter(|commit| commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Ok(Self {
            sha256: sha256.filter(|text| is_sha256(text)).ok_or(Error::NoChecksum)?,
            bytes: bytes.and_then(|bytes| bytes.parse().ok()).ok_or(Error::InvalidResponse)?,
            commit,
        })
    }
}

/// Fetches a file into `part`, and resumes there if the hub still has the same file. `metadata` is that of the partial file, and is
/// updated; `on_progress` gets the received bytes.
///
/// # Errors
/// Why the transfer stopped. The bytes received until then stay in `part`, unless they belong to another file.
pub(crate) async fn fetch(
    client: &HubClient,
    source: &Source,
    part: &Path,
    metadata: &mut Option<FileMetadata>,
    mut on_progress: impl FnMut(&FileMetadata, u64),
) -> Result<(), RequestError> {
    let disk = |error: std::io::Error| RequestError::from(Error::Disk(DiskError::from_io(&error, 0)));
    let mut offset = tokio::fs::metadata(part).await.map_or(0, |part| part.len());
    if let Some(metadata) = metadata.as_ref().filter(|metadata| offset > 0 && offset == metadata.bytes) {
        on_progress(metadata, offset);
        return Ok(());
    }
    let url = client.url(&[source.repository.as_ref(), "resolve", source.revision.as_ref(), source.file.as_ref()])?;
    let FinalResponse { mut response, hub_headers } = client.get(url, offset).await?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // `part` is longer than the file, so it belongs to another one.
        tokio::fs::remove_file(part).await.map_err(disk)?;
        return Err(Error::Interrupted.into());
    }
    let current = FileMetadata::from_headers(&hub_headers, response.headers())?;
    let same_file = metadata.as_ref().is_none_or(|metadata| metadata.sha256 == current.sha256);
    let can_resume = same_file && starts_at(&response, offset);
    let current = metadata.insert(current);
    if !can_resume {
        if offset > 0 && response.status() == StatusCode::PARTIAL_CONTENT {
            // The range does not start where `part` ends, or belongs to another file.
            tokio::fs::remove_file(part).await.map_err(disk)?;
            return Err(Error::Interrupted.into());
        }
        offset = 0;
    }
    check_free_space(part, current.bytes.saturating_sub(offset)).await?;
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(offset == 0)
        .append(offset > 0)
        .open(part)
        .await
        .map_err(disk)?;
    on_progress(current, offset);
    while offset < current.bytes {
        let chunk = timeout(client.retry_policy().read_timeout, response.chunk()).await.map_err(|_| Error::Timeout)?;
        let Some(chunk) = chunk.map_err(|_| Error::Interrupted)? else { break };
        let accepted = chunk.len().min(usize::try_from(current.bytes - offset).unwrap_or(usize::MAX));
        let write_failed = |error: std::io::Error| Error::Disk(DiskError::from_io(&error, current.bytes - offset));
        file.write_all(&chunk[..accepted]).await.map_err(write_failed)?;
        // Counted bytes have reached the operating system, so that they survive the end of this process.
        file.flush().await.map_err(write_failed)?;
        offset += accepted as u64;
        on_progress(current, offset);
    }
    file.sync_all().await.map_err(disk)?;
    if offset < current.bytes { Err(Error::Interrupted.into()) } else { Ok(()) }
}

/// Whether the body of a response starts at byte `offset`.
fn starts_at(response: &reqwest::Response, offset: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    match response.status() {
        StatusCode::PARTIAL_CONTENT => start == Some(offset),
        _ => offset == 0,
    }
}

/// Fails if the disk has no space for this many more bytes.
async fn check_free_space(part: &Path, bytes: u64) -> Result<(), Error> {
    let folder = part.parent().unwrap_or(part).to_owned();
    let free = tokio::task::spawn_blocking(move || system::capacity(&folder).disk).await.ok().flatten();
    match free {
        Some(free) if free < bytes + MIN_FREE_BYTES => {
            Err(DiskError::Full { missing: bytes + MIN_FREE_BYTES - free }.into())
        }
        _ => Ok(()),
    }
}

/// Verifies a file's SHA-256 and its GGUF header. `on_progress` gets the hashed bytes.
///
/// # Errors
/// If the checksum differs, the file cannot be read, or it is not a usable model.
pub(crate) fn verify(part: &Path, metadata: &FileMetadata, mut on_progress: impl FnMut(u64)) -> Result<(), Error> {
    let disk = |error: std::io::Error| Error::Disk(DiskError::Io(error.to_string()));
    if hash(part, &mut on_progress).map_err(disk)? != metadata.sha256 {
        return Err(Error::ChecksumMismatch);
    }
    engine::gguf::read(part).map(drop).map_err(|error| Error::InvalidModel(error.to_string()))
}

/// Whether a text is a SHA-256 in hexadecimal digits.
#[must_use]
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The SHA-256 of a file, in hexadecimal digits. `on_progress` gets the hashed bytes.
///
/// # Errors
/// If the file cannot be read.
pub fn hash(file: &Path, mut on_progress: impl FnMut(u64)) -> std::io::Result<String> {
    let (mut file, mut hash, mut hashed) = (File::open(file)?, Sha256::new(), 0);
    let mut block = vec![0; 1024 * 1024];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&block[..read]);
        hashed += read as u64;
        on_progress(hashed);
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn file_metadata_is_read_from_the_response_headers() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
        };
        let hash = "ab".repeat(32);
        let (linked, tag) = (format!("\"{hash}\""), format!("W/\"{}\"", hash.to_uppercase()));
        let metadata =
            |bytes, commit: Option<&str>| FileMetadata { sha256: hash.clone(), bytes, commit: commit.map(Into::into) };
        for (hub, last, expected) in [
            (
                headers(&[
                    ("x-linked-etag", &linked),
                    ("x-linked-size", "10"),
                    ("x-repo-commit", "c0ffee"),
                    ("etag", "\"other\""),
                ]),
                headers(&[("content-length", "3")]),
                Ok(metadata(10, Some("c0ffee"))),
            ),
            (
                headers(&[("etag", &tag)]),
                headers(&[("content-range", "bytes 4-9/10"), ("content-length", "6")]),
                Ok(metadata(10, None)),
            ),
            (headers(&[("etag", &linked)]), headers(&[("content-length", "10")]), Ok(metadata(10, None))),
            (headers(&[("etag", "\"d41d8cd9\"")]), headers(&[("content-length", "10")]), Err(Error::NoChecksum)),
            (headers(&[("etag", &linked)]), headers(&[("content-length", "-1")]), Err(Error::InvalidResponse)),
            (headers(&[]), headers(&[]), Err(Error::NoChecksum)),
        ] {
            assert_eq!(FileMetadata::from_headers(&hub, &last), expected);
        }
    }
}
