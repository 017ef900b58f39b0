//! The value types of settings: parsing from text, and bounds.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::endpoint::Endpoint;
use crate::base::i18n::LocalizedText;
use crate::base::model_id::ModelId;

/// An environment variable with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvError {
    /// Its name.
    pub variable: String,
    /// The value, unless it is secret.
    pub value: Option<String>,
    /// What it must be.
    pub problem: String,
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} is `{value}`: {}", self.variable, self.problem),
            None => write!(f, "{} {}", self.variable, self.problem),
        }
    }
}

/// A field of a patch: absent, null or a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Update<T> {
    /// The field is absent: the value is unchanged.
    #[default]
    Unchanged,
    /// The field is null: the default is restored.
    Reset,
    /// The field has a value.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Update<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Reset, Self::Set))
    }
}

/// The minimum and the maximum, if the type has bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds(pub Option<(u32, u32)>);

/// The value type of a setting.
pub(crate) trait Value: Serialize + DeserializeOwned {
    /// Parses the value of an environment variable.
    fn parse(text: &str) -> Option<Self>;

    /// What is wrong with the value.
    fn problem(&self, bounds: Bounds) -> Option<LocalizedText>;

    /// What the environment variable must be, for the error message about `text`.
    fn expected(text: &str, bounds: Bounds) -> String;
}

fn whole_number(Bounds(bounds): Bounds) -> String {
    let (min, max) = bounds.unwrap_or((0, u32::MAX));
    format!("it must be a whole number from {min} to {max}")
}

impl Value for bool {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    fn problem(&self, _: Bounds) -> Option<LocalizedText> {
        None
    }

    fn expected(_: &str, _: Bounds) -> String {
        "it must be true or false".into()
    }
}

impl Value for u32 {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn problem(&self, Bounds(bounds): Bounds) -> Option<LocalizedText> {
        let (min, max) = bounds?;
        (!(min..=max).contains(self)).then(|| {
            LocalizedText::new(format!("{min}에서 {max} 사이여야 합니다"), format!("must be from {min} to {max}"))
        })
    }

    fn expected(_: &str, bounds: Bounds) -> String {
        whole_number(bounds)
    }
}

impl Value for Option<u32> {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Some)
    }

    fn problem(&self, bounds: Bounds) -> Option<LocalizedText> {
        self.as_ref()?.problem(bounds)
    }

    fn expected(_: &str, bounds: Bounds) -> String {
        whole_number(bounds)
    }
}

/// A log filter: a level, also per module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(
    max_length = 200,
    pattern = "^(off|error|warn|info|debug|trace)(,[a-z_][a-z0-9_:-]*=(off|error|warn|info|debug|trace))*$",
    example = "info"
)]
pub struct LogLevel(pub String);

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".into())
    }
}

impl Value for LogLevel {
    fn parse(text: &str) -> Option<Self> {
        let level = Self(text.to_lowercase());
        level.problem(Bounds(None)).is_none().then_some(level)
    }

    fn problem(&self, _: Bounds) -> Option<LocalizedText> {
        let level = |word: &str| matches!(word, "off" | "error" | "warn" | "info" | "debug" | "trace");
        let is_module = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
                && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b':' | b'-'))
        };
        let mut parts = self.0.split(',');
        let fine = parts.next().is_some_and(level)
            && parts.all(|part| part.split_once('=').is_some_and(|(name, word)| is_module(name) && level(word)));
        (self.0.len() > 200 || !fine).then(|| {
            LocalizedText::new(
                "off, error, warn, info, debug, trace 중 하나이거나 `info,sqlx=warn` 같은 형식이어야 합니다",
                "must be off, error, warn, info, debug or trace, or look like `info,sqlx=warn`",
            )
        })
    }

    fn expected(_: &str, _: Bounds) -> String {
        "it must be off, error, warn, info, debug or trace, or look like `info,sqlx=warn`".into()
    }
}

impl Value for Option<ModelId> {
    fn parse(text: &str) -> Option<Self> {
        Some(Some(ModelId(text.into())))
    }

    fn problem(&self, _: Bounds) -> Option<LocalizedText> {
        let ModelId(id) = self.as_ref()?;
        let plain = id.chars().all(|char| char != '/' && char != '\\' && char >= ' ');
        (id.is_empty() || id.chars().count() > 200 || !plain)
            .then(|| LocalizedText::new("모델 목록에 있는 이름이어야 합니다", "must be an id from the list of models"))
    }

    fn expected(_: &str, _: Bounds) -> String {
        "it must be an id from the list of models".into()
    }
}

/// Which models answer questions and complete code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemotePolicy {
    /// The local models. No request leaves this machine.
    #[default]
    LocalOnly,
    /// The local models, with the remote server as the fallback.
    LocalThenRemote,
    /// The remote server.
    Remote,
}

impl Value for RemotePolicy {
    fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }

    fn problem(&self, _: Bounds) -> Option<LocalizedText> {
        None
    }

    fn expected(_: &str, _: Bounds) -> String {
        "it must be local_only, local_then_remote or remote".into()
    }
}

impl Value for Option<Endpoint> {
    fn parse(text: &str) -> Option<Self> {
        Some(Some(Endpoint(text.into())))
    }

    fn problem(&self, _: Bounds) -> Option<LocalizedText> {
        self.as_ref()?.read().err()
    }

    fn expected(text: &str, _: Bounds) -> String {
        let problem = Endpoint(text.into()).read().err();
        problem.map_or_else(String::new, |problem| format!("it {}", problem.en))
    }
}

/// The name of a model on the remote server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x20\x7f-\xa0]+$")]
pub struct RemoteModel(pub String);

impl Value for Option<RemoteModel> {
    fn parse(text: &str) -> Option<Self> {
        Some(Some(RemoteModel(text.into())))
    }

    fn problem(&self, _: Bounds) -> Option<LocalizedText> {
        let RemoteModel(name) = self.as_ref()?;
        let plain = name.chars().all(|char| !char.is_control() && !matches!(char, ' ' | '\u{a0}'));
        (name.is_empty() || name.chars().count() > 200 || !plain).then(|| {
            LocalizedText::new(
                "공백 없는 200자 이내의 이름이어야 합니다",
                "must be a name without spaces of at most 200 characters",
            )
        })
    }

    fn expected(_: &str, _: Bounds) -> String {
        "it must be a name without spaces of at most 200 characters".into()
    }
}

/// The value of an environment variable for a setting, if it is set.
pub(crate) fn read<T: Value>(
    variable: Option<&'static str>,
    bounds: Bounds,
    lookup: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<EnvError>,
) -> Option<T> {
    let variable = variable?;
    let text = lookup(variable).filter(|text| !text.trim().is_empty())?;
    let parsed = T::parse(text.trim());
    if let Some(value) = parsed.filter(|value| value.problem(bounds).is_none()) {
        return Some(value);
    }
    let problem = T::expected(text.trim(), bounds);
    problems.push(EnvError { variable: variable.into(), value: Some(text), problem });
    None
}

/// A value as the database stores it: JSON.
pub(crate) fn json<T: Value>(value: &T) -> String {
    serde_json::to_string(value).expect("settings are plain values")
}
