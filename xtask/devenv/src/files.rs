//! Folder operations whose errors name the folder.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

/// Creates a folder with its parents, unless it exists. Only the current user can read what is created: HAPA's data folder may be among
/// it.
///
/// # Errors
/// The folder could not be created.
pub fn create_folder(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("could not create `{}`", folder.display()))
}

/// Removes a folder with its content, unless it is missing.
///
/// # Errors
/// The folder could not be removed.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Makes an empty folder: removes what is there and creates the folder again.
///
/// # Errors
/// The folder could not be removed or created.
pub fn empty_folder(folder: &Path) -> Result<()> {
    remove_folder(folder)?;
    create_folder(folder)
}
