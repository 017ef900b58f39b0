//! Model downloads from the hub: success, resume, retries, and failures.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sidecar::base::retry::RetryPolicy;
use tests::eventually;
use tests::fake_hub::{self, FILE, ID, REPOSITORY, file_response, model_file, range_start, redirect, truncating_hub};
use tests::fake_remote::{FakeRemote, Reply};
use tests::server::{Server, json_of};

/// Starts HAPA with this hub and short timeouts.
async fn start_with(hub: &FakeRemote) -> Server {
    let address = hub.address.clone();
    Server::with_config(move |config| {
        config.hf_endpoint = address;
        let (read_timeout, backoff) = (Duration::from_millis(300), Duration::from_millis(5));
        config.download_retry = RetryPolicy { read_timeout, backoff, max_attempts: 4 };
    })
    .await
}

async fn start_download(server: &Server) -> (u16, Value) {
    server.post("/api/v1/models/downloads", &json!({"repository": REPOSITORY, "file": FILE})).await
}

async fn change(server: &Server, method: Method, body: Option<Value>) -> (u16, Value) {
    let request = server.request(method, &format!("/api/v1/models/downloads/{ID}"));
    let request = if let Some(body) = body { request.json(&body) } else { request };
    json_of(request.send().await.unwrap()).await
}

/// The list of downloads: the first event of their stream.
async fn list(server: &Server) -> Vec<Value> {
    let mut stream = server.request(Method::GET, "/api/v1/models/downloads").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let event = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let list: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap().trim()).unwrap();
    list["downloads"].as_array().unwrap().clone()
}

/// Waits until the download is in this state, and returns it.
async fn wait_for_state(server: &Server, state: &str) -> Value {
    eventually(&format!("the download is {state}"), async || {
        let download = list(server).await.first()?.clone();
        let over = ["failed", "done"].contains(&download["state"].as_str().unwrap());
        assert!(!over || download["state"] == state, "{download}");
        (download["state"] == state).then_some(download)
    })
    .await
}

/// The path of a file in the models folder.
fn models(server: &Server, name: &str) -> PathBuf {
    server.data().join("models").join(name)
}

