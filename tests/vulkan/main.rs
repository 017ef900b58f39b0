//! Tests of llama.cpp's Vulkan backend on Mesa's software driver (lavapipe), so that no GPU is needed. `cargo xtask vulkan` builds the
//! backend and runs them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tests::process::{SidecarProcess, hapa, program};
use tokio::sync::{Mutex, MutexGuard};

/// The deadline for loading a model. Mesa compiles the shaders for the CPU, which takes minutes.
const LOAD_TIMEOUT: Duration = Duration::from_secs(240);

/// The first Vulkan driver manifest whose name starts with `name`.
fn driver(name: &str) -> PathBuf {
    let drivers = std::fs::read_dir("/usr/share/vulkan/icd.d").expect("`cargo xtask vulkan` installs Mesa's drivers");
    let mut files = drivers.map(|file| file.unwrap().path());
    files.find(|file| file.file_name().unwrap().to_string_lossy().starts_with(name)).expect("Mesa has such a driver")
}

/// Whether llama.cpp uses Mesa's device. It ignores CPU devices unless they are selected.
#[derive(Clone, Copy, PartialEq)]
enum Device {
    Selected,
    Ignored,
}

/// A running HAPA with the small model.
struct RunningHapa {
    hapa: SidecarProcess,
    address: String,
    data: tempfile::TempDir,
}

impl RunningHapa {
    async fn start(device: Device) -> Self {
        let backend = program("hapa").with_file_name("llama").join("libggml-vulkan.so");
        assert!(backend.is_file(), "`cargo xtask vulkan` puts `{}` there", backend.display());
        let model =
            std::env::var_os("HAPA_TEST_MODEL").expect("`cargo xtask vulkan` names the model file in HAPA_TEST_MODEL");
        let data = tests::data_dir();
        let mut command = hapa(data.path(), &["serve", "--supervised"]);
        // The current variable, and that of older loaders.
        command.env("VK_DRIVER_FILES", driver("lvp_icd")).env("VK_ICD_FILENAMES", driver("lvp_icd"));
        command.env("HAPA_MODEL", model).env("LOG_LEVEL", "info,llama-cpp-2=info");
        // Mesa also compiles shaders during the first tokens.
        command.env("REQUEST_TIMEOUT", LOAD_TIMEOUT.as_secs().to_string()).env_remove("GGML_VK_VISIBLE_DEVICES");
        if device == Device::Selected {
            command.env("GGML_VK_VISIBLE_DEVICES", "0");
        }
        let mut hapa = SidecarProcess::start_with(command).await;
        let address = hapa.wait_ready().await;
        Self { hapa, address, data }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let client = tests::client();
        let request = client.request(method, format!("{}{path}", self.address)).header("X-API-Key", &self.hapa.key);
        let request = request.header("Accept-Language", "en");
        let request = if let Some(body) = body { request.json(&body) } else { request };
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    }

    /// Waits until the model is loaded, and returns its entry in the list.
    async fn model(&self) -> Value {
        let start = Instant::now();
        loop {
            let model = self.send(Method::GET, "/api/v1/models", None).await["models"][0].clone();
            match model["state"].as_str() {
                Some("ready") => return model,
                Some("loading") if start.elapsed() < LOAD_TIMEOUT => {
                    tokio::time::sleep(Duration::from_millis(50)).await
                }
                _ => panic!("{model}"),
            }
        }
    }

    /// The text of a short answer, and its tokens per second including prefill.
    async fn answer(&self) -> (String, f64) {
        let question = json!({"prompt": "x = 1\ny =", "max_tokens": 8, "temperature": 0.0, "ignore_eos": true});
        let start = Instant::now();
        let answer = self.send(Method::POST, "/v1/completions", Some(question)).await;
        let tokens = answer["usage"]["completion_tokens"].as_f64().unwrap_or_else(|| panic!("{answer}"));
        (answer["choices"][0]["text"].as_str().unwrap().to_owned(), tokens / start.elapsed().as_secs_f64())
    }

    /// Stops HAPA, and returns its log.
    async fn log(mut self) -> String {
        drop(self.hapa.stdin.take());
        assert_eq!(self.hapa.wait_exit().await.code(), Some(0));
        std::fs::read_to_string(Path::new(self.data.path()).join("logs/app.log")).unwrap()
    }
}

/// Serializes the tests: a model uses every core, and the speed is printed.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

#[tokio::test]
async fn all_layers_go_to_the_gpu_and_the_model_answers() {
    let _turn = turn().await;
    let hapa = RunningHapa::start(Device::Selected).await;
    let model = hapa.model().await;
    let fit = &model["fit"];
    assert_eq!((&fit["layers"], &fit["gpu_layers"]), (&json!(30), &json!(30)), "{model}");
    assert!(fit["explanation"].as_str().unwrap().starts_with("30 of 30 layers on the GPU"), "{model}");
    let health = hapa.send(Method::GET, "/health/detailed", None).await;
    let device = &health["devices"][0];
    assert_eq!((&device["name"], &device["gpu"]), (&json!("Vulkan0"), &json!(true)), "{health}");
    assert!(device["memory_bytes"].as_u64() >= device["free_bytes"].as_u64(), "{device}");
    let processor = &health["devices"][1];
    assert!(processor["memory_bytes"].as_u64() > processor["free_bytes"].as_u64(), "{processor}");
    assert!(health["backend"]["device"].as_str().unwrap().starts_with("Vulkan0 ("), "{health}");
    assert!(health["memory"]["gpu_bytes"].as_u64().unwrap() > 50_000_000, "{health}");
    assert_eq!(health["devices"][1]["name"], "CPU");
    let (text, speed) = hapa.answer().await;
    assert!(!text.trim().is_empty());
    println!("on {}: {speed:.2} tokens/s", health["backend"]["device"]);
    // llama.cpp counts the output layer too.
    let log = hapa.log().await;
    assert!(log.contains("offloaded 31/31 layers to GPU"), "{log}");
}

#[tokio::test]
async fn without_a_gpu_the_backend_changes_nothing() {
    let _turn = turn().await;
    let hapa = RunningHapa::start(Device::Ignored).await;
    let model = hapa.model().await;
    assert!(model["fit"]["explanation"].as_str().unwrap().starts_with("30 of 30 layers on the processor"), "{model}");
    let health = hapa.send(Method::GET, "/health/detailed", None).await;
    let devices: Vec<_> = health["devices"].as_array().unwrap().iter().map(|device| &device["name"]).collect();
    assert_eq!(devices, [&json!("CPU")]);
    assert!(health["backend"]["device"].as_str().unwrap().starts_with("CPU ("), "{health}");
    assert_eq!(health["memory"]["gpu_bytes"], 0);
    let (text, speed) = hapa.answer().await;
    assert!(!text.trim().is_empty());
    println!("on {}: {speed:.2} tokens/s", health["backend"]["device"]);
    let log = hapa.log().await;
    assert!(!log.contains("cannot be used"), "{log}");
}
