//! The facts of this process, from its environment and command line. The only reader of the environment.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// What this process was told when it was started.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder for everything HAPA keeps.
    pub data: PathBuf,
    /// The address to listen on; loopback only.
    pub host: IpAddr,
    /// The port that was asked for, if any; otherwise the documented one or the next that is free.
    pub port: Option<u16>,
    /// The database's file.
    pub database: PathBuf,
    /// The model file that was asked for, if any.
    pub model: Option<PathBuf>,
    /// A script to follow instead of a model, in debug builds.
    pub script: Option<PathBuf>,
    /// Web origins, beside the window's own, whose pages may use the API.
    pub cors_origins: Vec<String>,
    /// A generation ends when no token comes for so long.
    pub request_timeout: Duration,
    /// Which log lines are written, as in `info` or `debug,sqlx=warn`.
    pub log_level: String,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is `{value}`: {problem}")]
pub struct ConfigError {
    variable: &'static str,
    value: String,
    problem: String,
}

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// The first variable with a value that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// Reads variables from `lookup`.
    ///
    /// # Errors
    /// The first variable with a value that cannot be used.
    pub fn read(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let data = handshake::data_folder(lookup(handshake::DATA_VARIABLE).map(PathBuf::from)).ok_or_else(|| {
            error(
                handshake::DATA_VARIABLE,
                String::new(),
                "this system has no home folder; name a folder for HAPA's data",
            )
        })?;
        let database = match lookup("DATABASE_URL") {
            None => data.join("hapa.db"),
            Some(url) => match url.strip_prefix("sqlite:") {
                Some(path) => PathBuf::from(path.trim_start_matches("//")),
                None => return Err(error("DATABASE_URL", url, "only sqlite:<path> is supported")),
            },
        };
        Ok(Self {
            host: host(lookup("HOST"))?,
            port: parsed("PORT", lookup("PORT"), "a port is a number from 1 to 65535")?,
            model: lookup("HAPA_MODEL").map(PathBuf::from),
            script: lookup("HAPA_SCRIPT").map(PathBuf::from).filter(|_| cfg!(debug_assertions)),
            cors_origins: origins(lookup("CORS_ORIGINS"))?,
            request_timeout: Duration::from_secs(
                parsed("REQUEST_TIMEOUT", lookup("REQUEST_TIMEOUT"), "it is a number of seconds")?.unwrap_or(30),
            ),
            log_level: lookup("LOG_LEVEL").unwrap_or_else(|| "info".into()).to_lowercase(),
            data,
            database,
        })
    }

    /// The folder that model files are looked for in.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.data.join("models")
    }

    /// The file with this installation's own key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.data.join("api.key")
    }
}

/// The language of the terminal, such as `ko_KR.UTF-8`.
#[must_use]
pub fn locale() -> Option<String> {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn error(variable: &'static str, value: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError { variable, value: value.into(), problem: problem.into() }
}

fn parsed<T: std::str::FromStr>(
    variable: &'static str,
    value: Option<String>,
    problem: &str,
) -> Result<Option<T>, ConfigError> {
    value.map(|value| value.parse().map_err(|_| error(variable, value, problem))).transpose()
}

fn host(value: Option<String>) -> Result<IpAddr, ConfigError> {
    let Some(value) = value.filter(|value| value != "localhost") else { return Ok(Ipv4Addr::LOCALHOST.into()) };
    let address: IpAddr = value.parse().map_err(|_| error("HOST", value.clone(), "it is not an IP address"))?;
    if address.is_loopback() {
        Ok(address)
    } else {
        Err(error("HOST", value, "this version serves this machine only; use 127.0.0.1"))
    }
}

fn origins(value: Option<String>) -> Result<Vec<String>, ConfigError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let origins: Vec<String> = serde_json::from_str(&value)
        .map_err(|_| error("CORS_ORIGINS", value.clone(), "it is a JSON list, such as [\"http://localhost:5173\"]"))?;
    match origins.iter().find(|origin| origin.contains('*') || !origin.contains("://")) {
        Some(origin) => Err(error("CORS_ORIGINS", origin, "name each origin whole, such as http://localhost:5173")),
        None => Ok(origins),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &'static str| {
            let given = variables.iter().find(|(variable, _)| *variable == name);
            given.map(|(_, value)| (*value).to_owned()).or((name == "HAPA_DATA_DIR").then(|| "/data".to_owned()))
        };
        Config::read(lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_is_a_server_for_this_machine_only() {
        let config = read(&[]).unwrap();
        assert_eq!(config.host, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(config.port, None);
        assert_eq!(config.database, PathBuf::from("/data/hapa.db"));
    }

    #[test]
    fn an_invalid_value_is_reported_by_name() {
        for (variable, value, problem) in [
            ("PORT", "eighty", "PORT is `eighty`: a port is a number from 1 to 65535"),
            ("PORT", "70000", "PORT is `70000`: a port is a number from 1 to 65535"),
            ("HOST", "0.0.0.0", "HOST is `0.0.0.0`: this version serves this machine only; use 127.0.0.1"),
            ("CORS_ORIGINS", "*", "CORS_ORIGINS is `*`: it is a JSON list, such as [\"http://localhost:5173\"]"),
            ("CORS_ORIGINS", "[\"*\"]", "CORS_ORIGINS is `*`: name each origin whole, such as http://localhost:5173"),
            ("DATABASE_URL", "postgres://x", "DATABASE_URL is `postgres://x`: only sqlite:<path> is supported"),
            ("REQUEST_TIMEOUT", "-1", "REQUEST_TIMEOUT is `-1`: it is a number of seconds"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err(), problem);
        }
    }
}
