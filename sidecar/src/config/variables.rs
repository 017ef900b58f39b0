//! The table of environment variables that HAPA reads: names, defaults and descriptions.

use std::fmt;

/// An environment variable that HAPA reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The value used when the variable is not set, in words.
    pub default: &'static str,
    /// What it configures, as Markdown without `|`.
    pub description: &'static str,
    /// Whether its value is a secret, which must not be shown.
    pub secret: bool,
}

const fn variable(name: &'static str, default: &'static str, description: &'static str) -> Variable {
    Variable { name, default, description, secret: false }
}

const fn secret(name: &'static str, default: &'static str, description: &'static str) -> Variable {
    Variable { name, default, description, secret: true }
}

/// All environment variables, in the order of the documentation.
pub const VARIABLES: &[Variable] = &[
    variable("ENVIRONMENT", "production", "`development` or `production`; `development` allows the demo key"),
    variable(
        "DEBUG",
        "false",
        "Use `debug` as the default log level; the setting `log_level` and LOG_LEVEL take precedence",
    ),
    variable(
        "HOST",
        "127.0.0.1",
        "IP address to listen on, or `localhost`; an address that other machines can reach needs a key from `hapa keys create`",
    ),
    variable("PORT", "8000, or the next free port", "Port of the API; if it is taken, HAPA does not start"),
    secret(
        "SECRET_KEY",
        "generated, stored in `secret.key`",
        "Secret that API keys are hashed with, at least 32 characters; changing it invalidates all keys created before",
    ),
    variable("API_KEY_EXPIRY_DAYS", "90", "Default lifetime of new API keys in days, 1 to 3650"),
    variable("ENABLE_DEMO_API_KEY", "true", "Enable `hapa keys demo`; it also needs `ENVIRONMENT=development`"),
    secret("AI_MODEL_API_KEY", "none", "API key of the remote server; it overrides the stored key and is not stored"),
    variable(
        "AI_MODEL_ENDPOINT",
        "none",
        "URL of an OpenAI-compatible remote server: the base URL, or one that ends in `/v1`, `/v1/completions` or `/v1/chat/completions`; used only if the setting `remote_policy` allows it",
    ),
    variable("DATABASE_URL", "sqlite:<data folder>/hapa.db", "SQLite database file"),
    variable(
        "CACHE_TTL",
        "1800",
        "Lifetime of cached answers in seconds, 0 to 2592000; 0 turns the response cache off",
    ),
    variable("MAX_CACHE_SIZE", "1000", "Maximum number of cached answers, 0 to 100000; 0 turns the response cache off"),
    variable(
        "REQUEST_TIMEOUT",
        "30",
        "Idle timeout of a generation in seconds, 1 to 3600: it stops if no token arrives for this long",
    ),
    variable("MAX_WORKERS", "4", "Number of threads that serve requests, 1 to 64; the engine has threads of its own"),
    variable(
        "RATE_LIMIT_ENABLED",
        "true",
        "Enable rate limits; the desktop window and the default key (`api.key`) are never limited",
    ),
    variable("DEFAULT_RATE_LIMIT", "100", "Maximum number of requests per key and period, 1 to 1000000"),
    variable("RATE_LIMIT_WINDOW_MINUTES", "60", "Length of the rate limit period in minutes, 1 to 1440"),
    variable(
        "CORS_ORIGINS",
        "none",
        "Origins of web pages that may call the API: a JSON list, such as `[\"http://localhost:5173\"]`",
    ),
    variable(
        "TRUSTED_HOSTS",
        "none",
        "Host names that requests may use besides those of this machine: a JSON list, such as `[\"hapa.example\"]`",
    ),
    variable("SSL_ENABLED", "false", "Serve the API over TLS; needs SSL_CERT_PATH and SSL_KEY_PATH"),
    variable("SSL_CERT_PATH", "none", "TLS certificate chain, a PEM file"),
    variable("SSL_KEY_PATH", "none", "Private key of the certificate, a PEM file"),
    variable("ENABLE_METRICS", "false", "Serve `/metrics` on METRICS_PORT too"),
    variable("METRICS_PORT", "9090", "Separate port for `/metrics`, on the address of HOST"),
    variable("HEALTH_CHECK_INTERVAL", "60", "Interval between background health checks in seconds, 1 to 3600"),
    variable(
        "ENABLE_SECURITY_HEADERS",
        "true",
        "Send security headers: Content-Security-Policy, X-Frame-Options and others",
    ),
    variable(
        "ENABLE_CSRF_PROTECTION",
        "true",
        "Accept request bodies only with a Content-Type that HTML forms cannot send: JSON, or `application/octet-stream` for model files",
    ),
    variable(
        "LOG_LEVEL",
        "info",
        "`error`, `warn`, `info`, `debug` or `trace`, also per module, as in `info,sqlx=warn`",
    ),
    variable("LOG_FILE_ROTATION", "true", "Start a new log file at LOG_MAX_SIZE and keep five older ones"),
    variable("LOG_MAX_SIZE", "50MB", "Maximum size of a log file, 1KB to 10GB"),
    variable(
        "HF_ENDPOINT",
        "https://huggingface.co",
        "URL of the model hub: Hugging Face or a mirror; `http://` is accepted for this machine only",
    ),
    variable("HISTORY_RETENTION_DAYS", "no limit", "Days until history entries are deleted, 1 to 36500"),
    variable(
        "HAPA_KEYCHAIN",
        "true",
        "Store the remote server's key in the system keychain; if false, in the file `remote.key`",
    ),
    variable("HAPA_DATA_DIR", "the platform's data folder", "Folder for all data of HAPA"),
    variable(
        "HAPA_MEMORY_BUDGET_MB",
        "60% of this machine's memory",
        "Main memory that models may use, in MiB, 64 to 16777216",
    ),
    variable(
        "HAPA_MODEL",
        "the model selected in the settings",
        "GGUF file of the chat model; it overrides the setting `chat_model`",
    ),
    variable("HAPA_SCRIPT", "none", "Scripted answers to use instead of a model; for tests, in debug builds only"),
    variable(
        "HAPA_SIDECAR",
        "the executable next to the app",
        "Sidecar executable that the desktop app starts, in debug builds only",
    ),
    variable("HAPA_UPDATE_FEED", "from the app package", "URL where new versions are announced, in debug builds only"),
    variable(
        "HAPA_UPDATE_KEY",
        "from the app package",
        "Public key for the signatures of new versions, in debug builds only",
    ),
];

