//! The served OpenAPI description equals the snapshot that the UI's types are generated from.

use std::path::Path;

use serde_json::Value;
use tests::server::Server;

#[tokio::test]
async fn the_served_description_is_the_snapshot_in_the_repository() {
    let server = Server::start().await;
    let served = server.unauthenticated(reqwest::Method::GET, "/api/openapi.json").send().await.unwrap();
    let served: Value = served.json().await.unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/src/api/openapi.json");
    let snapshot: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        served == snapshot,
        "the API has changed: run `hapa openapi > ui/src/api/openapi.json` and `npm run schema` in ui"
    );
}

#[tokio::test]
async fn the_description_has_a_title_a_version_and_an_id_for_each_operation() {
    let server = Server::start().await;
    let document = server.get("/api/openapi.json").await;
    assert_eq!(
        (document["info"]["title"].as_str(), document["info"]["version"].as_str()),
        (Some("HAPA"), Some("0.4.0"))
    );
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{method} {path}");
        }
    }
}
