//! The rules of the house that can be read off its files: each dependency has one home, each file says what it is.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped has failed the test")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").to_owned()
}

/// Files below `folder` with one of these endings, as paths from the root.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let (root, mut found, mut open) = (root(), Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is a folder", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["node_modules", "dist", "gen", "target"].contains(&name.as_str()) {
                    open.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    assert!(!found.is_empty(), "there are files in {folder}");
    found
}

/// Whether a file names a dependency by itself: not in the middle of a word, and not as a function of its own.
fn uses(text: &str, dependency: &str) -> bool {
    let calls = ["::", "("].map(|call| format!("{dependency}{call}"));
    calls.iter().any(|call| {
        text.match_indices(call.as_str()).any(|(start, _)| {
            let before = &text[..start];
            !before.ends_with(|char: char| char.is_alphanumeric() || matches!(char, '_' | '.'))
                && !before.ends_with("fn ")
        })
    })
}

#[test]
fn a_dependency_has_one_home() {
    let sources = files("sidecar", &[".rs"]);
    for (dependency, homes) in [
        ("axum", &["sidecar/src/http", "sidecar/src/serve/"][..]),
        ("hyper", &["sidecar/src/serve/"]),
        ("hyper_util", &["sidecar/src/serve/"]),
        ("tokio_rustls", &["sidecar/src/serve/", "sidecar/src/web.rs"]),
        ("rustls_platform_verifier", &["sidecar/src/web.rs"]),
        ("governor", &["sidecar/src/limits.rs"]),
        ("hmac", &["sidecar/src/keys/secret.rs"]),
        ("notify", &["sidecar/src/models/arrivals.rs"]),
        ("moka", &["sidecar/src/answers.rs", "sidecar/src/complete/offers.rs"]),
        ("metrics_exporter_prometheus", &["sidecar/src/metrics.rs"]),
        ("hdrhistogram", &["sidecar/src/stats.rs"]),
        ("utoipa_axum", &["sidecar/src/http"]),
        ("tower_http", &["sidecar/src/http"]),
        ("sqlx", &["sidecar/src/store", "sidecar/src/error.rs"]),
        ("sysinfo", &["sidecar/src/system.rs"]),
        ("nvml_wrapper", &["sidecar/src/system/graphics.rs"]),
        (
            "reqwest",
            &["sidecar/src/cli/client.rs", "sidecar/src/hub/", "sidecar/src/remote/wire.rs", "sidecar/src/web.rs"],
        ),
        ("url", &["sidecar/src/hub/", "sidecar/src/remote/address.rs", "sidecar/src/web.rs"]),
        ("keyring", &["sidecar/src/remote/key.rs"]),
        ("clap", &["sidecar/src/cli.rs", "sidecar/src/main.rs"]),
        ("llama_cpp_2", &["sidecar/engine/src/llama"]),
        ("llama_cpp_sys_2", &["sidecar/engine/src/llama/load.rs", "sidecar/kernels/"]),
        ("minijinja", &["sidecar/engine/src/template.rs", "sidecar/src/http/docs"]),
        ("pulldown_cmark", &["sidecar/src/http/docs/markdown.rs", "sidecar/src/generate/split.rs"]),
        ("ruff_db", &["sidecar/check/src/python"]),
        ("ruff_diagnostics", &["sidecar/check/src/python"]),
        ("ruff_linter", &["sidecar/check/src/python"]),
        ("ruff_python_ast", &["sidecar/check/src/python"]),
        ("ruff_python_parser", &["sidecar/check/src/python"]),
        ("ruff_text_size", &["sidecar/check/src/python"]),
        ("tree_sitter", &["sidecar/check/src/tree"]),
        ("std::env::var", &["sidecar/src/config.rs", "build.rs"]),
        ("tracing_subscriber", &["sidecar/src/telemetry"]),
        ("file_rotate", &["sidecar/src/telemetry"]),
    ] {
        for (path, text) in &sources {
            let at_home = homes.iter().any(|home| path.starts_with(home) || path.ends_with(home));
            let used = uses(text, dependency);
            assert!(at_home || !used, "`{dependency}` is used in {path}, and its home is {homes:?}");
        }
    }
}

#[test]
fn a_dependency_of_the_desktop_has_one_home_too() {
    let sources = files("src-tauri/src", &[".rs"]);
    for (dependency, homes) in [
        ("tauri_plugin_autostart", &["autostart.rs"][..]),
        ("tauri_plugin_dialog", &["files.rs", "main.rs"]),
        ("tauri_plugin_global_shortcut", &["shortcut.rs"]),
        ("tauri_plugin_notification", &["notifications.rs", "main.rs"]),
        ("tauri_plugin_opener", &["files.rs"]),
        ("tauri_plugin_single_instance", &["main.rs"]),
        ("tauri_plugin_updater", &["update.rs"]),
        ("tauri_plugin_window_state", &["window/state.rs"]),
        ("sys_locale", &["i18n.rs"]),
        ("webkit2gtk", &["window/software_rendering.rs"]),
        ("zbus", &["tray.rs"]),
        ("fs", &["files.rs", "data_dir.rs", "supervisor/tests.rs"]),
    ] {
        for (path, text) in &sources {
            let at_home = homes.iter().any(|home| path.ends_with(&format!("src-tauri/src/{home}")));
            assert!(at_home || !uses(text, dependency), "`{dependency}` is used in {path}, and its home is {homes:?}");
        }
    }
}

#[test]
fn the_desktop_knows_no_route_no_table_and_no_model() {
    for (path, text) in files("src-tauri", &[".rs", "Cargo.toml"]) {
        for foreign in ["/api/v1", "sqlx", "reqwest", "llama", "axum"] {
            assert!(!text.contains(foreign), "`{foreign}` in {path}");
        }
    }
}

#[test]
fn only_the_host_imports_tauri_in_the_window() {
    for (path, text) in files("ui/src", &[".ts", ".svelte"]) {
        let host = path == "ui/src/host.ts" || path.starts_with("ui/src/host/");
        assert!(host || !text.contains("@tauri-apps/"), "{path} imports Tauri; only ui/src/host.ts may");
    }
}

#[test]
fn every_rust_file_opens_by_saying_what_it_is() {
    for folder in ["sidecar", "src-tauri", "tests", "xtask"] {
        for (path, text) in files(folder, &[".rs"]) {
            let text = text
                .trim_start_matches("#![cfg_attr(not(debug_assertions), windows_subsystem = \"windows\")]")
                .trim_start();
            assert!(text.starts_with("//! "), "{path} begins with a sentence that says what it is");
        }
    }
}

#[test]
fn each_schema_of_the_description_has_a_name_of_its_own() {
    let mut seen: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for (path, text) in files("sidecar", &[".rs"]) {
        for item in text.split("#[derive(").skip(1) {
            let (derives, rest) = item.split_once(")]").expect("a derive ends");
            if !derives.contains("ToSchema") {
                continue;
            }
            let (head, _) = rest.split_once('{').expect("a type has a body");
            let alias = head
                .split_once("#[schema(as = ")
                .and_then(|(_, rest)| rest.split_once([',', ')']))
                .map(|(name, _)| name);
            let own = head.split_once("pub ").and_then(|(_, kind)| kind.split_whitespace().nth(1));
            let own = own.and_then(|name| name.split(['(', ';']).next());
            let name = alias.or(own).expect("a type has a name").to_owned();
            if let Some(other) = seen.insert(name.clone(), path.clone()) {
                panic!("two schemas are called `{name}`, in {other} and {path}: one would describe both");
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}
