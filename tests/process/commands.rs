//! The command line of `hapa`: output, exit codes and error messages.

use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::script;

fn captured(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

const ANSWER: &str = "리스트에서 중복을 제거합니다.\n\n```python\ndef remove_duplicates(lst):\n    return list(dict.fromkeys(lst))\n```\n\n순서가 유지됩니다.\n";

#[tokio::test]
async fn version_and_help_are_printed() {
    let data = tempfile::tempdir().unwrap();
    let (out, _, code) = captured(&run_to_end(hapa(data.path(), &["--version"])).await);
    assert_eq!((out.as_str(), code), ("hapa 0.4.0\n", Some(0)));
    let (out, _, code) = captured(&run_to_end(hapa(data.path(), &["--help"])).await);
    for part in ["generate", "serve", "status", "doctor", "Examples:", "중복 제거"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert_eq!(code, Some(0));
    let (_, _, code) = captured(&run_to_end(hapa(data.path(), &["dance"])).await);
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn configuration_md_is_the_output_of_hapa_variables() {
    let data = tempfile::tempdir().unwrap();
    // It is printed even if a variable has an invalid value.
    let mut command = hapa(data.path(), &["variables"]);
    command.env("PORT", "eighty");
    let (out, err, code) = captured(&run_to_end(command).await);
    assert_eq!(code, Some(0), "{err}");
    for variable in sidecar::config::VARIABLES {
        let row =
            format!("| `{}` | {} | {} |\n", variable.name, variable.default, variable.description).replace('<', "&lt;");
        assert!(out.contains(&row) && row.matches('|').count() == 4, "{row}");
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../CONFIGURATION.md")).unwrap();
    assert!(out == page, "the variables have changed: run `hapa variables > CONFIGURATION.md`");
}

#[tokio::test]
async fn generate_works_without_a_running_server_and_leaves_none_behind() {
    let data = data_dir_with(&script());
    let (out, err, code) =
        captured(&run_to_end(hapa(data.path(), &["generate", "리스트에서 중복 제거하는 함수 만들어줘"])).await);
    assert_eq!((out.as_str(), code), (ANSWER, Some(0)), "{err}");
    let (out, _, code) = captured(&run_to_end(hapa(data.path(), &["status"])).await);
    assert_eq!((out.as_str(), code), ("HAPA is not running. Start the app, or `hapa serve`.\n", Some(1)));
}

#[tokio::test]
async fn generate_uses_the_running_server_and_its_history() {
    let data = data_dir_with(&script());
    let mut serving = SidecarProcess::start(data.path(), &[]).await;
    let address = serving.wait_ready().await;
    let (out, err, code) = captured(&run_to_end(hapa(data.path(), &["generate", "--code-only", "중복 제거"])).await);
    assert_eq!(
        (out.as_str(), code),
        ("def remove_duplicates(lst):\n    return list(dict.fromkeys(lst))\n", Some(0)),
        "{err}"
    );
    let client = tests::client();
    let history = client.get(format!("{address}/api/v1/user/history")).header("X-API-Key", &serving.key);
    let history: serde_json::Value = history.send().await.unwrap().json().await.unwrap();
    assert_eq!(history["items"][0]["question"], "중복 제거");
    let (out, _, code) = captured(&run_to_end(hapa(data.path(), &["status"])).await);
    assert!(out.contains(&address) && out.contains("scripted"), "{out}");
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn generate_reports_errors_with_exit_codes() {
    let data = data_dir_with(&script());
    for (arguments, problem, expected) in [
        (vec!["generate", ""], "some fields have invalid values", 1),
        (vec!["generate", "break"], "an internal error occurred", 1),
        (vec!["generate", "--code", "no-such-file.py", "x"], "could not read `no-such-file.py`", 2),
        (vec!["generate", "--max-tokens", "0", "x"], "--max-tokens", 2),
    ] {
        let (_, err, code) = captured(&run_to_end(hapa(data.path(), &arguments)).await);
        assert!(err.contains(problem), "{arguments:?}: {err}");
        assert_eq!(code, Some(expected), "{arguments:?}");
    }
}

#[tokio::test]
async fn serve_prints_the_address_a_key_and_an_example_request() {
    let data = data_dir_with(&script());
    let mut command = hapa(data.path(), &["serve"]);
    let mut serving = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    while printed.last().is_none_or(|line: &String| !line.contains("curl")) {
        printed.push(timeout(tests::TIMEOUT, lines.next_line()).await.unwrap().unwrap().unwrap());
    }
    let address = printed[0].strip_prefix("HAPA 0.4.0 serves ").unwrap();
    let key = printed[1].strip_prefix("API key: ").unwrap();
    let line = printed.last().unwrap();
    assert!(line.contains(&format!("{address}/api/v1/generate-code -H 'X-API-Key: {key}'")), "{line}");
    let body = line.split("-d '").nth(1).unwrap().trim_end_matches('\'').to_owned();
    let client = tests::client();
    let request = client.post(format!("{address}/api/v1/generate-code")).header("X-API-Key", key);
    let answer = request.header("Content-Type", "application/json").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_stale_discovery_file_is_ignored() {
    let data = data_dir_with(&script());
    let stale = handshake::InstanceFile { port: 9, pid: 1, version: "0.0.1".into() };
    std::fs::write(handshake::InstanceFile::path(data.path()), handshake::encode_line(&stale)).unwrap();
    let (out, _, code) = captured(&run_to_end(hapa(data.path(), &["status"])).await);
    assert_eq!((out.contains("not running"), code), (true, Some(1)), "{out}");
}
