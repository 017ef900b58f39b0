//! The remote server: routing policy, credentials, and malicious responses.

mod hostile;
mod key;
mod policy;

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};

const QUESTION: &str = "/api/v1/generate-code";
const CHAT: &str = "/v1/chat/completions";

/// Starts HAPA with a script, a remote policy and a remote server.
async fn hapa(script: &Value, policy: &str, address: &str) -> Server {
    let server = Server::with_script(script).await;
    set_remote(&server, policy, address).await;
    server
}

async fn set_remote(server: &Server, policy: &str, address: &str) {
    change(server, json!({"remote_policy": policy, "remote_endpoint": address})).await;
}

async fn change(server: &Server, settings: Value) -> Value {
    let (status, body) =
        json_of(server.request(Method::PATCH, "/api/v1/settings").json(&settings).send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn ask(server: &Server, question: &str) -> Value {
    let (status, body) = server.post(QUESTION, &json!({"user_question": question})).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// The failure code of a `BAD_GATEWAY` error.
fn failure(body: &Value) -> &str {
    let details = &body["error_details"];
    assert_eq!((&body["error_code"], &details["reason"]), (&json!("BAD_GATEWAY"), &json!("remote_failed")), "{body}");
    details["failure"].as_str().unwrap()
}
