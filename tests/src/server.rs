//! HAPA in the test's process, with the scripted engine, and an HTTP client for it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use sidecar::config::Config;
use sidecar::server::{Mode, Server as Sidecar};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::eventually;

/// A running API server with its own data folder.
pub struct Server {
    /// The base URL, such as `http://127.0.0.1:41234`.
    pub address: String,
    /// The installation's API key.
    pub key: String,
    /// The HTTP client for requests.
    pub client: Client,
    data: TempDir,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    /// Starts HAPA with the default script.
    pub async fn start() -> Self {
        Self::with_script(&crate::script()).await
    }

    /// Starts HAPA with this script.
    pub async fn with_script(script: &Value) -> Self {
        let data = crate::data_dir();
        std::fs::write(data.path().join("script.json"), script.to_string()).expect("the data folder is writable");
        Self::start_in(data, |_| {}).await
    }

    /// Starts HAPA with the default script and a configuration that `change` has modified.
    pub async fn with_config(change: impl FnOnce(&mut Config)) -> Self {
        let data = crate::data_dir();
        std::fs::write(data.path().join("script.json"), crate::script().to_string())
            .expect("the data folder is writable");
        Self::start_in(data, change).await
    }

    /// Starts HAPA on an address other than loopback.
    pub async fn with_host(address: IpAddr) -> Self {
        let data = crate::data_dir();
        std::fs::write(data.path().join("script.json"), crate::script().to_string())
            .expect("the data folder is writable");
        Self::start_in(data, |config| config.host = address).await
    }

    /// Starts HAPA with a real model file.
    pub async fn with_model(model: PathBuf) -> Self {
        let data = crate::data_dir();
        Self::start_in(data, |config| (config.script, config.model) = (None, Some(model))).await
    }

    /// Starts HAPA in an existing data folder, with a configuration that `change` has modified.
    pub async fn start_in(data: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let folder = data.path().to_owned();
        let mut config = Config::for_data(folder.clone());
        config.script = Some(folder.join("script.json"));
        // Tests do not open the keychain of the user who runs them.
        config.keychain = false;
        // Tests do not reach the model hub either: nothing listens on this port.
        config.hf_endpoint = "http://127.0.0.1:1".into();
        config.cors_origins = vec!["http://trusted.example".into()];
        change(&mut config);
        let shutdown = CancellationToken::new();
        let sidecar = Sidecar::open(&config, Mode::Serve { window: None }, shutdown.clone())
            .await
            .expect("a new data folder can be opened");
        let key = sidecar.key.reveal().to_owned();
        let listener = TcpListener::bind((config.host, 0)).await.expect("some port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let serving =
            tokio::spawn(async move { sidecar.serve(listener).await.expect("the server shuts down cleanly") });
        let client = crate::client();
        Self { address, key, client, data, shutdown, serving }
    }

    /// The server's data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Shuts the server down, and returns its data folder.
    pub async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.serving.await.expect("the server does not panic");
        self.data
    }

    /// A request without an API key.
    pub fn unauthenticated(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address))
    }

    /// A request with the installation's API key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.unauthenticated(method, path).header("X-API-Key", &self.key)
    }

    /// The JSON body of a GET.
    pub async fn get(&self, path: &str) -> Value {
        json_of(self.request(Method::GET, path).send().await.expect("the server answers")).await.1
    }

    /// Status and JSON body of a POST.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        json_of(self.request(Method::POST, path).json(body).send().await.expect("the server answers")).await
    }

    /// Creates an API key, and returns the key and its id.
    pub async fn create_key(&self, request: Value) -> (String, String) {
        let (status, body) = self.post("/api/v1/keys", &request).await;
        assert_eq!(status, 200, "{body}");
        let text = |name: &str| body[name].as_str().expect("the field is a string").to_owned();
        (text("key"), text("id"))
    }

    /// A request with another API key than the installation's.
    pub fn request_with(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        self.unauthenticated(method, path).header("X-API-Key", key)
    }

    /// Sends a question to the streaming endpoint, and returns the open stream.
    pub async fn open_stream(&self, body: &Value) -> Response {
        let request = self.request(Method::POST, "/api/v1/generate-code-streaming").json(body);
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        response
    }

    /// Waits until the engine's queue is empty.
    pub async fn wait_idle(&self) {
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
/// When the body is not JSON.
pub async fn json_of(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.expect("the body arrives");
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} with a body that is not JSON: {text}")))
}