fn assert_complete(server: &Server) {
    assert!(std::fs::read(models(server, FILE)).unwrap() == model_file(), "the file is the one on the hub");
    let remaining: Vec<_> =
        std::fs::read_dir(models(server, ".downloads")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(remaining.is_empty(), "{remaining:?}");
}

#[tokio::test]
async fn a_model_is_found_and_downloaded() {
    let file = model_file();
    let hub = fake_hub::start(move |_, request| match request.request_line.contains("/resolve/") {
        true => redirect(&file, "/storage/1f?signature=x"),
        false => Reply::Send(file_response(&file, range_start(request), usize::MAX)),
    })
    .await;
    let server = start_with(&hub).await;
    let found = server.get("/api/v1/models/hub?query=tiny%20coder").await;
    assert_eq!(
        found["repositories"],
        json!([
            {"repository": REPOSITORY, "downloads": 12, "likes": 3, "license": "mit", "gated": false},
            {"repository": "tester/Gated", "downloads": 0, "likes": 0, "license": null, "gated": true},
        ])
    );
    let files = server.get(&format!("/api/v1/models/hub/{REPOSITORY}")).await["files"].clone();
    let (bytes, hash) = (model_file().len(), tests::fake_hub::sha256(&model_file()));
    assert_eq!(files, json!([{"file": FILE, "id": ID, "size_bytes": bytes, "sha256": hash}]));

    let (status, started) = start_download(&server).await;
    assert_eq!((status, &started["downloads"][0]["id"]), (200, &json!(ID)), "{started}");
    let done = wait_for_state(&server, "done").await;
    assert_eq!(
        (&done["received_bytes"], &done["total_bytes"], &done["sha256"]),
        (&json!(bytes), &json!(bytes), &json!(hash))
    );
    assert_complete(&server);
    let requests = hub.requests();
    assert!(
        requests[0].request_line.starts_with("GET /api/models?search=tiny+coder&filter=gguf&"),
        "{}",
        requests[0].request_line
    );
    for request in requests {
        assert!(request.header("x-api-key").or(request.header("authorization")).is_none(), "{request:?}");
    }
    // An installed file is not downloaded again, and a finished download can be removed from the list.
    assert_eq!(start_download(&server).await.0, 409);
    assert_eq!(change(&server, Method::DELETE, None).await.0, 200);
    assert!(list(&server).await.is_empty() && models(&server, FILE).exists());
    server.stop().await;
}

#[tokio::test]
async fn an_interrupted_download_resumes_where_it_stopped() {
    let file = model_file();
    let half = file.len() / 2;
    let status = |status: u16, more: &str| {
        Reply::Send(format!("HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes())
    };
    let cases: [(&str, Vec<Reply>); 7] = [
        ("the connection drops", vec![Reply::Send(file_response(&file, 0, half))]),
        ("the transfer stalls", vec![Reply::Hang(file_response(&file, 0, half))]),
        (
            "a signed link expires",
            vec![Reply::Send(file_response(&file, 0, half)), redirect(&file, "/storage/expired"), status(403, "")],
        ),
        ("the hub limits requests", vec![status(429, "Retry-After: 0\r\n"), Reply::Send(file_response(&file, 0, 10))]),
        ("server errors", vec![status(500, ""), status(502, ""), status(503, "")]),
        (
            "the connection drops repeatedly",
            (1..9).map(|part| Reply::Send(file_response(&file, (part - 1) * 1000, 1000))).collect(),
        ),
        ("no response", vec![Reply::Hang(Vec::new()), Reply::Send(Vec::new())]),
    ];
    for (what, replies) in cases {
        let (complete, count) = (file.clone(), replies.len());
        let hub = fake_hub::start(move |number, request| {
            let reply = replies.get(number).cloned();
            reply.unwrap_or_else(|| Reply::Send(file_response(&complete, range_start(request), usize::MAX)))
        })
        .await;
        let server = start_with(&hub).await;
        start_download(&server).await;
        wait_for_state(&server, "done").await;
        assert_complete(&server);
        let requests = hub.requests();
        assert_eq!(requests.len(), count + 1, "{what}: each reply is used once");
        if what != "server errors" && what != "no response" {
            assert!(range_start(requests.last().unwrap()) > 0, "{what}: it resumes, and does not restart");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_failed_download_has_a_reason_and_keeps_its_partial_file_if_it_can_resume() {
    let file = model_file();
    let half = file_response(&file, 0, file.len() / 2);
    let status = |status: u16| Reply::response(status, "text/html", "<script>alert(1)</script>");
    let huge = b"HTTP/1.1 200 X\r\nContent-Length: 1000000000000000000\r\n".to_vec();
    let hash = format!("ETag: \"{}\"\r\n\r\n", "0".repeat(64));
    let mut wrong = file.clone();
    wrong[file.len() - 7] ^= 1;
    let wrong = [tests::fake_hub::response_header(&file, 0).as_bytes(), &wrong].concat();
    let cases = [
        ("missing", status(404), false),
        ("closed", status(401), false),
        ("closed", status(403), false),
        ("garbled", status(418), false),
        ("no_hash", Reply::response(200, "application/octet-stream", "bytes"), false),
        ("foreign", redirect(&file, "https://models.example/x.gguf"), false),
        ("foreign", redirect(&file, "http://127.0.0.1:9/x.gguf"), false),
        ("foreign", redirect(&file, "file:///etc/passwd"), false),
        ("broken", redirect(&file, "/again"), false),
        ("busy", status(429), false),
        ("wrong", Reply::Send(wrong), false),
        ("flawed", Reply::Send(file_response(&vec![7; 5000], 0, 5000)), false),
        ("full", Reply::Hang([huge, hash.into_bytes()].concat()), false),
        ("cut_off", Reply::Send(half), true),
    ];
    for (failure, reply, is_resumable) in cases {
        let hub = fake_hub::start(move |_, request| match range_start(request) {
            0 => reply.clone(),
            // It never resumes.
            _ => Reply::Send(Vec::new()),
        })
        .await;
        let server = start_with(&hub).await;
        start_download(&server).await;
        let failed = wait_for_state(&server, "failed").await;
        let problem = if is_resumable { "unreachable" } else { failure };
        assert_eq!(failed["failure"], problem, "{failed}");
        assert!(failed["message"].as_str().is_some_and(|text| !text.contains("script")), "{failed}");
        assert!(!models(&server, FILE).exists(), "{failure}");
        let part = models(&server, &format!(".downloads/{ID}.part"));
        assert_eq!(part.metadata().is_ok_and(|facts| facts.len() > 0), is_resumable, "{failure}");
        assert_eq!(change(&server, Method::DELETE, None).await.0, 200);
        assert!(!part.exists(), "{failure}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_flipped_bit_fails_the_checksum_and_the_file_is_downloaded_again() {
    let file = model_file();
    let hub = fake_hub::start(move |number, request| {
        let mut bytes = file_response(&file, range_start(request), usize::MAX);
        if number == 0 {
            *bytes.last_mut().unwrap() ^= 0x40;
        }
        Reply::Send(bytes)
    })
    .await;
    let server = start_with(&hub).await;
    start_download(&server).await;
    wait_for_state(&server, "done").await;
    assert_complete(&server);
    assert_eq!(hub.requests().iter().map(range_start).collect::<Vec<_>>(), [0, 0]);
    server.stop().await;
}

#[tokio::test]
async fn a_full_disk_stops_the_download_and_it_resumes_with_free_space() {
    let file = model_file();
    let hub =
        fake_hub::start(move |_, request| Reply::Send(file_response(&file, range_start(request), usize::MAX))).await;
    let server = start_with(&hub).await;
    // A disk without free space.
    std::fs::create_dir_all(models(&server, ".downloads")).unwrap();
    let part = models(&server, &format!(".downloads/{ID}.part"));
    symlink("/dev/full", &part).unwrap();
    start_download(&server).await;
    let failed = wait_for_state(&server, "failed").await;
    assert_eq!(failed["failure"], "full", "{failed}");
    std::fs::remove_file(&part).unwrap();
    assert_eq!(change(&server, Method::PATCH, Some(json!({"paused": false}))).await.0, 200);
    wait_for_state(&server, "done").await;
    assert_complete(&server);
    server.stop().await;
}

#[tokio::test]
async fn a_paused_download_survives_a_restart_and_resumes() {
    let half = model_file().len() / 2;
    let hub = truncating_hub().await;
    let address = hub.address.clone();
    let with_hub = |address: String| move |config: &mut sidecar::config::Config| config.hf_endpoint = address;
    let server = Server::with_config(with_hub(address.clone())).await;
    start_download(&server).await;
    eventually("half of the file is downloaded", async || {
        let download = list(&server).await.remove(0);
        (models(&server, &format!(".downloads/{ID}.part")).metadata().is_ok_and(|facts| facts.len() == half as u64))
            .then_some(download)
    })
    .await;
    assert_eq!(start_download(&server).await.0, 200, "the download is running already");
    let other = json!({"repository": "another/one", "file": FILE});
    assert_eq!(server.post("/api/v1/models/downloads", &other).await.0, 409);
    let (status, paused) = change(&server, Method::PATCH, Some(json!({"paused": true}))).await;
    assert_eq!((status, &paused["downloads"][0]["state"]), (200, &json!("paused")));
    assert_eq!(paused["downloads"][0]["received_bytes"], half);

    let again = Server::start_in(server.stop().await, with_hub(address)).await;
    let paused = wait_for_state(&again, "paused").await;
    assert_eq!((&paused["received_bytes"], &paused["total_bytes"]), (&json!(half), &json!(model_file().len())));
    assert_eq!(hub.requests().len(), 1, "a paused download sends no request");
    change(&again, Method::PATCH, Some(json!({"paused": false}))).await;
    wait_for_state(&again, "done").await;
    assert_complete(&again);
    assert_eq!(hub.requests().iter().map(range_start).collect::<Vec<_>>(), [0, half]);
    again.stop().await;
}

#[tokio::test]
async fn invalid_names_and_unknown_downloads_are_rejected() {
    let server = Server::start().await;
    for (repository, file) in [
        ("a", "m.gguf"),
        ("../a", "m.gguf"),
        ("a/b/c", "m.gguf"),
        ("a/b", "../m.gguf"),
        ("a/b", "/etc/passwd"),
        ("a/b", "\\\\host\\m.gguf"),
        ("a/b", "m.bin"),
        ("a/b", "m\u{0}.gguf"),
        ("https://models.example/a", "m.gguf"),
    ] {
        let (status, body) =
            server.post("/api/v1/models/downloads", &json!({"repository": repository, "file": file})).await;
        assert_eq!(status, 422, "{repository} {file}: {body}");
    }
    let part = json!({"repository": "a/b", "file": "m-00001-of-00003.gguf"});
    assert_eq!(server.post("/api/v1/models/downloads", &part).await.0, 409);
    for (method, body) in [(Method::DELETE, None), (Method::PATCH, Some(json!({"paused": true})))] {
        assert_eq!(change(&server, method, body).await.0, 404);
    }
    assert_eq!(server.get("/api/v1/models/hub/..%2f/x").await["error_code"], "NOT_FOUND");
    assert_eq!(
        server.get("/api/v1/models/hub").await["error_details"],
        json!({"reason": "hub_failed", "failure": "unreachable"})
    );
    assert!(list(&server).await.is_empty());
    server.stop().await;
}
