//! Search on the hub: repositories with GGUF files, and the files of a repository. Only the fields of these types are read.

use serde::Deserialize;

use super::client::HubClient;
use super::fetch::is_sha256;
use super::{Error, FileName, Repository};
use crate::base::model_id::ModelId;

/// Maximum number of repositories in a result.
const MAX_RESULTS: &str = "30";

/// A repository in a search result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoSummary {
    /// Its owner and name.
    pub repository: Repository,
    /// Recent downloads, as the hub counts them.
    pub downloads: u64,
    /// Likes.
    pub likes: u64,
    /// Its licence's short name, such as `apache-2.0`.
    pub license: Option<String>,
    /// Whether it needs an account that has accepted its terms.
    pub gated: bool,
}

/// A GGUF file in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFile {
    /// Its path in the repository.
    pub file: FileName,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal digits, if the hub reports it.
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
    /// `false`, or how access is granted.
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

/// Searches for repositories with GGUF files, most downloaded first.
///
/// # Errors
/// If the request fails or its response is invalid.
pub(crate) async fn search_repositories(client: &HubClient, text: &str) -> Result<Vec<RepoSummary>, Error> {
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

/// Lists the GGUF files of a repository, smallest first. Split models are left out.
///
/// # Errors
/// If the request fails or its response is invalid.
pub(crate) async fn list_files(client: &HubClient, repository: &Repository) -> Result<Vec<RepoFile>, Error> {
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