/// The Markdown page `CONFIGURATION.md`.
#[must_use]
pub fn render_markdown() -> String {
    let row = |variable: &Variable| {
        // Markdown would parse `<data folder>` as an HTML tag.
        let text = |text: &str| text.replace('<', "&lt;");
        format!("| `{}` | {} | {} |\n", variable.name, text(variable.default), text(variable.description))
    };
    format!("{HEAD}{}", VARIABLES.iter().map(row).collect::<String>())
}

const HEAD: &str = "\
<!-- Generated by `hapa variables`; edit sidecar/src/config/variables.rs instead. -->
# Configuration

HAPA reads these environment variables at startup. An empty variable counts as not set. A variable that is set overrides
the setting of the same meaning in the window, where that setting becomes read-only. Switches accept `true` or `false`, `1`
or `0`, `yes` or `no`, `on` or `off`. HAPA does not start with an invalid value; a misspelt name is reported as a warning.

| Variable | Default | Meaning |
|---|---|---|
";

/// An environment variable that HAPA does not read, but whose name suggests that it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The known variable with the most similar name, if one is similar enough.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a variable of HAPA", self.name)?;
        self.suggestion.map_or(Ok(()), |suggestion| write!(f, "; did you mean {suggestion}?"))
    }
}

/// Returns the variables in `names` that look misspelt, or have the prefix `HAPA_` and are unknown.
#[must_use]
pub fn unknown(names: &[String]) -> Vec<UnknownVariable> {
    let known = |name: &str| VARIABLES.iter().any(|variable| variable.name == name);
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !known(name)) {
        let suggestion =
            VARIABLES.iter().map(|variable| (strsim::damerau_levenshtein(variable.name, name), variable.name));
        let suggestion = suggestion.min().expect("the table is not empty");
        // Short names such as HOST and PORT are similar to many names of other programs.
        let misspelt = suggestion.1.len() >= 8 && suggestion.0 <= 2;
        if misspelt || name.starts_with("HAPA_") && !name.starts_with("HAPA_TEST_") {
            found.push(UnknownVariable { name: name.clone(), suggestion: (suggestion.0 <= 3).then_some(suggestion.1) });
        }
    }
    found
}
