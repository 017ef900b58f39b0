//! What the hub has: repositories with model files, and the files of one. What the hub says is read into these types and nothing else.

use serde::Deserialize;

use super::client::HubClient;
use super::fetch::is_sha256;
use super::{Error, FileName, Repository};
use crate::base::model_id::ModelId;

/// Repositories that are listed at most.
const MAX_RESULTS: &str = "30";

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoSummary {
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
pub struct RepoFile {
    /// Its name.
    pub file: FileName,
    /// Its bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, if the hub says it.
    pub sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepoJson {
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
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<LfsPointer>,
}

#[derive(Deserialize)]
struct LfsPointer {
    oid: String,
}

/// Repositories with model files that a text finds, most downloaded first.
///
/// # Errors
/// When the hub does not answer in order.
pub async fn search_repositories(client: &HubClient, text: &str) -> Result<Vec<RepoSummary>, Error> {
    let mut url = client.url(&["api", "models"])?;
    url.query_pairs_mut()
        .append_pair("search", text)
        .append_pair("filter", "gguf")
        .append_pair("sort", "downloads")
        .append_pair("direction", "-1")
        .append_pair("limit", MAX_RESULTS);
    let listed: Vec<RepoJson> = client.get_json(url).await?;
    Ok(listed.into_iter().filter_map(to_summary).collect())
}

fn to_summary(repo: RepoJson) -> Option<RepoSummary> {
    let license = repo.tags.iter().find_map(|tag| tag.strip_prefix("license:"));
    let license = license.filter(|text| {
        text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
    });
    Some(RepoSummary {
        repository: Repository::try_from(repo.id).ok()?,
        downloads: repo.downloads,
        likes: repo.likes,
        license: license.map(Into::into),
        gated: !matches!(repo.gated, serde_json::Value::Null | serde_json::Value::Bool(false)),
    })
}

/// The model files of a repository, the smallest first. Parts of models in several files are left out.
///
/// # Errors
/// When the hub does not answer in order.
pub async fn list_files(client: &HubClient, repository: &Repository) -> Result<Vec<RepoFile>, Error> {
    let mut url = client.url(&["api", "models", repository.as_ref(), "tree", "main"])?;
    url.query_pairs_mut().append_pair("recursive", "true");
    let entries: Vec<TreeEntry> = client.get_json(url).await?;
    let mut files: Vec<RepoFile> = entries.into_iter().filter_map(to_file).collect();
    files.sort_by_key(|file| file.bytes);
    Ok(files)
}

fn to_file(entry: TreeEntry) -> Option<RepoFile> {
    let file = FileName::try_from(entry.path).ok().filter(|_| entry.kind == "file")?;
    let is_single_file = !ModelId(file.model().to_owned()).is_split();
    is_single_file.then(|| RepoFile {
        file,
        bytes: entry.size,
        sha256: entry.lfs.map(|stored| stored.oid).filter(|oid| is_sha256(oid)),
    })
}
