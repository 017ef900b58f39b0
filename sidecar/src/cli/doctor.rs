//! `hapa doctor`: reports problems of the installation, and how to fix them.

use std::process::ExitCode;

use serde_json::json;

use super::{DoctorArgs, language};
use crate::base::i18n::Language;
use crate::config::Config;
use crate::doctor;
use crate::doctor::{Issues, Report, Severity};
use crate::server::StartError;

pub(super) async fn run(config: Config, args: DoctorArgs) -> Result<ExitCode, StartError> {
    let report = doctor::examine(&config).await;
    let (language, issues) = (language(), report.issues());
    if args.json {
        let report_json = json!({"status": issues.status(), "issues": issues, "findings": report.localized(language)});
        println!("{report_json:#}");
    } else {
        print!("{}", describe(&report, language));
    }
    let works = issues.critical == 0 && issues.errors == 0;
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(report: &Report, language: Language) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text += &format!("[{}] {}\n", word(finding.severity, language), finding.message.text(language));
        if let Some(help) = &finding.help {
            text += &format!("    → {}\n", help.text(language));
        }
    }
    let Issues { critical, errors, warnings } = report.issues();
    let failures = critical + errors;
    text + &match (language, failures, warnings) {
        (Language::Korean, 0, 0) => "\n문제가 없습니다.\n".to_owned(),
        (Language::English, 0, 0) => "\nNo problems found.\n".to_owned(),
        (Language::Korean, ..) => format!("\n오류 {failures}개, 경고 {warnings}개\n"),
        (Language::English, ..) => format!("\n{}, {}\n", counted(failures, "error"), counted(warnings, "warning")),
    }
}

fn word(severity: Severity, language: Language) -> &'static str {
    let (ko, en) = match severity {
        Severity::Critical => ("심각", "critical"),
        Severity::Error => ("오류", "error"),
        Severity::Warning => ("경고", "warning"),
        Severity::Info => ("참고", "info"),
        Severity::Ok => ("정상", "ok"),
    };
    if language == Language::Korean { ko } else { en }
}

fn counted(count: u32, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
