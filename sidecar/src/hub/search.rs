//! What the hub has: repositories with model files, and the files of one. What the hub says is read into these types and nothing else.

use serde::Deserialize;

use super::client::Asking;
use super::fetch::is_hash;
use super::{Error, FileName, Repository};
use crate::base::model_id::ModelId;

/// Repositories that are listed at most.
const MOST: &str = "30";

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its owner and name.
    pub repository: Repository,
    /// How often it was downloaded of late.
    pub downloads: u64,
    /// How many people like it.
    pub likes: u64,
    /// Its licence's short name, such as `apache-2.0`.
    pub license: Option<String>,
    /// Whether the hub asks for an account that has agreed to something.
    pub gated: bool,
}

/// A model file in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub file: FileName,
    /// Its bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, if the hub says it.
    pub sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    #[serde(default)]
    downloads: u64,
    #[serde(default)]
    likes: u64,
    #[serde(default)]
    tags: Vec<String>,
    /// `false`, or how one is let in.
    #[serde(default)]
    gated: serde_json::Value,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    oid: String,
}

/// Repositories with model files that a text finds, most downloaded first.
///
/// # Errors
/// When the hub does not answer in order.
pub async fn repositories(asking: &Asking, text: &str) -> Result<Vec<Found>, Error> {
    let mut url = asking.at(&["api", "models"])?;
    url.query_pairs_mut()
        .append_pair("search", text)
        .append_pair("filter", "gguf")
        .append_pair("sort", "downloads")
        .append_pair("direction", "-1")
        .append_pair("limit", MOST);
    let listed: Vec<Listed> = asking.list(url).await?;
    Ok(listed.into_iter().filter_map(found).collect())
}

fn found(listed: Listed) -> Option<Found> {
    let license = listed.tags.iter().find_map(|tag| tag.strip_prefix("license:"));
    let license = license.filter(|text| {
        text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
    });
    Some(Found {
        repository: Repository::try_from(listed.id).ok()?,
        downloads: listed.downloads,
        likes: listed.likes,
        license: license.map(Into::into),
        gated: !matches!(listed.gated, serde_json::Value::Null | serde_json::Value::Bool(false)),
    })
}

/// The model files of a repository, the smallest first. Parts of models in several files are left out.
///
/// # Errors
/// When the hub does not answer in order.
pub async fn files(asking: &Asking, repository: &Repository) -> Result<Vec<Offer>, Error> {
    let mut url = asking.at(&["api", "models", repository.as_ref(), "tree", "main"])?;
    url.query_pairs_mut().append_pair("recursive", "true");
    let entries: Vec<Entry> = asking.list(url).await?;
    let mut offers: Vec<Offer> = entries.into_iter().filter_map(offer).collect();
    offers.sort_by_key(|offer| offer.bytes);
    Ok(offers)
}

fn offer(entry: Entry) -> Option<Offer> {
    let file = FileName::try_from(entry.path).ok().filter(|_| entry.kind == "file")?;
    let whole = !ModelId(file.model().to_owned()).is_split();
    whole.then(|| Offer {
        file,
        bytes: entry.size,
        sha256: entry.lfs.map(|stored| stored.oid).filter(|oid| is_hash(oid)),
    })
}
