//! Health checks of an installation: findings with their severity, and how to fix them. Prints nothing.

mod model;
mod monitor;
mod network;
mod remote;
mod storage;

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch::channel;
use utoipa::ToSchema;

pub use self::monitor::{HealthMonitor, watch};
use crate::base::i18n::{Language, LocalizedText};
use crate::config::Config;
use crate::remote::{Remote, State, is_enabled};
use crate::settings::Settings;
use crate::store::stored_settings;
use crate::system::Capacity;
use crate::{config, system};

/// Time limit of the database check when the user waits for the report.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(30);

/// Checks the complete installation, whether HAPA is running on it or not. Nothing is changed or locked.
pub async fn examine(config: &Config) -> Report {
    let capacity = system::capacity(&config.data);
    let mut findings = storage::findings(config, &capacity, DATABASE_TIMEOUT).await;
    let settings = effective_settings(config).await;
    let on = is_enabled(&settings);
    findings.push(model::file(config, &capacity, on));
    findings.push(model::backends());
    findings.extend(network::ports(config));
    let (_changes, unchanged) = channel(std::sync::Arc::new(settings.clone()));
    let state = if on { Remote::new(config, unchanged).probe().await } else { State::Off };
    findings.extend(remote::finding(&settings, &state));
    findings.extend(environment_findings(config));
    Report { findings }
}

/// The settings that HAPA would use on this installation now. The database is only read.
async fn effective_settings(config: &Config) -> Settings {
    let mut settings = Settings::from_rows(config.default_settings(), &stored_settings(&config.database).await);
    config.settings.apply(&mut settings);
    settings
}

/// The findings on the environment variables and the settings.
fn environment_findings(config: &Config) -> Vec<Finding> {
    let variables = config::unknown(&config::names()).into_iter().map(|unknown| {
        let en = unknown.to_string();
        let suggestion = unknown.suggestion.map(|suggestion| format!(" ({suggestion}?)")).unwrap_or_default();
        let ko = format!("`{}`: HAPA에서 지원하지 않는 환경 변수입니다{suggestion}", unknown.name);
        let help = LocalizedText::new("이름을 고치거나 변수를 삭제하세요", "correct its name, or remove it");
        Finding::new("variable", Severity::Warning, LocalizedText::new(ko, en)).help(help)
    });
    network::exposure_findings(config).into_iter().chain(variables).collect()
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Weight)]
pub enum Severity {
    /// HAPA cannot work.
    Critical,
    /// A configured feature does not work.
    Error,
    /// Something could be improved.
    Warning,
    /// Information.
    Info,
    /// No problem.
    Ok,
}

/// One result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check, one word for programs.
    pub id: &'static str,
    /// The severity.
    pub severity: Severity,
    /// The result.
    pub message: LocalizedText,
    /// How to fix it; `None` if there is nothing to do.
    pub help: Option<LocalizedText>,
}

impl Finding {
    fn new(id: &'static str, severity: Severity, message: LocalizedText) -> Self {
        Self { id, severity, message, help: None }
    }

    fn help(self, help: LocalizedText) -> Self {
        Self { help: Some(help), ..self }
    }
}

/// All findings, in the order of the checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Also those without a problem.
    pub findings: Vec<Finding>,
}

/// The number of problems by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Issues {
    /// HAPA cannot work.
    pub critical: u32,
    /// A configured feature does not work.
    pub errors: u32,
    /// Something could be improved.
    pub warnings: u32,
}

/// The health of HAPA, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Requests can be answered.
    Healthy,
    /// The API works, but a configured feature such as the model does not.
    Degraded,
    /// HAPA cannot work, for example because of its database.
    Unhealthy,
}

impl Issues {
    /// The status that follows from the most severe problem.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self { critical: 1.., .. } => Status::Unhealthy,
            Self { errors: 1.., .. } => Status::Degraded,
            Self { .. } => Status::Healthy,
        }
    }
}

/// A finding in one language.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthFinding)]
pub struct FindingView {
    /// The check.
    #[schema(example = "model")]
    id: &'static str,
    severity: Severity,
    /// The result.
    message: String,
    /// How to fix it; null if there is nothing to do.
    help: Option<String>,
}

impl Report {
    /// The number of problems by severity.
    #[must_use]
    pub fn issues(&self) -> Issues {
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let count = |severity| u32::try_from(count(severity)).unwrap_or(u32::MAX);
        Issues {
            critical: count(Severity::Critical),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
        }
    }

    /// All findings in one language.
    #[must_use]
    pub fn localized(&self, language: Language) -> Vec<FindingView> {
        let view = |finding: &Finding| FindingView {
            id: finding.id,
            severity: finding.severity,
            message: finding.message.text(language).to_owned(),
            help: finding.help.as_ref().map(|help| help.text(language).to_owned()),
        };
        self.findings.iter().map(view).collect()
    }
}

/// A readable number of bytes, such as `491 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
