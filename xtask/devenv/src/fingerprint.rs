//! Fingerprints: small files that record the inputs of a finished step, so that it runs again only when they change.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The file with the inputs of a step's last successful run.
pub(crate) struct Fingerprint(PathBuf);

impl Fingerprint {
    /// The fingerprint stored in this file, which may be missing.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Whether the last successful run had these inputs.
    pub(crate) fn matches(&self, inputs: &str) -> bool {
        fs::read_to_string(&self.0).is_ok_and(|text| text == inputs)
    }

    /// Records that the step has succeeded with these inputs.
    pub(crate) fn write(&self, inputs: &str) -> Result<()> {
        fs::write(&self.0, inputs).with_context(|| format!("could not write `{}`", self.0.display()))
    }
}

/// Hex SHA-256 of the names and contents of all files below `folder`, except for the entries at its top named in `excluded`.
pub(crate) fn hash_folder(folder: &Path, excluded: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    list_files(folder, excluded, &mut files)?;
    files.sort();
    hash_files(folder, &files)
}

/// Hex SHA-256 of the names and contents of `files` in `folder`.
pub(crate) fn hash_files(folder: &Path, files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let path = folder.join(file);
        let content = fs::read(&path).with_context(|| format!("could not read `{}`", path.display()))?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(&content);
    }
    Ok(hex::encode(hash.finalize()))
}

fn list_files(folder: &Path, excluded: &[&str], files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("could not read the folder `{}`", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let file_type = entry.file_type().with_context(reading)?;
        if excluded.iter().any(|name| entry.file_name() == *name) {
            continue;
        } else if file_type.is_dir() {
            list_files(&entry.path(), &[], files)?;
        } else if file_type.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_hash_changes_with_a_name_or_a_byte_and_ignores_excluded_entries() {
        let folder = std::env::temp_dir().join(format!("devenv-hash-{}", std::process::id()));
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::create_dir_all(folder.join("dist")).unwrap();
        let hash = || hash_folder(&folder, &["dist"]).unwrap();

        fs::write(folder.join("src/a.ts"), "one").unwrap();
        let first = hash();
        fs::write(folder.join("dist/a.js"), "built").unwrap();
        assert_eq!(hash(), first);
        fs::write(folder.join("src/a.ts"), "two").unwrap();
        assert_ne!(hash(), first);
        fs::write(folder.join("src/a.ts"), "one").unwrap();
        assert_eq!(hash(), first);
        fs::rename(folder.join("src/a.ts"), folder.join("src/b.ts")).unwrap();
        assert_ne!(hash(), first);

        fs::remove_dir_all(folder).unwrap();
    }
}
