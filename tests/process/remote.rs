//! `hapa` with a remote server: without a local model, over TLS, and with the system's keychain.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::fake_remote::FakeRemote;
use tests::process::{SidecarProcess, data_dir_with, hapa, run_to_end};
use tests::script;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// A running server and its data folder.
struct Hapa {
    process: SidecarProcess,
    address: String,
    data: TempDir,
}

impl Hapa {
    async fn start(data: TempDir, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = hapa(data.path(), &["serve", "--supervised"]);
        change(&mut command);
        let mut process = SidecarProcess::start_with(command).await;
        let address = process.wait_ready().await;
        Self { process, address, data }
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = tests::client().request(method, format!("{}{path}", self.address));
        let request = request.header("X-API-Key", &self.process.key).header("Accept-Language", "en").json(&body);
        tests::server::json_of(request.send().await.unwrap()).await
    }

    async fn set_remote(&self, endpoint: &str, key: &str) {
        let settings = json!({"remote_policy": "remote", "remote_endpoint": endpoint});
        assert_eq!(self.send(Method::PATCH, "/api/v1/settings", settings).await.0, 200);
        let (status, body) = self.send(Method::PUT, "/api/v1/remote/key", json!({"key": key})).await;
        assert_eq!(status, 200, "{body}");
    }

    async fn generate(&self) -> (u16, Value) {
        let question = json!({"user_question": "중복 제거", "use_cache": false});
        self.send(Method::POST, "/api/v1/generate-code", question).await
    }

    async fn stop(mut self) -> TempDir {
        drop(self.process.stdin.take());
        assert_eq!(self.process.wait_exit().await.code(), Some(0));
        self.data
    }
}

async fn run(data: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let output = run_to_end(hapa(data, arguments)).await;
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (text, output.status.code())
}

#[tokio::test]
async fn every_command_works_with_a_remote_server_and_no_local_model() {
    let remote = FakeRemote::replying(&["```python\n", "x = 1\n", "```\n", "원격입니다."]).await;
    let serving = Hapa::start(tests::data_dir(), |_| {}).await;
    serving.set_remote(&remote.address, "sk-1").await;
    let data = serving.data.path();
    let (status, code) = run(data, &["status"]).await;
    assert!(status.contains("model    none\n"), "{status}");
    let remote_line = format!("remote   {}, for all requests; model fake-model\n", remote.address);
    assert!(status.contains(&remote_line) && code == Some(0), "{status}");
    assert_eq!(run(data, &["generate", "--code-only", "질문"]).await, ("x = 1\n".to_owned(), Some(0)));
    let data = serving.stop().await;
    // Without a running server the command starts its own, which reads the stored key.
    assert_eq!(run(data.path(), &["generate", "--code-only", "다른 질문"]).await, ("x = 1\n".to_owned(), Some(0)));
    assert_eq!(remote.requests().last().unwrap().header("authorization"), Some("Bearer sk-1"));
    let (doctor, code) = run(data.path(), &["doctor"]).await;
    assert!(doctor.contains(&format!("questions may be sent to the remote server `{}`", remote.address)), "{doctor}");
    assert!(!doctor.contains("[error]") && code == Some(0), "{doctor}");
    drop(remote);
    let (doctor, code) = run(data.path(), &["doctor"]).await;
    assert!(doctor.contains("[error] the remote server cannot be reached") && code == Some(1), "{doctor}");
    let (problem, code) = run(data.path(), &["generate", "질문"]).await;
    assert!(problem.contains("the remote server cannot be reached"), "{problem}");
    assert_eq!(code, Some(1));
}

