//! `hapa doctor` on healthy and broken installations.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};
use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::{eventually, script};

/// The JSON report on a data folder, and the exit code.
async fn doctor(data: &Path, variables: &[(&str, &str)]) -> (Value, Option<i32>) {
    let mut command = hapa(data, &["doctor", "--json"]);
    command.envs(variables.iter().copied());
    let output = run_to_end(command).await;
    let text = String::from_utf8(output.stdout).unwrap();
    (serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")), output.status.code())
}

fn finding<'a>(report: &'a Value, id: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id} in {report:#}"))
}

/// Asserts severity and message of a finding, and that it has help unless it is fine.
fn assert_finding(report: &Value, id: &str, severity: &str, text: &str) {
    let found = finding(report, id);
    assert_eq!(found["severity"], severity, "{found}");
    assert!(found["message"].as_str().unwrap().contains(text), "{found}");
    assert_eq!(found["help"].is_string(), ["critical", "error", "warning"].contains(&severity), "{found}");
}

/// A data folder of an earlier, finished run.
async fn used_data_dir() -> tempfile::TempDir {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    hapa.wait_ready().await;
    drop(hapa.stdin.take());
    assert_eq!(hapa.wait_exit().await.code(), Some(0));
    data
}

/// All files below a folder, with size and modification time.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::metadata(&path).unwrap();
        if meta.is_dir() {
            found.extend(files(&path));
        }
        found.insert(path, (meta.len(), meta.modified().unwrap()));
    }
    found
}

#[tokio::test]
async fn a_new_folder_without_a_model_gets_instructions() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("new");
    let output = run_to_end(hapa(&data, &["doctor"])).await;
    let output_text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{output_text}");
    for part in ["[error] there is no model in", "    → put a GGUF file into that folder", "\n1 error, 0 warnings\n"]
    {
        assert!(output_text.contains(part), "{part} in {output_text}");
    }
    let mut korean = hapa(&data, &["doctor"]);
    korean.env("LC_ALL", "ko_KR.UTF-8");
    let output_text = String::from_utf8(run_to_end(korean).await.stdout).unwrap();
    for part in ["[오류] ", "모델이 없습니다", "    → GGUF 파일을", "\n오류 1개, 경고 0개\n"] {
        assert!(output_text.contains(part), "{part} in {output_text}");
    }
    assert!(!data.exists(), "the doctor creates nothing");
}

#[tokio::test]
async fn a_working_installation_is_healthy_and_left_unchanged() {
    let data = used_data_dir().await;
    let before = files(data.path());
    let (report, code) = doctor(data.path(), &[]).await;
    let none = json!({"critical": 0, "errors": 0, "warnings": 0});
    assert_eq!((&report["status"], &report["issues"], code), (&json!("healthy"), &none, Some(0)), "{report:#}");
    for id in ["data_folder", "permissions", "disk", "database", "model", "backends"] {
        assert_eq!(finding(&report, id)["severity"], "ok", "{report:#}");
    }
    assert_finding(&report, "database", "ok", "has no problems");
    assert_eq!(files(data.path()), before);
    let output_text = String::from_utf8(run_to_end(hapa(data.path(), &["doctor"])).await.stdout).unwrap();
    assert!(output_text.ends_with("\nNo problems found.\n"), "{output_text}");
}

