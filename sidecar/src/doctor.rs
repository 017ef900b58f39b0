//! What is wrong with an installation, and what helps: the checks, without any printing.

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
use crate::store::kept_settings;
use crate::system::Capacity;
use crate::{config, system};

/// How long the database may be read through where somebody waits for the result.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(30);

/// Looks at the whole installation, whether HAPA runs on it or not. Nothing is changed and nothing is held.
pub async fn examine(config: &Config) -> Report {
    let room = system::capacity(&config.data);
    let mut findings = storage::findings(config, &room, DATABASE_TIMEOUT).await;
    let settings = effective_settings(config).await;
    let on = is_enabled(&settings);
    findings.push(model::file(config, &room, on));
    findings.push(model::backends());
    findings.extend(network::ports(config));
    let (_changes, unchanged) = channel(std::sync::Arc::new(settings.clone()));
    let state = if on { Remote::new(config, unchanged).probe().await } else { State::Off };
    findings.extend(remote::finding(&settings, &state));
    findings.extend(environment_findings(config));
    Report { findings }
}

/// The settings as a HAPA on this installation would have them now. The database is only read.
async fn effective_settings(config: &Config) -> Settings {
    let mut settings = Settings::from_rows(config.default_settings(), &kept_settings(&config.database).await);
    config.settings.apply(&mut settings);
    settings
}

/// What was asked for and is not about files of HAPA's own.
fn environment_findings(config: &Config) -> Vec<Finding> {
    let variables = config::unknown(&config::names()).into_iter().map(|unknown| {
        let en = unknown.to_string();
        let suggestion = unknown.suggestion.map(|suggestion| format!(" ({suggestion}?)")).unwrap_or_default();
        let ko = format!("`{}`: HAPA가 모르는 환경 변수입니다{suggestion}", unknown.name);
        let help = LocalizedText::new("철자를 고치거나 지우세요", "correct its spelling, or remove it");
        Finding::new("variable", Severity::Warning, LocalizedText::new(ko, en)).help(help)
    });
    network::exposure_findings(config).into_iter().chain(variables).collect()
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Weight)]
pub enum Severity {
    /// HAPA cannot work.
    Critical,
    /// Something that was asked for does not work.
    Error,
    /// Something could be better.
    Warning,
    /// Worth knowing.
    Info,
    /// As it should be.
    Ok,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, as one word for programs.
    pub id: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found.
    pub message: LocalizedText,
    /// What to do, where something is to be done.
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

/// All that was found, in the order in which it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Good things too.
    pub findings: Vec<Finding>,
}

/// Problems by weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Issues {
    /// HAPA cannot work.
    pub critical: u32,
    /// Something that was asked for does not work.
    pub errors: u32,
    /// Something could be better.
    pub warnings: u32,
}

/// How HAPA is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Questions can be answered.
    Healthy,
    /// Something that was asked for does not work, such as the model; the API does.
    Degraded,
    /// HAPA cannot work, such as without its database.
    Unhealthy,
}

impl Issues {
    /// The worst of them in one word.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self { critical: 1.., .. } => Status::Unhealthy,
            Self { errors: 1.., .. } => Status::Degraded,
            Self { .. } => Status::Healthy,
        }
    }
}

/// A finding as it is told to people and programs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthFinding)]
pub struct FindingView {
    /// What was looked at.
    #[schema(example = "model")]
    id: &'static str,
    severity: Severity,
    /// What was found.
    message: String,
    /// What to do; null where nothing is to be done.
    help: Option<String>,
}

impl Report {
    /// The problems, counted.
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
        let told = |finding: &Finding| FindingView {
            id: finding.id,
            severity: finding.severity,
            message: finding.message.text(language).to_owned(),
            help: finding.help.as_ref().map(|help| help.text(language).to_owned()),
        };
        self.findings.iter().map(told).collect()
    }
}

/// A number of bytes for people, such as `491 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
