//! The configuration of this process, from its environment and command line. The only reader of the environment.

mod reader;
mod variables;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::reader::ConfigError;
use self::reader::EnvReader;
pub use self::variables::{UnknownVariable, VARIABLES, Variable, render_markdown, unknown};
use crate::base::retry::RetryPolicy;
use crate::settings::{EnvOverrides, LogLevel, Settings};

/// The configuration of this process.
#[derive(Debug, Clone)]
pub struct Config {
    /// What kind of installation this is.
    pub environment: Environment,
    /// Whether the default log level is `debug`.
    pub debug: bool,
    /// The data folder.
    pub data: PathBuf,
    /// The address to listen on; others than loopback need TLS or trust, and a key of their own.
    pub host: IpAddr,
    /// The configured port; if absent, the documented one or the next that is free.
    pub port: Option<u16>,
    /// The secret that API keys are hashed with; generated and stored in the data folder if absent.
    pub secret_key: Option<Secret>,
    /// Default lifetime of a new key, in days.
    pub api_key_expiry_days: u32,
    /// Whether a demo key may be created.
    pub demo_key: bool,
    /// The remote server's API key.
    pub remote_key: Option<Secret>,
    /// Whether that key may be stored in the system keychain.
    pub keychain: bool,
    /// The database file.
    pub database: PathBuf,
    /// The configured model file.
    pub model: Option<PathBuf>,
    /// A script of answers to use instead of a model, in debug builds.
    pub script: Option<PathBuf>,
    /// Number of threads that serve requests; the engine has threads of its own.
    pub workers: usize,
    /// Web origins, besides the window's own, whose pages may use the API.
    pub cors_origins: Vec<String>,
    /// Host names, besides those of this machine, that requests may use.
    pub trusted_hosts: Vec<String>,
    /// The TLS certificate and its key, PEM files, if the API is served over TLS.
    pub tls: Option<TlsFiles>,
    /// A separate port for `/metrics`, if any.
    pub metrics_port: Option<u16>,
    /// Interval between background health checks of the machine, the database and the remote server.
    pub health_check_interval: Duration,
    /// Whether responses carry security headers (CSP, X-Frame-Options and others).
    pub security_headers: bool,
    /// Whether request bodies need a Content-Type that HTML forms cannot send (CSRF protection).
    pub csrf_protection: bool,
    /// Whether the log is rotated at `log_max_size`.
    pub log_rotation: bool,
    /// Maximum size of a log file, in bytes.
    pub log_max_size: u64,
    /// The URL of the model hub.
    pub hf_endpoint: String,
    /// Timeout and retries of downloads.
    pub download_retry: RetryPolicy,
    /// Settings that the environment overrides.
    pub settings: EnvOverrides,
}

/// What kind of installation this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// A developer's own machine: a demo key may be created.
    Development,
    /// A machine in use.
    Production,
}

