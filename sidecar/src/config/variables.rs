//! Every variable of the environment that HAPA reads: its name, its default, and what it decides.

use std::fmt;

/// A variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The value that counts where it is not set, in words.
    pub default: &'static str,
    /// What it decides.
    pub meaning: &'static str,
    /// Whether its value may be shown.
    pub secret: bool,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, secret: false }
}

const fn secret(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, secret: true }
}

/// All of them, in the order in which the documentation shows them.
pub const VARIABLES: &[Variable] = &[
    variable("ENVIRONMENT", "production", "`development` or `production`; the demo key exists in development only"),
    variable("DEBUG", "false", "Log more: the level `debug` where LOG_LEVEL does not say otherwise"),
    variable("HOST", "127.0.0.1", "The address to listen on; one beyond this machine needs a key made for it"),
    variable("PORT", "8000 or the next that is free", "The port to listen on, and no other"),
    secret("SECRET_KEY", "made and kept", "What the kept hashes of keys depend on, at least 32 characters"),
    variable("API_KEY_EXPIRY_DAYS", "90", "Days until a new key ends, 1 to 3650"),
    variable("ENABLE_DEMO_API_KEY", "true", "Whether `hapa keys demo` works, in development"),
    secret("AI_MODEL_API_KEY", "none", "The key for the remote server, which then is not kept anywhere"),
    variable(
        "AI_MODEL_ENDPOINT",
        "none",
        "The remote server: an OpenAI-compatible one by its address, also with `/v1` or `/v1/completions`; it is asked once the setting `remote_policy` says so",
    ),
    variable("DATABASE_URL", "sqlite:<data folder>/hapa.db", "The database's file"),
    variable("CACHE_TTL", "1800", "Seconds that a finished answer can be given again, 0 to 2592000"),
    variable("MAX_CACHE_SIZE", "1000", "Answers in the cache at most, 0 to 100000"),
    variable("REQUEST_TIMEOUT", "30", "A generation ends when no token comes for so many seconds, 1 to 3600"),
    variable("MAX_WORKERS", "4", "Threads that answer requests, 1 to 64; the model has its own"),
    variable("RATE_LIMIT_ENABLED", "true", "Whether requests are limited; the app's own key never is"),
    variable("DEFAULT_RATE_LIMIT", "100", "Requests of a key in a window, 1 to 1000000"),
    variable("RATE_LIMIT_WINDOW_MINUTES", "60", "Minutes of that window, 1 to 1440"),
    variable("CORS_ORIGINS", "none", "Web pages that may use the API: a JSON list of origins"),
    variable("TRUSTED_HOSTS", "none", "Host names that the API answers to beside this machine's own: a JSON list"),
    variable("SSL_ENABLED", "false", "Whether the API is served over TLS"),
    variable("SSL_CERT_PATH", "none", "The certificate, a PEM file"),
    variable("SSL_KEY_PATH", "none", "The certificate's private key, a PEM file"),
    variable("ENABLE_METRICS", "false", "Whether METRICS_PORT serves `/metrics` too"),
    variable("METRICS_PORT", "9090", "A port of its own for `/metrics`, on the address of HOST"),
    variable("HEALTH_CHECK_INTERVAL", "60", "Seconds between two looks at the installation, 1 to 3600"),
    variable("ENABLE_SECURITY_HEADERS", "true", "Whether responses carry the headers that keep browsers careful"),
    variable(
        "ENABLE_CSRF_PROTECTION",
        "true",
        "Whether a request that changes something must be JSON by its Content-Type",
    ),
    variable("LOG_LEVEL", "info", "`error`, `warn`, `info`, `debug` or `trace`, also by room as in `info,sqlx=warn`"),
    variable("LOG_FILE_ROTATION", "true", "Whether a new log file begins at LOG_MAX_SIZE; five older ones are kept"),
    variable("LOG_MAX_SIZE", "50MB", "The size of a log file"),
    variable("HF_ENDPOINT", "https://huggingface.co", "Where models are downloaded from"),
    variable("HISTORY_RETENTION_DAYS", "for ever", "Days that the history is kept, 1 to 36500"),
    variable(
        "HAPA_KEYCHAIN",
        "true",
        "Whether the remote server's key may be kept in the system's keychain, or in a file only",
    ),
    variable("HAPA_DATA_DIR", "the system's folder for it", "The folder for everything that HAPA keeps"),
    variable("HAPA_MEMORY_BUDGET_MB", "six tenths of the machine's", "Mebibytes of main memory that models may take"),
    variable("HAPA_MODEL", "the first in the models folder", "The model file to run"),
    variable("HAPA_SCRIPT", "none", "A script to follow instead of a model; for tests, in debug builds only"),
    variable(
        "HAPA_SIDECAR",
        "beside the app",
        "The program that the desktop app starts as its sidecar, in debug builds only",
    ),
    variable("HAPA_UPDATE_FEED", "the app's own", "Where new versions are announced, in debug builds only"),
    variable(
        "HAPA_UPDATE_KEY",
        "the app's own",
        "The public key that new versions are signed with, in debug builds only",
    ),
];

/// A page with all of them, in Markdown: `CONFIGURATION.md`.
#[must_use]
pub fn page() -> String {
    let row = |variable: &Variable| {
        // Markdown takes `<data folder>` for a tag.
        let text = |text: &str| text.replace('<', "&lt;");
        format!("| `{}` | {} | {} |\n", variable.name, text(variable.default), text(variable.meaning))
    };
    format!("{HEAD}{}", VARIABLES.iter().map(row).collect::<String>())
}

const HEAD: &str = "\
<!-- Written by `hapa variables`; change sidecar/src/config/variables.rs instead. -->
# Configuration

These are all variables of the environment that HAPA reads when it starts; one that is empty counts as absent. Settings made
in the window are kept in the database, and a variable that is set wins over them.

| Variable | Default | Meaning |
|---|---|---|
";

/// A variable that looks like one of HAPA's and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its name.
    pub name: String,
    /// The variable that was meant, perhaps.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a variable of HAPA", self.name)?;
        self.nearest.map_or(Ok(()), |nearest| write!(f, "; did you mean {nearest}?"))
    }
}

/// Those of `names` that look like variables of HAPA and are none.
#[must_use]
pub fn unknown(names: &[String]) -> Vec<Unknown> {
    let known = |name: &str| VARIABLES.iter().any(|variable| variable.name == name);
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !known(name)) {
        let nearest =
            VARIABLES.iter().map(|variable| (strsim::damerau_levenshtein(variable.name, name), variable.name));
        let nearest = nearest.min().expect("the table is not empty");
        // Short names such as HOST and PORT are near to many that belong to other programs.
        let misspelt = nearest.1.len() >= 8 && nearest.0 <= 2;
        if misspelt || name.starts_with("HAPA_") && !name.starts_with("HAPA_TEST_") {
            found.push(Unknown { name: name.clone(), nearest: (nearest.0 <= 3).then_some(nearest.1) });
        }
    }
    found
}
