//! tauri-driver, through which the tests reach the window.

use std::fs;

use anyhow::Result;

use crate::paths::Paths;
use crate::process::{cargo, succeed};
use crate::status;

const NAME: &str = "tauri-driver";
const VERSION: &str = "2.1.0";

/// Installs it in the cache, away from the user's own programs.
pub fn install(paths: &Paths) -> Result<()> {
    let tools = paths.tools();
    let record = fs::read_to_string(tools.join(".crates.toml")).unwrap_or_default();
    let program = tools.join("bin").join(NAME).with_extension(std::env::consts::EXE_EXTENSION);
    if records(&record, NAME, VERSION) && program.is_file() {
        status::print("Fresh", format_args!("{NAME} {VERSION}"));
        return Ok(());
    }
    status::print("Installing", format_args!("{NAME} {VERSION}"));
    let mut cargo = cargo(paths);
    cargo
        .args(["install", "--quiet", "--locked", "--force", "--debug", "--version", VERSION, NAME, "--root"])
        .arg(&tools);
    succeed(&mut cargo)
}

/// Whether cargo's record of installed programs has this version of `name`.
fn records(record: &str, name: &str, version: &str) -> bool {
    record.contains(&format!("\"{name} {version} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_the_one_we_want() {
        let record = "[v1]\n\"tauri-driver 2.0.4 (registry+https://example.org)\" = [\"tauri-driver\"]\n";
        assert!(records(record, "tauri-driver", "2.0.4"));
        assert!(!records(record, "tauri-driver", "2.0"));
        assert!(!records(record, "tauri-driver", "2.1.0"));
    }
}