/// The files of a TLS certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// A text that is never written to logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Only what uses the secret may call this.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// All variables with invalid values.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// A configuration for `data` with nothing set.
    ///
    /// # Panics
    /// Never: the defaults are valid.
    #[must_use]
    pub fn for_data(data: PathBuf) -> Self {
        let data = data.to_string_lossy().into_owned();
        Self::read(|name| (name == handshake::DATA_DIR_VAR).then(|| data.clone())).expect("the defaults are valid")
    }

    /// Reads variables from `lookup`. An empty one counts as absent.
    ///
    /// # Errors
    /// All variables with invalid values.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = EnvReader::new(&lookup);
        let data = reader.data_folder();
        let environment = match reader.one_of("ENVIRONMENT", &["development", "production"]) {
            Some("development") => Environment::Development,
            _ => Environment::Production,
        };
        let settings = reader.overrides();
        let metrics = reader.flag("ENABLE_METRICS").unwrap_or(false);
        let metrics_port = reader.number("METRICS_PORT", 1..=u16::MAX).unwrap_or(9090);
        let config = Self {
            environment,
            debug: reader.flag("DEBUG").unwrap_or(false),
            host: reader.host().unwrap_or(Ipv4Addr::LOCALHOST.into()),
            port: settings.port.flatten().and_then(|port| u16::try_from(port).ok()),
            secret_key: reader.secret("SECRET_KEY", 32),
            api_key_expiry_days: reader.number("API_KEY_EXPIRY_DAYS", 1..=3650).unwrap_or(90),
            demo_key: reader.flag("ENABLE_DEMO_API_KEY").unwrap_or(true) && environment == Environment::Development,
            remote_key: reader.secret("AI_MODEL_API_KEY", 1),
            keychain: reader.flag("HAPA_KEYCHAIN").unwrap_or(true),
            database: reader.database().unwrap_or_else(|| data.join("hapa.db")),
            model: reader.text("HAPA_MODEL").map(PathBuf::from),
            script: reader.text("HAPA_SCRIPT").map(PathBuf::from).filter(|_| cfg!(debug_assertions)),
            workers: reader.number("MAX_WORKERS", 1..=64).unwrap_or(4),
            cors_origins: reader.origins("CORS_ORIGINS"),
            trusted_hosts: reader.host_names("TRUSTED_HOSTS"),
            tls: reader.tls(),
            metrics_port: metrics.then_some(metrics_port),
            health_check_interval: Duration::from_secs(reader.number("HEALTH_CHECK_INTERVAL", 1..=3600).unwrap_or(60)),
            security_headers: reader.flag("ENABLE_SECURITY_HEADERS").unwrap_or(true),
            csrf_protection: reader.flag("ENABLE_CSRF_PROTECTION").unwrap_or(true),
            log_rotation: reader.flag("LOG_FILE_ROTATION").unwrap_or(true),
            log_max_size: reader.size("LOG_MAX_SIZE").unwrap_or(50_000_000),
            hf_endpoint: reader.url("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            download_retry: RetryPolicy::default(),
            settings,
            data,
        };
        reader.finish(config)
    }

    /// The defaults of the settings, which environment and user override.
    #[must_use]
    pub fn default_settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings { log_level: if self.debug { LogLevel("debug".into()) } else { defaults.log_level }, ..defaults }
    }

    /// The folder of model files.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.data.join("models")
    }

    /// The folder of KV cache states on disk, so that a prefix need not be prefilled again after a restart.
    #[must_use]
    pub fn states(&self) -> PathBuf {
        self.data.join("states")
    }

    /// The file with this installation's own key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.data.join("api.key")
    }

    /// The file with the secret that hashes of keys depend on.
    #[must_use]
    pub fn secret_file(&self) -> PathBuf {
        self.data.join("secret.key")
    }

    /// The file with the remote server's key, where there is no keychain.
    #[must_use]
    pub fn remote_key_file(&self) -> PathBuf {
        self.data.join("remote.key")
    }

    /// The parts of the data folder, each with its files and folders.
    #[must_use]
    pub fn data_parts(&self) -> [(&'static str, Vec<PathBuf>); 4] {
        let with_suffix = |suffix: &str| {
            let mut name = self.database.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name)
        };
        [
            ("models", vec![self.models()]),
            ("database", vec![self.database.clone(), with_suffix("-wal"), with_suffix("-shm")]),
            ("states", vec![self.states()]),
            ("logs", self.log_file().parent().map(Path::to_owned).into_iter().collect()),
        ]
    }

    /// The log file.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.data.join("logs").join("app.log")
    }
}

