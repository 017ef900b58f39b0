//! A model download whose process is killed.

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use tests::eventually;
use tests::fake_hub::{FILE, ID, REPOSITORY, model_file, range_start, truncating_hub};
use tests::fake_remote::FakeRemote;
use tests::process::{SidecarProcess, data_dir_with, hapa};

async fn start(data: &std::path::Path, hub: &FakeRemote) -> (SidecarProcess, String) {
    let mut command = hapa(data, &["serve", "--supervised"]);
    command.env("HF_ENDPOINT", &hub.address);
    let mut hapa = SidecarProcess::start_with(command).await;
    let address = hapa.wait_ready().await;
    (hapa, address)
}

#[tokio::test]
async fn a_download_resumes_after_a_kill() {
    let half = model_file().len() / 2;
    let hub = truncating_hub().await;
    let data = data_dir_with(&tests::script());
    let (mut hapa, address) = start(data.path(), &hub).await;
    let request = tests::client().request(Method::POST, format!("{address}/api/v1/models/downloads"));
    let request = request.header("X-API-Key", &hapa.key).json(&json!({"repository": REPOSITORY, "file": FILE}));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let models = data.path().join("models");
    let part = models.join(format!(".downloads/{ID}.part"));
    eventually("half of the file is downloaded", async || {
        part.metadata().is_ok_and(|facts| facts.len() == half as u64).then_some(())
    })
    .await;
    hapa.signal(Signal::SIGKILL);
    hapa.wait_exit().await;

    let (mut restarted, address) = start(data.path(), &hub).await;
    eventually("the model is installed", async || models.join(FILE).is_file().then_some(())).await;
    assert!(std::fs::read(models.join(FILE)).unwrap() == model_file());
    assert_eq!(hub.requests().iter().map(range_start).collect::<Vec<_>>(), [0, half]);
    let mut stream = tests::client()
        .get(format!("{address}/api/v1/models/downloads"))
        .header("X-API-Key", &restarted.key)
        .send()
        .await
        .unwrap();
    let event = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let list: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap().trim()).unwrap();
    assert_eq!(list["downloads"][0]["id"], ID, "{list}");
    drop(stream);
    drop(restarted.stdin.take());
    assert_eq!(restarted.wait_exit().await.code(), Some(0));
}
