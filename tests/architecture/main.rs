//! Architecture tests: rules that are read off the source files, such as the layers of the modules and the home of each dependency.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod dependencies;
mod imports;
mod layers;
mod prose;
mod schemas;

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package `tests` is in the repository").to_owned()
}

/// A source file: its path from the root of the repository, with `/`, and its text.
type Source = (String, String);

/// The files below `folder` that end in one of `endings`, sorted by path.
fn files(folder: &str, endings: &[&str]) -> Vec<Source> {
    let (root, mut found, mut open) = (root(), Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is a folder", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["node_modules", "dist", "gen", "target"].contains(&name.as_str()) {
                    open.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    assert!(!found.is_empty(), "there are files in {folder}");
    found.sort();
    found
}
