//! Which model file to run, and the engine that runs it.

use std::path::{Path, PathBuf};

use engine::{Engine, Options};

use crate::config::Config;

/// The file name of the model that HAPA comes with.
pub const DEFAULT_MODEL: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf";

/// Tokens for question and answer together. Room for the largest question that the API takes; 192 MiB for the default model.
const CONTEXT: u32 = 16_384;

/// Requests that may wait for the model or be answered at a time.
const CAPACITY: usize = 32;

/// Starts the engine with the model that was asked for, the default one, or the first one there is. Returns at once.
///
/// # Errors
/// A script, in debug builds, that cannot be read.
pub fn start(config: &Config) -> Result<Engine, String> {
    if let Some(script) = &config.script {
        let text = std::fs::read_to_string(script)
            .map_err(|error| format!("could not read `{}`: {error}", script.display()))?;
        let script =
            serde_json::from_str(&text).map_err(|error| format!("could not read `{}`: {error}", script.display()))?;
        return Ok(Engine::scripted(script));
    }
    let Some(model) = chosen(config) else {
        tracing::warn!("there is no model in `{}`", config.models().display());
        return Ok(Engine::absent());
    };
    Ok(Engine::start(Options { context: CONTEXT, memory: CONTEXT, capacity: CAPACITY, ..Options::of(model) }))
}

/// The model file to run: the one that was asked for, the default one, or the first one there is.
#[must_use]
pub fn chosen(config: &Config) -> Option<PathBuf> {
    config.model.clone().or_else(|| pick(&config.models()))
}

/// The default model in `folder`, or the first one by name.
fn pick(folder: &Path) -> Option<PathBuf> {
    let default = folder.join(DEFAULT_MODEL);
    if default.is_file() {
        return Some(default);
    }
    let is_model = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|ending| ending == "gguf");
    std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_model).min()
}
