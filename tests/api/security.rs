//! Security with the default settings: response headers, CSRF, CORS, path traversal, and public routes.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use reqwest::header::{HOST, ORIGIN};
use reqwest::{Method, Response};
use serde_json::json;
use tests::server::{Server, json_of};

/// Asserts that a response has the security headers (S-7).
fn assert_security_headers(response: &Response) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(
            response.headers().get(name).map(|found| found.to_str().unwrap()),
            Some(value),
            "{}",
            response.url()
        );
    }
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let server = Server::start().await;
    for path in ["/health", "/metrics", "/nothing", "/api/openapi.json", "/docs", "/api/v1/user/history"] {
        assert_security_headers(&server.request(Method::GET, path).send().await.unwrap());
    }
    let answer = server.open_stream(&json!({"user_question": "중복 제거"})).await;
    assert_security_headers(&answer);
    let history = server.request(Method::GET, "/api/v1/user/history").send().await.unwrap();
    assert_eq!(history.headers()["cache-control"], "no-store");
    let foreign = server.request(Method::GET, "/health").header(HOST, "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    assert_security_headers(&foreign);

    let server = Server::with_config(|config| config.security_headers = false).await;
    let response = server.request(Method::GET, "/health").send().await.unwrap();
    assert!(!response.headers().contains_key("x-frame-options"));
}

#[tokio::test]
async fn content_types_of_web_forms_are_rejected() {
    let server = Server::start().await;
    let body = json!({"user_question": "중복 제거", "confirm": true, "name": "x"}).to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        for (method, path) in [
            (Method::POST, "/api/v1/generate-code"),
            (Method::POST, "/api/v1/keys"),
            (Method::PUT, "/api/v1/users/profile"),
            (Method::PATCH, "/api/v1/settings"),
            (Method::DELETE, "/api/v1/cache/clear"),
        ] {
            let mut request = server.request(method.clone(), path).body(body.clone());
            if !content_type.is_empty() {
                request = request.header("Content-Type", content_type);
            }
            let (status, answer) = json_of(request.send().await.unwrap()).await;
            assert_eq!((status, &answer["error_code"]), (415, &json!("UNSUPPORTED_MEDIA_TYPE")), "{method} {path}");
        }
    }
    let server = Server::with_config(|config| config.csrf_protection = false).await;
    let request = server.request(Method::POST, "/api/v1/generate-code").header("Content-Type", "text/plain");
    assert_eq!(request.body(body).send().await.unwrap().status(), 200, "unless CSRF protection is disabled");
}

#[tokio::test]
async fn private_network_access_is_granted_to_trusted_origins_only() {
    let server = Server::start().await;
    let preflight = |origin: &'static str| {
        let request = server.unauthenticated(Method::OPTIONS, "/api/v1/generate-code").header(ORIGIN, origin);
        let request = request.header("Access-Control-Request-Method", "POST");
        request.header("Access-Control-Request-Private-Network", "true").send()
    };
    let trusted = preflight("http://trusted.example").await.unwrap();
    assert_eq!(trusted.headers()["access-control-allow-private-network"], "true");
    assert_eq!(trusted.headers()["access-control-allow-origin"], "http://trusted.example");
    let foreign = preflight("https://evil.example").await.unwrap();
    assert_eq!(foreign.status(), 403);
    for name in ["access-control-allow-private-network", "access-control-allow-origin"] {
        assert!(!foreign.headers().contains_key(name), "{name}");
    }
    let any = server.request(Method::GET, "/health").send().await.unwrap();
    assert!(!any.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn path_traversal_is_not_found() {
    let server = Server::start().await;
    for id in [
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2f%2e%2e%2fetc",
        "C:%5CWindows",
        "%5C%5Chost%5Cshare",
        "x%00y",
        "sha256:..%2F..%2Fx",
        "'%20OR%201=1--",
        "%ED%95%9C%EA%B8%80",
        "%FF%FE",
    ] {
        for path in ["/api/v1/conversations/", "/api/v1/keys/", "/api/v1/user/history/"] {
            for method in [Method::GET, Method::DELETE] {
                let (status, body) =
                    json_of(server.request(method, &format!("{path}{id}")).send().await.unwrap()).await;
                assert!(matches!(status, 404 | 405), "{path}{id}: {status} {body}");
                assert_eq!(body["status"], "error");
            }
        }
    }
}

/// The address of this machine on its network, if it has one.
fn network_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Sends nothing: a connected UDP socket only selects its local address.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[tokio::test]
async fn metrics_are_public_on_loopback_and_need_an_admin_key_otherwise() {
    let server = Server::start().await;
    assert_eq!(server.unauthenticated(Method::GET, "/metrics").send().await.unwrap().status(), 200);
    let Some(address) = network_address() else { return };
    let server = Server::with_host(address).await;
    let (user, _) = server.create_key(json!({"name": "user"})).await;
    for (key, expected) in [(None, 401), (Some(&user), 403), (Some(&server.key), 200)] {
        let mut request = server.unauthenticated(Method::GET, "/metrics");
        if let Some(key) = key {
            request = request.header("X-API-Key", key);
        }
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
}

#[tokio::test]
async fn public_routes_reveal_no_model_no_path_and_no_question() {
    let server = Server::start().await;
    assert_eq!(server.post("/api/v1/generate-code", &json!({"user_question": "아무도 모를 질문"})).await.0, 200);
    let folder = server.data().to_string_lossy().into_owned();
    for path in ["/health", "/api/v1/health", "/metrics", "/docs", "/api/openapi.json"] {
        let text = server.unauthenticated(Method::GET, path).send().await.unwrap().text().await.unwrap();
        for secret in ["scripted", "아무도 모를", &folder, &server.key] {
            assert!(!text.contains(secret), "{path} reveals `{secret}`");
        }
    }
}
