//! HAPA inside the test's own process, with the scripted engine, asked over HTTP.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use sidecar::config::Config;
use sidecar::serve::{House, Purpose};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::eventually;

/// A running API with a data folder of its own.
pub struct Server {
    /// Such as `http://127.0.0.1:41234`.
    pub address: String,
    /// The installation's key.
    pub key: String,
    /// The HTTP client that requests are sent with.
    pub client: Client,
    data: TempDir,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

impl Server {
    /// HAPA with the usual script.
    pub async fn start() -> Self {
        Self::with_script(&crate::script()).await
    }

    /// HAPA with a script of the test's own.
    pub async fn with_script(script: &Value) -> Self {
        let data = crate::folder();
        std::fs::write(data.path().join("script.json"), script.to_string()).expect("it can be written to");
        Self::on(data, |_| {}).await
    }

    /// HAPA with the usual script, its configuration changed by `change`.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = crate::folder();
        std::fs::write(data.path().join("script.json"), crate::script().to_string()).expect("it can be written to");
        Self::on(data, change).await
    }

    /// HAPA on another address of this machine than loopback.
    pub async fn listening(address: IpAddr) -> Self {
        let data = crate::folder();
        std::fs::write(data.path().join("script.json"), crate::script().to_string()).expect("it can be written to");
        Self::on(data, |config| config.host = address).await
    }

    /// HAPA with a real model file.
    pub async fn with_model(model: PathBuf) -> Self {
        let data = crate::folder();
        Self::on(data, |config| (config.script, config.model) = (None, Some(model))).await
    }

    /// HAPA on an existing data folder, its configuration changed by `change`.
    pub async fn on(data: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let folder = data.path().to_owned();
        let mut config = Config::for_data(folder.clone());
        config.script = Some(folder.join("script.json"));
        // No test looks into the keychain of whoever runs it.
        config.keychain = false;
        // None asks a hub elsewhere either: nothing listens there.
        config.hf_endpoint = "http://127.0.0.1:1".into();
        config.cors_origins = vec!["http://trusted.example".into()];
        change(&mut config);
        let shutdown = CancellationToken::new();
        let house = House::open(&config, Purpose::Serve { window: None }, shutdown.clone())
            .await
            .expect("a new data folder can be opened");
        let key = house.key.reveal().to_owned();
        let listener = TcpListener::bind((config.host, 0)).await.expect("some port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let served = tokio::spawn(async move { house.serve(listener).await.expect("serving ends in order") });
        let client = crate::client();
        Self { address, key, client, data, shutdown, served }
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Ends it in order, and gives back its data folder.
    pub async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.served.await.expect("it ends without a panic");
        self.data
    }

    /// A request with nothing but method and address.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address))
    }

    /// A request with the installation's key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("X-API-Key", &self.key)
    }

    /// What `path` shows, as JSON.
    pub async fn get(&self, path: &str) -> Value {
        json_of(self.request(Method::GET, path).send().await.expect("it answers")).await.1
    }

    /// Status and body of a POST with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        json_of(self.request(Method::POST, path).json(body).send().await.expect("it answers")).await
    }

    /// A new key with what `wish` says, and its id.
    pub async fn make_key(&self, wish: Value) -> (String, String) {
        let (status, body) = self.post("/api/v1/keys", &wish).await;
        assert_eq!(status, 200, "{body}");
        let text = |name: &str| body[name].as_str().expect("it is a text").to_owned();
        (text("key"), text("id"))
    }

    /// A request with another key than the installation's.
    pub fn request_with(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("X-API-Key", key)
    }

    /// The open stream for a question.
    pub async fn ask(&self, body: &Value) -> Response {
        let request = self.request(Method::POST, "/api/v1/generate-code-streaming").json(body);
        let response = request.send().await.expect("it answers");
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        response
    }

    /// Waits until the model works on nothing.
    pub async fn idle(&self) {
        eventually("the engine is idle", async || {
            let queue = &self.get("/health/detailed").await["queue"];
            (queue["active"] == 0 && queue["waiting"] == 0).then_some(())
        })
        .await;
    }
}

/// Status and JSON body of a response.
///
/// # Panics
/// When the body is no JSON.
pub async fn json_of(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.expect("the body arrives");
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} with a body that is no JSON: {text}")))
}
