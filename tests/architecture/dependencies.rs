//! The home of each dependency: the one place in the sources that uses it, so that it can be replaced there.

use std::collections::{BTreeMap, BTreeSet};

use crate::files;

/// A home, a folder or a file, and the dependencies that only it uses. A dependency with several homes is in several rows.
type Homes = &'static [(&'static str, &'static [&'static str])];

const SIDECAR: Homes = &[
    ("sidecar/build.rs", &["std::env::var"]),
    ("sidecar/src/inference/response_cache.rs", &["moka"]),
    ("sidecar/src/cli.rs", &["clap"]),
    ("sidecar/src/cli/client.rs", &["reqwest"]),
    ("sidecar/src/assistant/complete/suggestion_cache.rs", &["moka"]),
    ("sidecar/src/config.rs", &["std::env::var"]),
    ("sidecar/src/assistant/generate/markdown_splitter.rs", &["pulldown_cmark"]),
    ("sidecar/src/http", &["axum", "tower_http", "utoipa_axum"]),
    ("sidecar/src/http/docs", &["minijinja"]),
    ("sidecar/src/http/docs/markdown.rs", &["pulldown_cmark"]),
    ("sidecar/src/hub/", &["reqwest", "url"]),
    ("sidecar/src/access/keys/secret.rs", &["hmac"]),
    ("sidecar/src/access/rate_limit.rs", &["governor"]),
    ("sidecar/src/main.rs", &["clap"]),
    ("sidecar/src/metrics.rs", &["metrics_exporter_prometheus"]),
    ("sidecar/src/models/watcher.rs", &["notify"]),
    ("sidecar/src/settings/endpoint.rs", &["url"]),
    ("sidecar/src/remote/credentials.rs", &["keyring"]),
    ("sidecar/src/remote/client.rs", &["reqwest"]),
    ("sidecar/src/server/", &["axum", "hyper", "hyper_util", "tokio_rustls"]),
    ("sidecar/src/tls.rs", &["tokio_rustls"]),
    ("sidecar/src/metrics/latency.rs", &["hdrhistogram"]),
    ("sidecar/src/store", &["sqlx"]),
    ("sidecar/src/system.rs", &["sysinfo"]),
    ("sidecar/src/system/gpu.rs", &["nvml_wrapper"]),
    ("sidecar/src/logging", &["file_rotate", "tracing_subscriber"]),
    ("sidecar/src/base/http_client.rs", &["reqwest", "rustls_platform_verifier", "tokio_rustls", "url"]),
    ("sidecar/engine/src/llama", &["llama_cpp_2"]),
    ("sidecar/engine/src/llama/load.rs", &["llama_cpp_sys_2"]),
    ("sidecar/engine/src/template.rs", &["minijinja"]),
    ("sidecar/kernels/", &["llama_cpp_sys_2"]),
    ("sidecar/check/src/python", RUFF),
    ("sidecar/check/src/tree", &["tree_sitter"]),
];

const RUFF: &[&str] =
    &["ruff_db", "ruff_diagnostics", "ruff_linter", "ruff_python_ast", "ruff_python_parser", "ruff_text_size"];

const DESKTOP: Homes = &[
    ("src-tauri/src/files.rs", &["fs", "tauri_plugin_dialog", "tauri_plugin_opener"]),
    ("src-tauri/src/data_dir.rs", &["fs"]),
    ("src-tauri/src/i18n.rs", &["sys_locale"]),
    ("src-tauri/src/autostart.rs", &["tauri_plugin_autostart"]),
    ("src-tauri/src/main.rs", &["tauri_plugin_dialog", "tauri_plugin_notification", "tauri_plugin_single_instance"]),
    ("src-tauri/src/notifications.rs", &["tauri_plugin_notification"]),
    ("src-tauri/src/shortcut.rs", &["tauri_plugin_global_shortcut"]),
    ("src-tauri/src/supervisor/tests.rs", &["fs"]),
    ("src-tauri/src/tray.rs", &["zbus"]),
    ("src-tauri/src/update.rs", &["tauri_plugin_updater"]),
    ("src-tauri/src/window/state.rs", &["tauri_plugin_window_state"]),
    ("src-tauri/src/window/software_rendering.rs", &["webkit2gtk"]),
];

/// Whether a file uses a dependency: as a path or a call, not as a part of another name or a function of its own.
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

/// Fails when a file outside a dependency's homes uses it, and when a home does not use it any more.
fn check(folder: &str, homes: Homes) {
    let sources = files(folder, &[".rs"]);
    let mut homes_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (home, dependencies) in homes {
        for dependency in *dependencies {
            homes_of.entry(dependency).or_default().insert(home);
        }
    }
    let mut violations = Vec::new();
    for (dependency, homes) in homes_of {
        let users = sources.iter().filter(|(_, text)| uses(text, dependency)).map(|(path, _)| path);
        let mut unused = homes.clone();
        for path in users {
            let own: Vec<&str> = homes.iter().copied().filter(|home| path.starts_with(home)).collect();
            if own.is_empty() {
                violations.push(format!("`{dependency}` is used in {path}, and its home is {homes:?}"));
            }
            unused.retain(|home| !own.contains(home));
        }
        violations.extend(unused.iter().map(|home| format!("`{dependency}` is not used in its home {home}")));
    }
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn each_dependency_of_the_sidecar_has_one_home() {
    check("sidecar", SIDECAR);
}

#[test]
fn each_dependency_of_the_desktop_has_one_home() {
    check("src-tauri/src", DESKTOP);
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
