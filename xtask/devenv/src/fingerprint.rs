//! Small files that remember what a step was done for, so that it is not done again for the same.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// A file that holds what its step was last done for.
pub struct Fingerprint(PathBuf);

impl Fingerprint {
    /// The fingerprint kept in this file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Whether the step was done for `what`.
    pub fn says(&self, what: &str) -> bool {
        fs::read_to_string(&self.0).is_ok_and(|text| text == what)
    }

    /// Remembers that the step was done for `what`.
    pub fn write(&self, what: &str) -> Result<()> {
        fs::write(&self.0, what).with_context(|| format!("could not write `{}`", self.0.display()))
    }
}

/// The hex SHA-256 over the names and contents of all files below `folder`, without the entries of these names at its top.
pub fn digest_folder(folder: &Path, without: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    list(folder, without, &mut files)?;
    files.sort();
    digest_files(folder, &files)
}

/// The hex SHA-256 over the names and contents of `files` in `folder`.
pub fn digest_files(folder: &Path, files: &[PathBuf]) -> Result<String> {
    let mut digest = Sha256::new();
    for file in files {
        let path = folder.join(file);
        let content = fs::read(&path).with_context(|| format!("could not read `{}`", path.display()))?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
        digest.update((name.len() as u64).to_le_bytes());
        digest.update(name.as_bytes());
        digest.update((content.len() as u64).to_le_bytes());
        digest.update(&content);
    }
    Ok(hex::encode(digest.finalize()))
}

fn list(folder: &Path, without: &[&str], files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("could not read the folder `{}`", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let kind = entry.file_type().with_context(reading)?;
        if without.iter().any(|name| entry.file_name() == *name) {
            continue;
        } else if kind.is_dir() {
            list(&entry.path(), &[], files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_changes_with_a_name_or_a_byte_and_not_with_what_is_left_out() {
        let folder = std::env::temp_dir().join(format!("xtask-digest-{}", std::process::id()));
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::create_dir_all(folder.join("dist")).unwrap();
        let digest = || digest_folder(&folder, &["dist"]).unwrap();

        fs::write(folder.join("src/a.ts"), "one").unwrap();
        let first = digest();
        fs::write(folder.join("dist/a.js"), "built").unwrap();
        assert_eq!(digest(), first);
        fs::write(folder.join("src/a.ts"), "two").unwrap();
        assert_ne!(digest(), first);
        fs::write(folder.join("src/a.ts"), "one").unwrap();
        assert_eq!(digest(), first);
        fs::rename(folder.join("src/a.ts"), folder.join("src/b.ts")).unwrap();
        assert_ne!(digest(), first);

        fs::remove_dir_all(folder).unwrap();
    }
}