#[tokio::test]
async fn the_counts_match_the_findings() {
    let data = data_dir_with(&script());
    fs::set_permissions(data.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(data.path().join("hapa.db"), "this is not a database, but long enough to be read as one").unwrap();
    let variables = [
        ("RATE_LIMT_ENABLED", "false"),
        ("HOST", "0.0.0.0"),
        ("AI_MODEL_ENDPOINT", "https://models.example/v1"),
        ("SSL_ENABLED", "true"),
        ("SSL_CERT_PATH", "/nowhere/cert.pem"),
        ("SSL_KEY_PATH", "/nowhere/key.pem"),
    ];
    let (report, code) = doctor(data.path(), &variables).await;
    assert_eq!(
        (&report["status"], &report["issues"], code),
        (&json!("unhealthy"), &json!({"critical": 1, "errors": 1, "warnings": 3}), Some(1)),
        "{report:#}"
    );
    assert_finding(&report, "permissions", "warning", "mode 755");
    assert_finding(&report, "variable", "warning", "did you mean RATE_LIMIT_ENABLED?");
    assert_finding(&report, "host", "warning", "other machines can reach HAPA on 0.0.0.0");
    assert_finding(&report, "remote", "info", "`https://models.example` is configured, but not used");
    assert_finding(&report, "tls", "error", "SSL_CERT_PATH is `/nowhere/cert.pem`");
    let count = |severity: &str| {
        let findings = report["findings"].as_array().unwrap().iter();
        findings.filter(|finding| finding["severity"] == severity).count()
    };
    for (severity, key) in [("critical", "critical"), ("error", "errors"), ("warning", "warnings")] {
        assert_eq!(report["issues"][key], count(severity), "{report:#}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_detected() {
    let data = used_data_dir().await;
    let path = data.path().join("hapa.db");
    let intact = fs::read(&path).unwrap();
    // All pages but the first are overwritten: the database still opens.
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(std::io::SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xa5; intact.len() - 4096]).unwrap();
    let (report, code) = doctor(data.path(), &[]).await;
    assert_finding(&report, "database", "critical", "is damaged");
    assert_eq!((&report["status"], code), (&json!("unhealthy"), Some(1)));
    fs::write(&path, "hello").unwrap();
    assert_finding(&doctor(data.path(), &[]).await.0, "database", "critical", "is damaged: file is not a database");
    // The next start quarantines the file, which is a warning until the file is removed.
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    assert_eq!(health(&address).await["environment_validation"]["issues"]["warnings"], 1);
    drop(hapa.stdin.take());
    hapa.wait_exit().await;
    let report = doctor(data.path(), &[]).await.0;
    assert_finding(&report, "database", "ok", "has no problems");
    assert_finding(&report, "set_aside", "warning", "it was renamed to `hapa.db.corrupt-");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_finding(&doctor(data.path(), &[]).await.0, "database", "critical", "cannot be opened");
}

#[tokio::test]
async fn a_model_file_is_checked() {
    let data = tempfile::tempdir().unwrap();
    let model = data.path().join("some.gguf");
    let named = [("HAPA_MODEL", model.to_str().unwrap())];
    assert_finding(&doctor(data.path(), &named).await.0, "model", "error", "cannot be opened");
    for (content, text) in [("", "is not a GGUF file"), ("GG", "is not a GGUF file"), ("<html>", "is not a GGUF file")]
    {
        fs::write(&model, content).unwrap();
        assert_finding(&doctor(data.path(), &named).await.0, "model", "error", text);
    }
    fs::write(&model, "GGUF").unwrap();
    assert_finding(&doctor(data.path(), &named).await.0, "model", "ok", "can be used");
    // A sparse file of four tebibytes.
    File::options().write(true).open(&model).unwrap().set_len(1 << 42).unwrap();
    assert_finding(&doctor(data.path(), &named).await.0, "model", "error", "of memory");
}

#[tokio::test]
async fn a_port_in_use_by_another_program_is_detected() {
    let data = data_dir_with(&script());
    let in_use = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = in_use.local_addr().unwrap().port().to_string();
    let (report, code) = doctor(data.path(), &[("PORT", &port)]).await;
    assert_finding(&report, "port", "error", &format!("port {port} of PORT is used by another program"));
    assert_eq!((&report["status"], code), (&json!("degraded"), Some(1)));
    drop(in_use);
    assert_finding(&doctor(data.path(), &[("PORT", &port)]).await.0, "port", "ok", "is free");
}

#[tokio::test]
async fn a_running_server_reports_the_same_counts_and_is_not_disturbed() {
    let data = data_dir_with(&script());
    fs::set_permissions(data.path(), Permissions::from_mode(0o750)).unwrap();
    let variables = [("RATE_LIMT_ENABLED", "false")];
    let mut command = hapa(data.path(), &["serve", "--supervised"]);
    command.envs(variables);
    let mut serving = SidecarProcess::start_with(command).await;
    let address = serving.wait_ready().await;
    let health = health(&address).await;
    let (report, code) = doctor(data.path(), &variables).await;
    assert_eq!(report["issues"], json!({"critical": 0, "errors": 0, "warnings": 2}), "{report:#}");
    assert_eq!(
        health["environment_validation"],
        json!({"status": report["status"], "issues": report["issues"]}),
        "{health:#}"
    );
    assert_eq!(code, Some(0), "warnings do not fail the command");
    let port = address.rsplit(':').next().unwrap();
    assert_finding(&report, "port", "ok", &format!("is running on port {port}"));
    assert_finding(&report, "database", "ok", "has no problems");
    let status = run_to_end(hapa(data.path(), &["status"])).await;
    assert_eq!(status.status.code(), Some(0), "the server still runs and holds its data folder");
    drop(serving.stdin.take());
    assert_eq!(serving.wait_exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_model_that_fails_to_load_is_counted_at_once() {
    let data = tempfile::tempdir().unwrap();
    let model = data.path().join("some.gguf");
    fs::write(&model, "GGUF, followed by garbage").unwrap();
    let mut command = hapa(data.path(), &["serve", "--supervised"]);
    command.env("HAPA_MODEL", &model).env("HEALTH_CHECK_INTERVAL", "3600");
    let mut serving = SidecarProcess::start_with(command).await;
    let address = serving.wait_ready().await;
    eventually("the load failure is counted", async || {
        let health = health(&address).await;
        (health["environment_validation"]["issues"]["errors"] == 1).then_some(())
    })
    .await;
}

async fn health(address: &str) -> Value {
    let client = tests::client();
    client.get(format!("{address}/health")).send().await.unwrap().json().await.unwrap()
}