#[tokio::test]
async fn over_tls_only_a_server_with_a_trusted_certificate_is_used() {
    let data = data_dir_with(&script());
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (data.path().join("cert.pem"), data.path().join("key.pem"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let remote = Hapa::start(data, |command| {
        command.env("SSL_ENABLED", "true").env("SSL_CERT_PATH", &certificate).env("SSL_KEY_PATH", &key);
        command.env("PORT", port.to_string());
    })
    .await;
    let endpoint = format!("https://localhost:{port}/v1");
    let trusting = Hapa::start(tests::data_dir(), |command| {
        command.env("SSL_CERT_FILE", &certificate).env_remove("SSL_CERT_DIR");
    })
    .await;
    trusting.set_remote(&endpoint, &remote.process.key).await;
    let (status, body) = trusting.generate().await;
    assert_eq!((status, &body["backend"], &body["model_used"]), (200, &json!("remote"), &json!("scripted")), "{body}");
    let untrusting = Hapa::start(tests::data_dir(), |command| {
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    })
    .await;
    untrusting.set_remote(&endpoint, &remote.process.key).await;
    let (status, body) = untrusting.generate().await;
    assert_eq!((status, &body["error_details"]["failure"]), (502, &json!("unreachable")), "{body}");
}

#[tokio::test]
async fn the_key_is_in_no_log_no_argument_and_no_variable() {
    let canary = "sk-canary-of-the-remote";
    let remote = FakeRemote::replying(&["원격"]).await;
    let mut serving = Hapa::start(data_dir_with(&script()), |command| {
        command.env("LOG_LEVEL", "trace").env("DEBUG", "true");
    })
    .await;
    serving.set_remote(&remote.address, canary).await;
    assert_eq!(serving.generate().await.0, 200);
    #[cfg(target_os = "linux")]
    for file in ["cmdline", "environ"] {
        let path = format!("/proc/{}/{file}", serving.process.child.id().unwrap());
        assert!(!String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("canary"));
    }
    drop(serving.process.stdin.take());
    serving.process.wait_exit().await;
    let log = std::fs::read_to_string(serving.data.path().join("logs/app.log")).unwrap();
    assert!(log.contains("hyper") && !log.contains("canary"), "the log includes the libraries");
    assert!(!serving.process.stderr().await.contains("canary"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_hanging_keychain_delays_no_request_and_the_key_is_stored_in_a_file() {
    let data = data_dir_with(&script());
    let socket = data.path().join("bus");
    // A message bus that accepts connections and never replies.
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let (connected, mut connections) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = connected.send(stream);
        }
    });
    let remote = FakeRemote::replying(&["원격"]).await;
    let serving = Hapa::start(data, |command| {
        command.env("HAPA_KEYCHAIN", "true");
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", socket.display()));
    })
    .await;
    let started = Instant::now();
    serving.set_remote(&remote.address, "sk-1").await;
    assert!(connections.recv().await.is_some(), "the keychain is called");
    assert_eq!(serving.generate().await.0, 200);
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(8), "{elapsed:?}");
    let (_, remote) = serving.send(Method::GET, "/api/v1/remote", Value::Null).await;
    assert_eq!(remote["key"], "file");
    assert!(serving.data.path().join("remote.key").is_file());
    serving.stop().await;
}

/// A private session bus with an unlocked keychain.
struct Desktop {
    _bus: tokio::process::Child,
    _keychain: tokio::process::Child,
    address: String,
    home: TempDir,
}

impl Desktop {
    async fn start() -> Self {
        let home = tests::data_dir();
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address"]).stdout(Stdio::piped()).kill_on_drop(true);
        let mut bus = bus.spawn().expect("dbus-daemon can be started");
        let mut lines = BufReader::new(bus.stdout.take().unwrap()).lines();
        let address = timeout(tests::TIMEOUT, lines.next_line()).await.unwrap().unwrap().unwrap();
        let mut keychain = Command::new("gnome-keyring-daemon");
        keychain.args(["--foreground", "--unlock", "--components=secrets"]).env("DBUS_SESSION_BUS_ADDRESS", &address);
        keychain.env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.path()).env_remove("XDG_DATA_HOME");
        keychain.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut keychain = keychain.spawn().expect("gnome-keyring-daemon can be started");
        // The password that unlocks the keychain.
        keychain.stdin.take().unwrap().write_all(b"password").await.unwrap();
        tests::eventually("the keychain is registered", async || {
            let mut query = Command::new("dbus-send");
            query.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/"]);
            query.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
            let reply = query.env("DBUS_SESSION_BUS_ADDRESS", &address).output().await.unwrap();
            String::from_utf8_lossy(&reply.stdout).contains("true").then_some(())
        })
        .await;
        Self { _bus: bus, _keychain: keychain, address, home }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn with_a_keychain_the_key_is_stored_there_and_in_no_file() {
    let desktop = Desktop::start().await;
    let with_keychain = |command: &mut Command| {
        command.env("HAPA_KEYCHAIN", "true").env("DBUS_SESSION_BUS_ADDRESS", &desktop.address);
    };
    let remote = FakeRemote::replying(&["원격"]).await;
    let serving = Hapa::start(data_dir_with(&script()), with_keychain).await;
    serving.set_remote(&remote.address, "sk-canary").await;
    let key_location =
        async |serving: &Hapa| serving.send(Method::GET, "/api/v1/remote", Value::Null).await.1["key"].clone();
    assert_eq!(key_location(&serving).await, "keychain");
    let data = serving.stop().await;
    for folder in [data.path(), desktop.home.path()] {
        assert!(!folder.join("remote.key").exists());
        let mut open = vec![folder.to_owned()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(9).any(|window| window == b"sk-canary"), "{}", path.display());
            }
        }
    }
    let serving = Hapa::start(data, with_keychain).await;
    assert_eq!(serving.generate().await.0, 200);
    assert_eq!(remote.posts().last().unwrap().header("authorization"), Some("Bearer sk-canary"));
    let (_, removed) = serving.send(Method::DELETE, "/api/v1/remote/key", Value::Null).await;
    assert_eq!(removed["key"], Value::Null);
    let serving = Hapa::start(serving.stop().await, with_keychain).await;
    assert_eq!(key_location(&serving).await, Value::Null);
    serving.stop().await;
}
