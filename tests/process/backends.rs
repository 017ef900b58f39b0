//! llama.cpp's backends: shared libraries beside the binary, some of which may not load.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::process::{SidecarProcess, hapa_in, program};

/// Installs the binary into a folder of its own, with only the libraries that it needs.
fn installed(folder: &Path) -> PathBuf {
    let (original, copy) = (program("hapa"), folder.join("hapa"));
    fs::copy(&original, &copy).unwrap();
    fs::create_dir(folder.join("llama")).unwrap();
    for library in fs::read_dir(original.with_file_name("llama")).unwrap() {
        let library = library.unwrap();
        if library.file_name() != "libggml-vulkan.so" {
            symlink(library.path(), folder.join("llama").join(library.file_name())).unwrap();
        }
    }
    copy
}

/// Some compilers build this variant with illegal instructions, which would crash on machines that the tests do not run on.
#[test]
fn the_amx_variant_is_not_built() {
    let folder = program("hapa").with_file_name("llama");
    let names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("libggml-cpu-")), "{names:?}");
    assert!(names.iter().all(|name| !name.contains("sapphirerapids")), "{names:?}");
}

#[tokio::test]
async fn a_backend_that_cannot_be_loaded_is_logged_and_skipped() {
    let (folder, data) = (tests::data_dir(), tests::data_dir());
    let hapa = installed(folder.path());
    let llama = folder.path().join("llama");
    fs::write(llama.join("libggml-vulkan.so"), "a truncated library").unwrap();
    // A valid library that is not a backend.
    fs::copy(llama.join("libggml-base.so.0"), llama.join("libggml-cuda.so")).unwrap();
    let mut hapa = SidecarProcess::start_with(hapa_in(&hapa, data.path(), &["serve", "--supervised"])).await;
    let address = hapa.wait_ready().await;
    let client = tests::client();
    let health = client.get(format!("{address}/health/detailed")).header("X-API-Key", &hapa.key);
    let health: Value = serde_json::from_str(&health.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(health["devices"][0]["name"], "CPU", "{health}");
    drop(hapa.stdin.take());
    assert_eq!(hapa.wait_exit().await.code(), Some(0));
    let log = fs::read_to_string(data.path().join("logs/app.log")).unwrap();
    let logged = |name: &str| log.lines().any(|line| line.contains(name) && line.contains("could not be loaded"));
    assert!(logged("libggml-vulkan.so") && logged("libggml-cuda.so") && !logged("libggml-cpu"), "{log}");
}
