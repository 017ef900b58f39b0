//! Imports of local model files.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;
use tests::eventually;
use tests::server::{Server, json_of};

/// Uploads a file to be imported under this name.
async fn upload(server: &Server, name: &str, bytes: Vec<u8>, kind: &str) -> (u16, Value) {
    let request = server.request(Method::PUT, &format!("/api/v1/models/imports/{name}"));
    json_of(request.header("Content-Type", kind).body(bytes).send().await.unwrap()).await
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

const FILE: &str = "application/octet-stream";

#[tokio::test]
async fn a_model_file_is_imported_checked_and_listed() {
    let server = Server::with_config(|config| config.script = None).await;
    let model = tests::fake_hub::model_file();
    let (status, body) = upload(&server, "my%20model.gguf", model.clone(), FILE).await;
    assert_eq!((status, &body["id"]), (200, &Value::from("my model")), "{body}");
    let models = server.data().join("models");
    assert_eq!(std::fs::read(models.join("my model.gguf")).unwrap(), model);
    assert_eq!(files(&models.join(".imports")), [] as [PathBuf; 0]);
    eventually("it is listed", || async {
        let list = server.get("/api/v1/models").await;
        list["models"].as_array()?.iter().any(|model| model["id"] == "my model").then_some(())
    })
    .await;
    let (status, body) = upload(&server, "my%20model.gguf", model, FILE).await;
    assert_eq!(status, 409, "{body}");
}

#[tokio::test]
async fn a_file_that_is_not_a_model_is_rejected_and_removed() {
    let server = Server::with_config(|config| config.script = None).await;
    let good = tests::fake_hub::model_file();
    for (name, bytes, kind, expected, field) in [
        ("a.gguf", b"GGUF but not really".to_vec(), FILE, 422, "file"),
        ("b.gguf", good[..50_000].to_vec(), FILE, 422, "file"),
        ("c.txt", good.clone(), FILE, 422, "name"),
        (".gguf", good.clone(), FILE, 422, "name"),
        ("..%2Fd.gguf", good.clone(), FILE, 422, "name"),
        ("e-00001-of-00002.gguf", good.clone(), FILE, 422, "name"),
        ("f.gguf", good.clone(), "text/plain", 415, ""),
    ] {
        let (status, body) = upload(&server, name, bytes, kind).await;
        assert_eq!(status, expected, "{name}: {body}");
        assert!(field.is_empty() || body["error_details"][field][0].is_string(), "{name}: {body}");
    }
    let models = server.data().join("models");
    let remaining: Vec<PathBuf> = files(&models).into_iter().filter(|path| path.is_file()).collect();
    assert_eq!((remaining, files(&models.join(".imports"))), (Vec::new(), Vec::new()));
}
