//! A model on Vulkan, for real: on Mesa's driver that calculates on the processor, so that it needs no GPU. `cargo xtask vulkan`
//! builds the backend that this is about, and runs it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped has failed the test")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tests::process::{SidecarProcess, hapa, program};
use tokio::sync::{Mutex, MutexGuard};

/// The longest that a model takes to load. Mesa compiles for the processor what a GPU's driver compiles for the GPU.
const LOADING: Duration = Duration::from_secs(240);

/// The first file that describes a driver of this name to Vulkan.
fn driver(name: &str) -> PathBuf {
    let drivers = std::fs::read_dir("/usr/share/vulkan/icd.d").expect("`cargo xtask vulkan` installs Mesa's drivers");
    let mut files = drivers.map(|file| file.unwrap().path());
    files.find(|file| file.file_name().unwrap().to_string_lossy().starts_with(name)).expect("Mesa has such a driver")
}

/// Whether llama.cpp takes Mesa's device. It does so only when told to.
#[derive(Clone, Copy, PartialEq)]
enum Device {
    Shown,
    Hidden,
}

/// A running HAPA with the small model.
struct House {
    hapa: SidecarProcess,
    address: String,
    data: tempfile::TempDir,
}

impl House {
    async fn start(device: Device) -> Self {
        let backend = program("hapa").with_file_name("llama").join("libggml-vulkan.so");
        assert!(backend.is_file(), "`cargo xtask vulkan` puts `{}` there", backend.display());
        let model =
            std::env::var_os("HAPA_TEST_MODEL").expect("`cargo xtask vulkan` names the model file in HAPA_TEST_MODEL");
        let data = tests::data_dir();
        let mut command = hapa(data.path(), &["serve", "--supervised"]);
        // The name of today, and that of older loaders.
        command.env("VK_DRIVER_FILES", driver("lvp_icd")).env("VK_ICD_FILENAMES", driver("lvp_icd"));
        command.env("HAPA_MODEL", model).env("LOG_LEVEL", "info,llama-cpp-2=info");
        // Mesa compiles with the first words too.
        command.env("REQUEST_TIMEOUT", LOADING.as_secs().to_string()).env_remove("GGML_VK_VISIBLE_DEVICES");
        if device == Device::Shown {
            command.env("GGML_VK_VISIBLE_DEVICES", "0");
        }
        let mut hapa = SidecarProcess::start_with(command).await;
        let address = hapa.wait_ready().await;
        Self { hapa, address, data }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let client = tests::client();
        let request = client.request(method, format!("{}{path}", self.address)).header("X-API-Key", &self.hapa.key);
        let request = request.header("Accept-Language", "en");
        let request = if let Some(body) = body { request.json(&body) } else { request };
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    }

    /// The model in the list, once it is loaded.
    async fn model(&self) -> Value {
        let start = Instant::now();
        loop {
            let model = self.ask(Method::GET, "/api/v1/models", None).await["models"][0].clone();
            match model["state"].as_str() {
                Some("ready") => return model,
                Some("loading") if start.elapsed() < LOADING => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => panic!("{model}"),
            }
        }
    }

    /// The text of a short answer, and its tokens a second, with the time that its few words of prompt took.
    async fn answer(&self) -> (String, f64) {
        let question = json!({"prompt": "x = 1\ny =", "max_tokens": 8, "temperature": 0.0, "ignore_eos": true});
        let start = Instant::now();
        let answer = self.ask(Method::POST, "/v1/completions", Some(question)).await;
        let tokens = answer["usage"]["completion_tokens"].as_f64().unwrap_or_else(|| panic!("{answer}"));
        (answer["choices"][0]["text"].as_str().unwrap().to_owned(), tokens / start.elapsed().as_secs_f64())
    }

    /// Ends it, and tells what it logged.
    async fn log(mut self) -> String {
        drop(self.hapa.stdin.take());
        assert_eq!(self.hapa.wait_exit().await.code(), Some(0));
        std::fs::read_to_string(Path::new(self.data.path()).join("logs/app.log")).unwrap()
    }
}

/// Both use every core, and one is measured.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

#[tokio::test]
async fn all_layers_go_to_the_gpu_and_the_model_answers() {
    let _turn = turn().await;
    let house = House::start(Device::Shown).await;
    let model = house.model().await;
    let fit = &model["fit"];
    assert_eq!((&fit["layers"], &fit["gpu_layers"]), (&json!(30), &json!(30)), "{model}");
    assert!(fit["explanation"].as_str().unwrap().starts_with("30 of 30 layers on the GPU"), "{model}");
    let health = house.ask(Method::GET, "/health/detailed", None).await;
    let device = &health["devices"][0];
    assert_eq!((&device["name"], &device["gpu"]), (&json!("Vulkan0"), &json!(true)), "{health}");
    assert!(device["memory_bytes"].as_u64() >= device["free_bytes"].as_u64(), "{device}");
    let processor = &health["devices"][1];
    assert!(processor["memory_bytes"].as_u64() > processor["free_bytes"].as_u64(), "{processor}");
    assert!(health["backend"]["device"].as_str().unwrap().starts_with("Vulkan0 ("), "{health}");
    assert!(health["memory"]["gpu_bytes"].as_u64().unwrap() > 50_000_000, "{health}");
    assert_eq!(health["devices"][1]["name"], "CPU");
    let (text, speed) = house.answer().await;
    assert!(!text.trim().is_empty());
    println!("on {}: {speed:.2} tokens/s", health["backend"]["device"]);
    // What is behind the layers counts as one more there.
    let log = house.log().await;
    assert!(log.contains("offloaded 31/31 layers to GPU"), "{log}");
}

#[tokio::test]
async fn without_a_gpu_the_backend_changes_nothing() {
    let _turn = turn().await;
    let house = House::start(Device::Hidden).await;
    let model = house.model().await;
    assert!(model["fit"]["explanation"].as_str().unwrap().starts_with("30 of 30 layers on the processor"), "{model}");
    let health = house.ask(Method::GET, "/health/detailed", None).await;
    let devices: Vec<_> = health["devices"].as_array().unwrap().iter().map(|device| &device["name"]).collect();
    assert_eq!(devices, [&json!("CPU")]);
    assert!(health["backend"]["device"].as_str().unwrap().starts_with("CPU ("), "{health}");
    assert_eq!(health["memory"]["gpu_bytes"], 0);
    let (text, speed) = house.answer().await;
    assert!(!text.trim().is_empty());
    println!("on {}: {speed:.2} tokens/s", health["backend"]["device"]);
    let log = house.log().await;
    assert!(!log.contains("cannot be used"), "{log}");
}