/// The names of all variables of this process, to find misspelt ones.
#[must_use]
pub fn names() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// The locale of the terminal, such as `ko_KR.UTF-8`.
#[must_use]
pub fn locale() -> Option<String> {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned()).or((name == "HAPA_DATA_DIR").then(|| "/data".to_owned()))
        };
        Config::read(lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn without_variables_the_server_is_for_this_machine_only() {
        let config = read(&[]).unwrap();
        assert_eq!(config.host, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(config.port, None);
        assert_eq!(config.database, PathBuf::from("/data/hapa.db"));
        assert!(config.security_headers && config.csrf_protection && config.metrics_port.is_none());
        assert!(!config.demo_key, "a demo key is for development");
    }

    #[test]
    fn an_invalid_value_is_reported_by_name() {
        for (variable, value, problem) in [
            ("PORT", "eighty", "PORT is `eighty`: it must be a whole number from 1 to 65535"),
            ("PORT", "70000", "PORT is `70000`: it must be a whole number from 1 to 65535"),
            ("HOST", "everywhere", "HOST is `everywhere`: it must be an IP address, such as 127.0.0.1"),
            ("CORS_ORIGINS", "*", "CORS_ORIGINS is `*`: it must be a JSON list, such as [\"http://localhost:5173\"]"),
            (
                "CORS_ORIGINS",
                "[\"*\"]",
                "CORS_ORIGINS is `[\"*\"]`: each origin must be complete, such as http://localhost:5173",
            ),
            (
                "TRUSTED_HOSTS",
                "[\"a:80\"]",
                "TRUSTED_HOSTS is `[\"a:80\"]`: it must be a JSON list of host names without ports, such as [\"hapa.example\"]",
            ),
            ("DATABASE_URL", "postgres://x", "DATABASE_URL is `postgres://x`: it must be sqlite:<path>"),
            ("REQUEST_TIMEOUT", "-1", "REQUEST_TIMEOUT is `-1`: it must be a whole number from 1 to 3600"),
            ("DEBUG", "maybe", "DEBUG is `maybe`: it must be true or false"),
            ("ENVIRONMENT", "staging", "ENVIRONMENT is `staging`: it must be one of development, production"),
            ("LOG_MAX_SIZE", "lots", "LOG_MAX_SIZE is `lots`: it must be a size from 1KB to 10GB, such as 50MB"),
            (
                "AI_MODEL_ENDPOINT",
                "http://models.example",
                "AI_MODEL_ENDPOINT is `http://models.example`: it must start with https://; http:// is for servers of this machine (127.0.0.1, localhost)",
            ),
            ("SECRET_KEY", "short", "SECRET_KEY is too short: it must have at least 32 characters"),
            ("SSL_ENABLED", "true", "SSL_ENABLED is `true`: SSL_CERT_PATH and SSL_KEY_PATH must name PEM files"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err(), problem);
        }
    }

    #[test]
    fn all_invalid_values_are_reported_at_once() {
        let problems = read(&[("PORT", "x"), ("DEBUG", "y"), ("CACHE_TTL", "z")]).unwrap_err();
        assert_eq!(problems.lines().count(), 3, "{problems}");
    }

    #[test]
    fn each_variable_of_the_table_is_read_and_each_that_is_read_is_in_the_table() {
        let requested = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let lookup = |name: &str| {
            requested.borrow_mut().insert(name.to_owned());
            (name == "HAPA_DATA_DIR").then(|| "/data".to_owned())
        };
        Config::read(lookup).unwrap();
        let table: std::collections::BTreeSet<String> =
            VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
        // These are read by the desktop app.
        let desktop_only = ["HAPA_SIDECAR", "HAPA_UPDATE_FEED", "HAPA_UPDATE_KEY"].map(str::to_owned).into();
        assert_eq!(requested.into_inner(), &table - &desktop_only);
    }

    #[test]
    fn a_misspelt_variable_is_noticed() {
        let names = ["RATE_LIMT_ENABLED", "HAPA_MODELS", "HOME", "PATH", "PORT", "SHOST"].map(str::to_owned);
        let sentences: Vec<String> = unknown(&names).iter().map(ToString::to_string).collect();
        assert_eq!(
            sentences,
            [
                "RATE_LIMT_ENABLED is not a variable of HAPA; did you mean RATE_LIMIT_ENABLED?",
                "HAPA_MODELS is not a variable of HAPA; did you mean HAPA_MODEL?",
            ]
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = read(&[("SECRET_KEY", &"k".repeat(40)), ("AI_MODEL_API_KEY", "sk-canary")]).unwrap();
        let text = format!("{config:?}");
        assert!(!text.contains("kkkk") && !text.contains("canary"), "{text}");
    }
}
