//! Authentication and allowed hosts and origins, on every route of the API description.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HOST, ORIGIN};
use serde_json::{Value, json};
use tests::server::{Server, json_of};

/// Every route of the API description, and whether it needs a key.
async fn routes(server: &Server) -> Vec<(Method, String, bool)> {
    let document = server.get("/api/openapi.json").await;
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let open = operation["security"] == json!([{}]) || operation["security"] == json!([]);
            routes.push((method.to_uppercase().parse().unwrap(), path.replace("{id}", "x"), !open));
        }
    }
    assert!(routes.len() >= 8, "{routes:?}");
    routes
}

#[tokio::test]
async fn without_a_valid_key_protected_routes_answer_401() {
    let server = Server::start().await;
    let unknown = format!("hapa_{}", "0".repeat(64));
    for (method, path, protected) in routes(&server).await {
        for (name, value, reason) in [
            ("", "", "key_missing"),
            ("x-api-key", "", "key_unknown"),
            ("x-api-key", "hapa_nothex", "key_unknown"),
            ("x-api-key", unknown.as_str(), "key_unknown"),
            ("authorization", "Bearer wrong", "key_unknown"),
            ("authorization", "Basic aGFwYTpoYXBh", "key_missing"),
        ] {
            let mut request = server.unauthenticated(method.clone(), &path);
            if !name.is_empty() {
                request = request.header(name, value);
            }
            let response = request.send().await.unwrap();
            if protected {
                let (status, body) = json_of(response).await;
                if path.starts_with("/v1/") {
                    assert_eq!((status, &body["error"]["code"]), (401, &json!("invalid_api_key")), "{method} {path}");
                    continue;
                }
                assert_eq!(
                    (status, &body["error_code"], &body["error_details"]["reason"]),
                    (401, &json!("UNAUTHORIZED"), &json!(reason)),
                    "{method} {path} {name}"
                );
            } else {
                assert_eq!(response.status(), 200, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn both_key_headers_are_accepted_and_x_api_key_takes_precedence() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.key);
    let jwt = "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x";
    for (x_api_key, authorization, expected) in [
        (Some(server.key.as_str()), None, 200),
        (None, Some(bearer.as_str()), 200),
        (Some(server.key.as_str()), Some(jwt), 200),
        (Some("hapa_0000000000000000"), Some(bearer.as_str()), 401),
        (None, Some(jwt), 401),
    ] {
        let mut request = server.unauthenticated(Method::GET, "/api/v1/user/history");
        if let Some(key) = x_api_key {
            request = request.header("X-API-Key", key);
        }
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        assert_eq!(request.send().await.unwrap().status(), expected, "{x_api_key:?} {authorization:?}");
    }
    let query = format!("/api/v1/user/history?api_key={}", server.key);
    assert_eq!(server.unauthenticated(Method::GET, &query).send().await.unwrap().status(), 401, "never in the URL");
}

#[tokio::test]
async fn a_foreign_host_header_is_rejected_on_every_route() {
    let server = Server::start().await;
    let mut all = routes(&server).await;
    all.extend(["/", "/nothing", "/api/openapi.json"].map(|path| (Method::GET, path.to_owned(), false)));
    for (method, path, _) in all {
        for method in [method, Method::OPTIONS] {
            let response =
                server.request(method.clone(), &path).header(HOST, "evil.example:8000").send().await.unwrap();
            let (status, body) = json_of(response).await;
            let code = if path.starts_with("/v1/") { &body["error"]["code"] } else { &body["error_code"] };
            let code = code.as_str().unwrap_or_default().to_uppercase();
            assert_eq!((status, code.as_str()), (403, "FORBIDDEN"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn foreign_origins_are_rejected_and_the_windows_origin_is_allowed() {
    let server = Server::start().await;
    for origin in [
        "null",
        "https://localhost.evil.com",
        "http://127.0.0.1.evil",
        "tauri://evil",
        "http://localhost:5173",
        "http://localhost",
        "https://trusted.example",
        "http://trusted.example:81",
        "http://trusted.example.evil",
        "tauri://localhost.evil",
        "file://",
    ] {
        for method in [Method::GET, Method::OPTIONS, Method::POST] {
            let request = server.request(method.clone(), "/api/v1/user/history").header(ORIGIN, origin);
            let response = request.header("Access-Control-Request-Method", "POST").send().await.unwrap();
            assert_eq!(response.status(), 403, "{method} from {origin}");
            assert!(!response.headers().contains_key("access-control-allow-origin"), "{origin}");
        }
    }
    for origin in ["tauri://localhost", "http://tauri.localhost", "http://trusted.example"] {
        let response = server.request(Method::GET, "/api/v1/user/history").header(ORIGIN, origin).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["access-control-allow-origin"].as_bytes()),
            (200, origin.as_bytes())
        );
        let preflight =
            server.unauthenticated(Method::OPTIONS, "/api/v1/generate-code-streaming").header(ORIGIN, origin);
        let preflight = preflight
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type,x-api-key");
        let response = preflight.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers()["access-control-allow-headers"].to_str().unwrap().contains("x-api-key"));
    }
}

#[tokio::test]
async fn every_response_has_a_request_id() {
    let server = Server::start().await;
    let given = server.request(Method::GET, "/health").header("X-Request-ID", "my-own_1.2").send().await.unwrap();
    assert_eq!(given.headers()["x-request-id"], "my-own_1.2");
    for path in ["/health", "/nothing", "/api/v1/user/history"] {
        let response =
            server.unauthenticated(Method::GET, path).header("X-Request-ID", "<script>").send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"].len(), 36, "{path}");
    }
    let (_, body): (u16, Value) = server.post("/api/v1/generate-code", &json!({"user_question": "x"})).await;
    assert_eq!(body["request_id"].as_str().unwrap().len(), 36);
}
