//! Reads environment variables one by one, and collects all problems.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Secret, TlsFiles};
use crate::settings::{EnvError, EnvOverrides};

/// Variables with invalid values, one per line.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<EnvError>);

/// Reads variables and collects problems.
pub(super) struct EnvReader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<EnvError>,
}

impl<'a> EnvReader<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// `value`, if there are no problems.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(value) } else { Err(ConfigError(self.problems)) }
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.text(name)?;
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => self.problem(name, value, "it must be true or false"),
        }
    }

    pub(crate) fn number<T: FromStr + PartialOrd + fmt::Display>(
        &mut self,
        name: &str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let value = self.text(name)?;
        match value.trim().parse::<T>() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let problem = format!("it must be a whole number from {} to {}", range.start(), range.end());
                self.problem(name, value, problem)
            }
        }
    }

    pub(crate) fn one_of(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let value = self.text(name)?;
        let found = words.iter().find(|word| value.trim().eq_ignore_ascii_case(word));
        found.copied().or_else(|| self.problem(name, value, format!("it must be one of {}", words.join(", "))))
    }

    pub(crate) fn secret(&mut self, name: &str, shortest: usize) -> Option<Secret> {
        let value = self.text(name)?;
        if value.chars().count() < shortest {
            let problem = format!("is too short: it must have at least {shortest} characters");
            self.problems.push(EnvError { variable: name.into(), value: None, problem });
            return None;
        }
        Some(Secret(value))
    }

    /// A URL without user and password.
    pub(crate) fn url(&mut self, name: &str) -> Option<String> {
        let value = self.text(name)?;
        let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
        match rest {
            Some(rest) if !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c == '@') => Some(value),
            _ => self.problem(name, value, "it must be an address that starts with https:// or http://"),
        }
    }

    /// A number of bytes, such as `50MB`.
    pub(crate) fn size(&mut self, name: &str) -> Option<u64> {
        let value = self.text(name)?;
        let digits = value.trim_end_matches(|character: char| !character.is_ascii_digit());
        let unit = match value[digits.len()..].trim().to_ascii_uppercase().as_str() {
            "" | "B" => Some(1),
            "K" | "KB" => Some(1_000),
            "KIB" => Some(1 << 10),
            "M" | "MB" => Some(1_000_000),
            "MIB" => Some(1 << 20),
            "G" | "GB" => Some(1_000_000_000),
            "GIB" => Some(1 << 30),
            _ => None,
        };
        let bytes = unit.zip(digits.trim().parse::<u64>().ok()).and_then(|(unit, number)| number.checked_mul(unit));
        match bytes {
            Some(bytes) if (1_000..=10_000_000_000).contains(&bytes) => Some(bytes),
            _ => self.problem(name, value, "it must be a size from 1KB to 10GB, such as 50MB"),
        }
    }

    pub(crate) fn data_folder(&mut self) -> PathBuf {
        let configured = self.text(handshake::DATA_DIR_VAR).map(PathBuf::from);
        handshake::data_dir(configured).unwrap_or_else(|| {
            let problem = "is needed: this system has no home folder; set a folder for HAPA's data";
            self.problems.push(EnvError {
                variable: handshake::DATA_DIR_VAR.into(),
                value: None,
                problem: problem.into(),
            });
            PathBuf::new()
        })
    }

    pub(crate) fn host(&mut self) -> Option<IpAddr> {
        let value = self.text("HOST")?;
        if value == "localhost" {
            return Some(Ipv4Addr::LOCALHOST.into());
        }
        value.parse().ok().or_else(|| self.problem("HOST", value, "it must be an IP address, such as 127.0.0.1"))
    }

    pub(crate) fn database(&mut self) -> Option<PathBuf> {
        let url = self.text("DATABASE_URL")?;
        let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        match path {
            Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
            _ => self.problem("DATABASE_URL", url, "it must be sqlite:<path>"),
        }
    }

    pub(crate) fn origins(&mut self, name: &str) -> Vec<String> {
        let Some(value) = self.text(name) else { return Vec::new() };
        let Ok(origins) = serde_json::from_str::<Vec<String>>(&value) else {
            return self
                .problem(name, value, "it must be a JSON list, such as [\"http://localhost:5173\"]")
                .unwrap_or_default();
        };
        if origins.iter().any(|origin| origin.contains('*') || !origin.contains("://")) {
            let problem = "each origin must be complete, such as http://localhost:5173";
            return self.problem(name, value, problem).unwrap_or_default();
        }
        origins
    }

    /// Host names without ports.
    pub(crate) fn host_names(&mut self, name: &str) -> Vec<String> {
        let Some(value) = self.text(name) else { return Vec::new() };
        let plain = |host: &String| {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        };
        match serde_json::from_str::<Vec<String>>(&value) {
            Ok(names) if names.iter().all(plain) => names,
            _ => {
                let problem = "it must be a JSON list of host names without ports, such as [\"hapa.example\"]";
                self.problem(name, value, problem).unwrap_or_default()
            }
        }
    }

    pub(crate) fn tls(&mut self) -> Option<TlsFiles> {
        let certificate = self.text("SSL_CERT_PATH").map(PathBuf::from);
        let key = self.text("SSL_KEY_PATH").map(PathBuf::from);
        if !self.flag("SSL_ENABLED").unwrap_or(false) {
            return None;
        }
        match certificate.zip(key) {
            Some((certificate, key)) => Some(TlsFiles { certificate, key }),
            None => self.problem("SSL_ENABLED", "true".into(), "SSL_CERT_PATH and SSL_KEY_PATH must name PEM files"),
        }
    }

    /// The settings that have a variable.
    pub(crate) fn overrides(&mut self) -> EnvOverrides {
        let (fixed, problems) = EnvOverrides::read(self.lookup);
        self.problems.extend(problems);
        fixed
    }

    fn problem<T>(&mut self, variable: &str, value: String, problem: impl Into<String>) -> Option<T> {
        self.problems.push(EnvError { variable: variable.into(), value: Some(value), problem: problem.into() });
        None
    }
}
