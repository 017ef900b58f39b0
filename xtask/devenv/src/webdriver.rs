//! tauri-driver, the WebDriver server through which the tests control the window.

use std::fs;

use anyhow::Result;

use crate::process::{cargo, run};
use crate::{Paths, status};

const NAME: &str = "tauri-driver";
const VERSION: &str = "2.1.0";

/// Installs tauri-driver into the cache; the user's own cargo binaries are not changed.
pub(crate) fn install(paths: &Paths) -> Result<()> {
    let tools = paths.tools();
    let record = fs::read_to_string(tools.join(".crates.toml")).unwrap_or_default();
    let program = tools.join("bin").join(NAME).with_extension(std::env::consts::EXE_EXTENSION);
    if is_recorded(&record, NAME, VERSION) && program.is_file() {
        status::print("Fresh", format_args!("{NAME} {VERSION}"));
        return Ok(());
    }
    status::print("Installing", format_args!("{NAME} {VERSION}"));
    let mut cargo = cargo(paths);
    cargo
        .args(["install", "--quiet", "--locked", "--force", "--debug", "--version", VERSION, NAME, "--root"])
        .arg(&tools);
    run(&mut cargo)
}

/// Whether cargo's record of installed programs lists this version of `name`.
fn is_recorded(record: &str, name: &str, version: &str) -> bool {
    record.contains(&format!("\"{name} {version} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_the_required_one() {
        let record = "[v1]\n\"tauri-driver 2.0.4 (registry+https://example.org)\" = [\"tauri-driver\"]\n";
        assert!(is_recorded(record, "tauri-driver", "2.0.4"));
        assert!(!is_recorded(record, "tauri-driver", "2.0"));
        assert!(!is_recorded(record, "tauri-driver", "2.1.0"));
    }
}
