//! Logging: readable lines to stderr, JSON lines to `logs/app.log`.

mod json_format;
pub mod log_reader;
mod rotating_file;

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::Config;
use crate::settings::{LogLevel, Settings};

/// llama.cpp logs much that helps only its own developers.
const DEFAULT_DIRECTIVES: &str = "llama-cpp-2=warn";

/// The running log, whose level can be changed.
#[derive(Debug)]
pub struct Log {
    level: LogLevel,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Starts logging for this process. Until [`Log::follow`], the level comes from the environment, or is the default.
///
/// A line is in the file when the call that wrote it returns. Nothing is buffered, so nothing is lost when the process
/// ends.
///
/// # Errors
/// When the log file cannot be opened.
pub fn start(config: &Config) -> io::Result<Log> {
    let level = config.settings.log_level.clone().unwrap_or_else(|| config.default_settings().log_level);
    let (filter, handle) = reload::Layer::new(filter(&level));
    let terminal = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).with_target(false);
    let lines = fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(json_format::JsonFormat)
        .with_ansi(false)
        .with_writer(Mutex::new(rotating_file::open(config)?));
    // A second start in one process, as in tests, has no effect.
    let _ = tracing_subscriber::registry().with(filter).with(terminal).with(lines).try_init();
    Ok(Log { level, filter: handle })
}

impl Log {
    /// Applies the level of `settings` from now on, until the settings are dropped.
    pub fn follow(mut self, mut settings: watch::Receiver<Arc<Settings>>) {
        let level = settings.borrow_and_update().log_level.clone();
        self.change(level);
        tokio::spawn(async move {
            while settings.changed().await.is_ok() {
                let level = settings.borrow_and_update().log_level.clone();
                self.change(level);
            }
        });
    }

    fn change(&mut self, level: LogLevel) {
        if level == self.level {
            return;
        }
        match self.filter.reload(filter(&level)) {
            Ok(()) => tracing::info!(level_now = %level.0, "changed the log level to {}", level.0),
            Err(error) => tracing::warn!(%error, "could not change the log level to {}", level.0),
        }
        self.level = level;
    }
}

fn filter(level: &LogLevel) -> EnvFilter {
    EnvFilter::builder().parse_lossy(format!("{DEFAULT_DIRECTIVES},{}", level.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_log_level_that_the_settings_accept_is_a_filter() {
        let (fixed, _) = crate::settings::EnvOverrides::read(&|_| None);
        for level in ["off", "info", "info,sqlx=warn", "trace,a::b_c-d=debug,_x=off", "warn,a:=info"] {
            let (read, problems) =
                crate::settings::EnvOverrides::read(&|name| (name == "LOG_LEVEL").then(|| level.to_owned()));
            assert_ne!(read, fixed, "{level}: {problems:?}");
            assert!(EnvFilter::builder().parse(level).is_ok(), "{level}");
        }
    }
}
