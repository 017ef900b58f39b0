//! The command line, as typed in a terminal.

use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::script;

fn said(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

const ANSWER: &str = "리스트에서 중복을 제거합니다.\n\n```python\ndef remove_duplicates(lst):\n    return list(dict.fromkeys(lst))\n```\n\n순서가 유지됩니다.\n";

#[tokio::test]
async fn the_version_and_the_help_read_well() {
    let data = tempfile::tempdir().unwrap();
    let (out, _, code) = said(&run_to_end(hapa(data.path(), &["--version"])).await);
    assert_eq!((out.as_str(), code), ("hapa 0.4.0\n", Some(0)));
    let (out, _, code) = said(&run_to_end(hapa(data.path(), &["--help"])).await);
    for part in ["generate", "serve", "status", "doctor", "Examples:", "중복 제거"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert_eq!(code, Some(0));
    let (_, _, code) = said(&run_to_end(hapa(data.path(), &["dance"])).await);
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn the_page_about_variables_is_what_the_program_says() {
    let data = tempfile::tempdir().unwrap();
    // It is printed also where a variable has a value that cannot be used.
    let mut command = hapa(data.path(), &["variables"]);
    command.env("PORT", "eighty");
    let (out, err, code) = said(&run_to_end(command).await);
    assert_eq!(code, Some(0), "{err}");
    for variable in sidecar::config::VARIABLES {
        let row =
            format!("| `{}` | {} | {} |\n", variable.name, variable.default, variable.meaning).replace('<', "&lt;");
        assert!(out.contains(&row) && row.matches('|').count() == 4, "{row}");
    }
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../CONFIGURATION.md")).unwrap();
    assert!(out == kept, "the variables have changed: run `hapa variables > CONFIGURATION.md`");
}

#[tokio::test]
async fn generate_works_without_a_running_hapa_and_leaves_none_behind() {
    let data = data_dir_with(&script());
    let (out, err, code) =
        said(&run_to_end(hapa(data.path(), &["generate", "리스트에서 중복 제거하는 함수 만들어줘"])).await);
    assert_eq!((out.as_str(), code), (ANSWER, Some(0)), "{err}");
    let (out, _, code) = said(&run_to_end(hapa(data.path(), &["status"])).await);
    assert_eq!((out.as_str(), code), ("HAPA is not running. Start the app, or `hapa serve`.\n", Some(1)));
}

#[tokio::test]
async fn generate_asks_the_running_hapa_whose_history_then_has_it() {
    let data = data_dir_with(&script());
    let mut serving = SidecarProcess::start(data.path(), &[]).await;
    let address = serving.wait_ready().await;
    let (out, err, code) = said(&run_to_end(hapa(data.path(), &["generate", "--code-only", "중복 제거"])).await);
    assert_eq!(
        (out.as_str(), code),
        ("def remove_duplicates(lst):\n    return list(dict.fromkeys(lst))\n", Some(0)),
        "{err}"
    );
    let client = tests::client();
    let history = client.get(format!("{address}/api/v1/user/history")).header("X-API-Key", &serving.key);
    let history: serde_json::Value = history.send().await.unwrap().json().await.unwrap();
    assert_eq!(history["items"][0]["question"], "중복 제거");
    let (out, _, code) = said(&run_to_end(hapa(data.path(), &["status"])).await);
    assert!(out.contains(&address) && out.contains("scripted"), "{out}");
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn generate_says_what_is_wrong() {
    let data = data_dir_with(&script());
    for (arguments, problem, expected) in [
        (vec!["generate", ""], "some fields have invalid values", 1),
        (vec!["generate", "break"], "something went wrong inside HAPA", 1),
        (vec!["generate", "--code", "no-such-file.py", "x"], "could not read `no-such-file.py`", 2),
        (vec!["generate", "--max-tokens", "0", "x"], "--max-tokens", 2),
    ] {
        let (_, err, code) = said(&run_to_end(hapa(data.path(), &arguments)).await);
        assert!(err.contains(problem), "{arguments:?}: {err}");
        assert_eq!(code, Some(expected), "{arguments:?}");
    }
}

#[tokio::test]
async fn serve_tells_people_the_address_a_key_and_a_line_to_try() {
    let data = data_dir_with(&script());
    let mut command = hapa(data.path(), &["serve"]);
    let mut serving = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while said.last().is_none_or(|line: &String| !line.contains("curl")) {
        said.push(timeout(tests::TIMEOUT, lines.next_line()).await.unwrap().unwrap().unwrap());
    }
    let address = said[0].strip_prefix("HAPA 0.4.0 serves ").unwrap();
    let key = said[1].strip_prefix("API key: ").unwrap();
    let line = said.last().unwrap();
    assert!(line.contains(&format!("{address}/api/v1/generate-code -H 'X-API-Key: {key}'")), "{line}");
    let body = line.split("-d '").nth(1).unwrap().trim_end_matches('\'').to_owned();
    let client = tests::client();
    let request = client.post(format!("{address}/api/v1/generate-code")).header("X-API-Key", key);
    let answer = request.header("Content-Type", "application/json").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_stale_discovery_file_is_not_believed() {
    let data = data_dir_with(&script());
    let stale = handshake::Discovery { port: 9, pid: 1, version: "0.0.1".into() };
    std::fs::write(handshake::Discovery::path(data.path()), handshake::line(&stale)).unwrap();
    let (out, _, code) = said(&run_to_end(hapa(data.path(), &["status"])).await);
    assert_eq!((out.contains("not running"), code), (true, Some(1)), "{out}");
}
