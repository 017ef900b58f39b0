//! Serving: other addresses than loopback, TLS, the metrics port, huge request bodies, and slow clients.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::script;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

fn client() -> reqwest::Client {
    tests::client()
}

/// A port that is free now; another process may take it before it is used.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn listening_beyond_loopback_requires_a_created_key() {
    let data = data_dir_with(&script());
    let port = free_port().to_string();
    for host in ["0.0.0.0", "::"] {
        let mut command = hapa(data.path(), &["serve", "--port", &port]);
        command.env("HOST", host);
        let output = run_to_end(command).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("hapa keys create") && stderr.contains(host), "{stderr}");
        assert_eq!(output.status.code(), Some(handshake::Exit::Config.code()));
    }
    let created = run_to_end(hapa(data.path(), &["keys", "create", "--json", "laptop"])).await;
    let created: serde_json::Value = serde_json::from_slice(&created.stdout).unwrap();
    let mut command = hapa(data.path(), &["serve", "--supervised", "--port", &port]);
    command.env("HOST", "0.0.0.0");
    let mut serving = SidecarProcess::start_with(command).await;
    let address = serving.wait_ready().await;
    let request = client().get(format!("{address}/api/v1/user/history"));
    let answer = request.header("X-API-Key", created["key"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let foreign = client().get(format!("{address}/health")).header("Host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 403, "the host header is checked on every address");
}

#[tokio::test]
async fn the_metrics_port_serves_metrics_only() {
    let data = data_dir_with(&script());
    let port = free_port();
    let mut command = hapa(data.path(), &["serve", "--supervised"]);
    command.env("ENABLE_METRICS", "true").env("METRICS_PORT", port.to_string());
    let mut serving = SidecarProcess::start_with(command).await;
    serving.wait_ready().await;
    let get = |path: &str| client().get(format!("http://127.0.0.1:{port}{path}")).send();
    let metrics = get("/metrics").await.unwrap();
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(metrics.text().await.unwrap().contains("hapa_requests_total"));
    assert_eq!(get("/health").await.unwrap().status(), 404);
    assert_eq!(get("/api/v1/user/history").await.unwrap().status(), 404);
}

/// Writes a certificate for `localhost` and its key, and returns the roots that trust it.
fn certificate(folder: &Path) -> RootCertStore {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    roots
}

/// Starts `hapa serve` over TLS. Returns the process and its port.
async fn serve_over_tls(data: &Path) -> (tokio::process::Child, u16) {
    let port = free_port();
    let mut command = hapa(data, &["serve", "--port", &port.to_string()]);
    command.env("SSL_ENABLED", "true");
    command.env("SSL_CERT_PATH", data.join("cert.pem")).env("SSL_KEY_PATH", data.join("key.pem"));
    let mut serving = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stdout.take().unwrap()).lines();
    let first = timeout(tests::TIMEOUT, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert_eq!(first, format!("HAPA 0.4.0 serves https://127.0.0.1:{port}"));
    (serving, port)
}

#[tokio::test]
async fn with_a_certificate_the_api_is_served_over_tls() {
    let data = data_dir_with(&script());
    let roots = certificate(data.path());
    let (_serving, port) = serve_over_tls(data.path()).await;

    // A client that connects and sends nothing blocks no other.
    let _silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = timeout(tests::TIMEOUT, connector.connect(name, stream)).await.unwrap().unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(tests::TIMEOUT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"version\":\"0.4.0\""), "{answer}");

    let plain = client().get(format!("http://127.0.0.1:{port}/health")).send().await;
    assert!(plain.is_err(), "the port does not serve plain HTTP");
    let status = run_to_end(hapa(data.path(), &["status"])).await;
    assert!(status.status.success(), "local commands use a loopback port of their own");
}

#[tokio::test]
async fn an_invalid_certificate_is_named_at_start() {
    let data = data_dir_with(&script());
    certificate(data.path());
    std::fs::create_dir(data.path().join("other")).unwrap();
    certificate(&data.path().join("other"));
    for (cert, key, variable) in [
        ("missing.pem", "key.pem", "SSL_CERT_PATH"),
        ("cert.pem", "missing.pem", "SSL_KEY_PATH"),
        ("script.json", "key.pem", "SSL_CERT_PATH"),
        ("cert.pem", "other/key.pem", "SSL_KEY_PATH"),
    ] {
        let mut command = hapa(data.path(), &["serve"]);
        command.env("SSL_ENABLED", "true");
        command.env("SSL_CERT_PATH", data.path().join(cert)).env("SSL_KEY_PATH", data.path().join(key));
        let output = run_to_end(command).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(variable), "{cert} {key}: {stderr}");
        assert_eq!(output.status.code(), Some(handshake::Exit::Config.code()), "{stderr}");
    }
}

/// The resident memory of a process in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_body_of_three_gibibytes_is_rejected_in_constant_memory() {
    const SIZE: u64 = 3 << 30;
    let data = data_dir_with(&script());
    let mut serving = SidecarProcess::start(data.path(), &[]).await;
    let address = serving.wait_ready().await;
    let (pid, key) = (serving.child.id().unwrap(), serving.key.clone());
    client().get(format!("{address}/health")).send().await.unwrap();
    let before = resident(pid);
    for (declared, head) in [
        (true, format!("X-API-Key: {key}\r\nContent-Length: {SIZE}")),
        (false, format!("X-API-Key: {key}\r\nTransfer-Encoding: chunked")),
        // Without a key the body is not read at all.
        (true, format!("Content-Length: {SIZE}")),
    ] {
        let mut stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
        let start = format!(
            "POST /api/v1/generate-code HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{head}\r\n\r\n"
        );
        stream.write_all(start.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let piece = vec![b' '; 1 << 20];
        let send = async {
            let mut sent = 0;
            while sent < SIZE {
                let chunk = if declared { Vec::new() } else { format!("{:x}\r\n", piece.len()).into_bytes() };
                let end: &[u8] = if declared { b"" } else { b"\r\n" };
                for bytes in [&chunk[..], &piece, end] {
                    if to.write_all(bytes).await.is_err() {
                        return sent;
                    }
                }
                sent += piece.len() as u64;
            }
            sent
        };
        let receive = async {
            let mut answer = Vec::new();
            let _ = from.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        let (sent, answer) = timeout(tests::TIMEOUT, async { tokio::join!(send, receive) }).await.unwrap();
        let expected = if head.contains("X-API-Key") { "HTTP/1.1 413" } else { "HTTP/1.1 401" };
        assert!(
            answer.starts_with(expected) && answer.contains("\"status\":\"error\""),
            "after {sent} bytes: {answer}"
        );
        let grown = resident(pid).saturating_sub(before);
        assert!(grown < 32 << 20, "{grown} bytes more than before");
    }
}

#[tokio::test]
async fn slow_clients_do_not_block_other_requests() {
    let data = data_dir_with(&script());
    let mut serving = SidecarProcess::start(data.path(), &[]).await;
    let address = serving.wait_ready().await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(b"POST /api/v1/generate-code HTTP/1.1\r\nHost: loc").await.unwrap();
        slow.push(stream);
    }
    let request = client().post(format!("{address}/api/v1/generate-code")).header("X-API-Key", &serving.key);
    let answer = request.json(&json!({"user_question": "중복 제거"})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
