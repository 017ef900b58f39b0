//! `hapa doctor`, as typed in a terminal, on installations that are well and that are not.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};
use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::{eventually, script};

/// What the doctor says of a data folder in JSON, and its exit code.
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

/// Whether a finding weighs `severity` and says this, with help wherever something is wrong.
fn says(report: &Value, id: &str, severity: &str, words: &str) {
    let found = finding(report, id);
    assert_eq!(found["severity"], severity, "{found}");
    assert!(found["message"].as_str().unwrap().contains(words), "{found}");
    assert_eq!(found["help"].is_string(), ["critical", "error", "warning"].contains(&severity), "{found}");
}

/// A data folder that HAPA has used, and that is not in use any more.
async fn used() -> tempfile::TempDir {
    let data = data_dir_with(&script());
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    hapa.wait_ready().await;
    drop(hapa.stdin.take());
    assert_eq!(hapa.wait_exit().await.code(), Some(0));
    data
}

/// All files of a folder with their sizes and times.
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
async fn a_fresh_folder_without_a_model_is_told_what_is_missing() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("new");
    let output = run_to_end(hapa(&data, &["doctor"])).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["[error] there is no model in", "    → put a GGUF file into that folder", "\n1 error, 0 warnings\n"]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
    let mut korean = hapa(&data, &["doctor"]);
    korean.env("LC_ALL", "ko_KR.UTF-8");
    let said = String::from_utf8(run_to_end(korean).await.stdout).unwrap();
    for part in ["[오류] ", "모델이 없습니다", "    → GGUF 파일을", "\n오류 1개, 경고 0개\n"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!data.exists(), "looking makes nothing");
}

#[tokio::test]
async fn an_installation_that_works_is_well_and_is_left_as_it_is() {
    let data = used().await;
    let before = files(data.path());
    let (report, code) = doctor(data.path(), &[]).await;
    let none = json!({"critical": 0, "errors": 0, "warnings": 0});
    assert_eq!((&report["status"], &report["issues"], code), (&json!("healthy"), &none, Some(0)), "{report:#}");
    for id in ["data_folder", "permissions", "disk", "database", "model", "backends"] {
        assert_eq!(finding(&report, id)["severity"], "ok", "{report:#}");
    }
    says(&report, "database", "ok", "is in order");
    assert_eq!(files(data.path()), before);
    let said = String::from_utf8(run_to_end(hapa(data.path(), &["doctor"])).await.stdout).unwrap();
    assert!(said.ends_with("\nAll is well.\n"), "{said}");
}

#[tokio::test]
async fn the_counts_are_those_of_the_findings() {
    let data = data_dir_with(&script());
    fs::set_permissions(data.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(data.path().join("hapa.db"), "this is no database, and it is long enough to be looked at").unwrap();
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
    says(&report, "permissions", "warning", "mode is 755");
    says(&report, "variable", "warning", "did you mean RATE_LIMIT_ENABLED?");
    says(&report, "host", "warning", "other machines can reach HAPA on 0.0.0.0");
    says(&report, "remote", "info", "`https://models.example` is named, and is not asked");
    says(&report, "tls", "error", "SSL_CERT_PATH is `/nowhere/cert.pem`");
    let count = |severity: &str| {
        let findings = report["findings"].as_array().unwrap().iter();
        findings.filter(|finding| finding["severity"] == severity).count()
    };
    for (severity, key) in [("critical", "critical"), ("error", "errors"), ("warning", "warnings")] {
        assert_eq!(report["issues"][key], count(severity), "{report:#}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_found() {
    let data = used().await;
    let path = data.path().join("hapa.db");
    let whole = fs::read(&path).unwrap();
    // All pages but the first: it still opens.
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(std::io::SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xa5; whole.len() - 4096]).unwrap();
    let (report, code) = doctor(data.path(), &[]).await;
    says(&report, "database", "critical", "is damaged");
    assert_eq!((&report["status"], code), (&json!("unhealthy"), Some(1)));
    fs::write(&path, "hello").unwrap();
    says(&doctor(data.path(), &[]).await.0, "database", "critical", "is damaged: file is not a database");
    // The next start keeps it aside, which is told until somebody has looked.
    let mut hapa = SidecarProcess::start(data.path(), &[]).await;
    let address = hapa.wait_ready().await;
    assert_eq!(health(&address).await["environment_validation"]["issues"]["warnings"], 1);
    drop(hapa.stdin.take());
    hapa.wait_exit().await;
    let report = doctor(data.path(), &[]).await.0;
    says(&report, "database", "ok", "is in order");
    says(&report, "set_aside", "warning", "it is kept as `hapa.db.corrupt-");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    says(&doctor(data.path(), &[]).await.0, "database", "critical", "cannot be opened");
}

#[tokio::test]
async fn a_model_file_is_looked_into() {
    let data = tempfile::tempdir().unwrap();
    let model = data.path().join("some.gguf");
    let named = [("HAPA_MODEL", model.to_str().unwrap())];
    says(&doctor(data.path(), &named).await.0, "model", "error", "cannot be opened");
    for (content, words) in [("", "is not a GGUF file"), ("GG", "is not a GGUF file"), ("<html>", "is not a GGUF file")]
    {
        fs::write(&model, content).unwrap();
        says(&doctor(data.path(), &named).await.0, "model", "error", words);
    }
    fs::write(&model, "GGUF").unwrap();
    says(&doctor(data.path(), &named).await.0, "model", "ok", "can be used");
    // Four tebibytes, none of which are on the disk.
    File::options().write(true).open(&model).unwrap().set_len(1 << 42).unwrap();
    says(&doctor(data.path(), &named).await.0, "model", "error", "of memory");
}

#[tokio::test]
async fn a_port_that_a_stranger_has_is_found() {
    let data = data_dir_with(&script());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (report, code) = doctor(data.path(), &[("PORT", &port)]).await;
    says(&report, "port", "error", &format!("another program has port {port}, which PORT asks for"));
    assert_eq!((&report["status"], code), (&json!("degraded"), Some(1)));
    drop(taken);
    says(&doctor(data.path(), &[("PORT", &port)]).await.0, "port", "ok", "is free");
}

#[tokio::test]
async fn a_running_hapa_counts_the_same_and_goes_on() {
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
    assert_eq!(code, Some(0), "warnings are no failure");
    let port = address.rsplit(':').next().unwrap();
    says(&report, "port", "ok", &format!("is on port {port}"));
    says(&report, "database", "ok", "is in order");
    let status = run_to_end(hapa(data.path(), &["status"])).await;
    assert_eq!(status.status.code(), Some(0), "it still runs, and still holds its folder");
    drop(serving.stdin.take());
    assert_eq!(serving.wait_exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_model_that_turns_out_bad_is_counted_without_being_asked() {
    let data = tempfile::tempdir().unwrap();
    let model = data.path().join("some.gguf");
    fs::write(&model, "GGUF, and then nothing that makes sense").unwrap();
    let mut command = hapa(data.path(), &["serve", "--supervised"]);
    command.env("HAPA_MODEL", &model).env("HEALTH_CHECK_INTERVAL", "3600");
    let mut serving = SidecarProcess::start_with(command).await;
    let address = serving.wait_ready().await;
    eventually("the engine's word is counted", async || {
        let health = health(&address).await;
        (health["environment_validation"]["issues"]["errors"] == 1).then_some(())
    })
    .await;
}

async fn health(address: &str) -> Value {
    let client = tests::client();
    client.get(format!("{address}/health")).send().await.unwrap().json().await.unwrap()
}
