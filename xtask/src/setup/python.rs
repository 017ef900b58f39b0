//! Python programs that tests and benchmarks run: each set lies in a folder of its own in the cache, away from the user's packages.

use std::fs;
use std::path::PathBuf;

use super::stamp::Stamp;
use crate::console;
use crate::places::Places;
use crate::problem::{Result, While};
use crate::process::{command, succeed};

/// Packages with their versions, and the name of the folder that they go into.
pub struct Set {
    name: &'static str,
    packages: &'static [&'static str],
}

/// The client that knows the API's description and nothing else.
pub const SCHEMATHESIS: Set = Set { name: "schemathesis", packages: &["schemathesis==4.32.5"] };

/// OpenAI's own client.
pub const OPENAI: Set = Set { name: "openai", packages: &["openai==3.54.0"] };

/// The server that cached answers are measured against.
pub const FASTAPI: Set = Set { name: "fastapi", packages: &["fastapi==0.165.0", "uvicorn==0.54.0"] };

/// Installs a set, and gives back its folder, which goes into `PYTHONPATH`.
pub fn install(places: &Places, set: &Set) -> Result<PathBuf> {
    let folder = places.tools().join("python").join(set.name);
    let stamp = Stamp::at(folder.join("installed"));
    let wanted = set.packages.join("\n");
    if stamp.says(&wanted) {
        console::step("Fresh", set.packages.join(", "));
        return Ok(folder);
    }
    console::step("Installing", set.packages.join(", "));
    if folder.exists() {
        fs::remove_dir_all(&folder).while_trying(format_args!("empty `{}`", folder.display()))?;
    }
    fs::create_dir_all(&folder).while_trying(format_args!("create `{}`", folder.display()))?;
    let mut pip = command("python3");
    // Started in its own folder: `python3 -m` would import from a checkout too.
    pip.current_dir(&folder);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--target"]);
    pip.arg(&folder).args(set.packages);
    succeed(&mut pip)?;
    stamp.write(&wanted)?;
    Ok(folder)
}
