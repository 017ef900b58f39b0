//! A model file that makes llama.cpp abort: it costs one restart and no data.

use std::path::Path;

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use tests::eventually;
use tests::process::{SidecarProcess, hapa};

use super::{model, turn};

/// Writes the small model with an impossible `expert_count`, on which llama.cpp aborts.
fn write_aborting(path: &Path) {
    let mut file = std::fs::read(model()).unwrap();
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let experts = [text("llama.expert_count"), 4_u32.to_le_bytes().into(), 1_000_000_u32.to_le_bytes().into()].concat();
    // 64 bytes in total, so that the tensor data stays aligned.
    let filler = [text("x"), 8_u32.to_le_bytes().into(), text("123456789")].concat();
    assert_eq!(experts.len() + filler.len(), 64);
    let entries = u64::from_le_bytes(file[16..24].try_into().unwrap());
    file[16..24].copy_from_slice(&(entries + 2).to_le_bytes());
    file.splice(24..24, [experts, filler].concat());
    std::fs::write(path, file).unwrap();
}

async fn start(data: &Path) -> (SidecarProcess, String) {
    let mut process = SidecarProcess::start_with(hapa(data, &["serve", "--supervised"])).await;
    let address = process.wait_ready().await;
    (process, address)
}

async fn get(process: &SidecarProcess, address: &str, path: &str) -> Value {
    let client = tests::client();
    let request = client.request(Method::GET, format!("{address}{path}")).header("X-API-Key", &process.key);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_model_that_makes_llama_cpp_abort_costs_one_restart_and_no_history() {
    let _turn = turn().await;
    let data = tests::data_dir();
    std::fs::write(data.path().join("script.json"), tests::script().to_string()).unwrap();
    let (mut before, address) = start(data.path()).await;
    let client = tests::client();
    let question = client.post(format!("{address}/api/v1/generate-code")).header("X-API-Key", &before.key);
    assert_eq!(question.json(&json!({"user_question": "keep this"})).send().await.unwrap().status(), 200);
    drop(before.stdin.take());
    before.wait_exit().await;
    std::fs::remove_file(data.path().join("script.json")).unwrap();
    let folder = data.path().join("models");
    std::fs::create_dir_all(&folder).unwrap();
    write_aborting(&folder.join("evil.gguf"));
    assert!(engine::gguf::read(&folder.join("evil.gguf")).is_ok(), "the header itself is valid");

    let mut crashing = SidecarProcess::start_with(hapa(data.path(), &["serve", "--supervised"])).await;
    assert_eq!(crashing.wait_exit().await.signal(), Some(Signal::SIGABRT as i32));

    let (mut after, address) = start(data.path()).await;
    let failed = eventually("the model has failed", async || {
        let model = get(&after, &address, "/health/detailed").await["model"].clone();
        (model["state"] == "failed").then_some(model)
    })
    .await;
    assert!(failed["message"].as_str().unwrap().contains("crashed when it last loaded"), "{failed}");
    let history = get(&after, &address, "/api/v1/user/history").await;
    assert_eq!(history["total_count"], 1);
    assert_eq!(history["items"][0]["question"], "keep this", "{history}");
    // Another file with the same name is another model.
    std::fs::remove_file(folder.join("evil.gguf")).unwrap();
    std::fs::copy(model(), folder.join("evil.gguf")).unwrap();
    drop(after.stdin.take());
    after.wait_exit().await;
    let (_again, _) = {
        let (process, address) = start(data.path()).await;
        eventually("the other file is loaded", async || {
            (get(&process, &address, "/health/detailed").await["model"]["state"] == "ready").then_some(())
        })
        .await;
        (process, address)
    };
}
