//! Where log lines go: sentences to stderr, one JSON object a line to `logs/app.log`.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal};
use std::sync::Mutex;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::Config;

/// llama.cpp tells much that helps only its own developers.
const QUIET: &str = "llama-cpp-2=warn";

/// Whether `text` says which log lines to write.
#[must_use]
pub fn is_filter(text: &str) -> bool {
    !text.trim().is_empty() && EnvFilter::builder().parse(text).is_ok()
}

/// Starts logging for this process.
///
/// # Errors
/// When the log file cannot be opened.
pub fn start(config: &Config) -> io::Result<()> {
    let folder = config.data.join("logs");
    fs::create_dir_all(&folder)?;
    let file = OpenOptions::new().create(true).append(true).open(folder.join("app.log"))?;
    let filter = EnvFilter::builder()
        .parse_lossy(format!("{QUIET},{}", config.settings.log_level.clone().unwrap_or_default().0));
    let terminal = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).with_target(false);
    let lines = fmt::layer().json().with_writer(Mutex::new(file));
    // A second start in one process, as in tests, keeps the first.
    let _ = tracing_subscriber::registry().with(filter).with(terminal).with(lines).try_init();
    Ok(())
}
