//! A server elsewhere that may be asked: who answers when, what goes out, and what becomes of answers that are meant to do harm.

mod hostile;
mod key;
mod policy;

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};

const QUESTION: &str = "/api/v1/generate-code";
const CHAT: &str = "/v1/chat/completions";

/// HAPA with a script, and the settings that name a server elsewhere.
async fn hapa(script: &Value, policy: &str, address: &str) -> Server {
    let server = Server::with_script(script).await;
    turn(&server, policy, address).await;
    server
}

async fn turn(server: &Server, policy: &str, address: &str) {
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

/// The word for how a remote server failed, from an error of ours.
fn failure(body: &Value) -> &str {
    let details = &body["error_details"];
    assert_eq!((&body["error_code"], &details["reason"]), (&json!("BAD_GATEWAY"), &json!("remote_failed")), "{body}");
    details["failure"].as_str().unwrap()
}
