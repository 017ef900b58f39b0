//! The bytes of an event stream: HTTP chunks and SSE frames, as the original client parses them.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Program;

/// The HTTP chunks of a streamed response, up to its end or `max` of them.
async fn chunks(program: &Program, path: &str, body: &Value, max: usize) -> Vec<Vec<u8>> {
    let host = program.address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let (body, key) = (body.to_string(), &program.process.key);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let find = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|window| window == part);
    let mut chunks = Vec::new();
    let mut head_read = false;
    loop {
        if !head_read && let Some(end) = find(&bytes, b"\r\n\r\n") {
            let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap().to_lowercase();
            assert!(head.starts_with("http/1.1 200"), "{head}");
            assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            head_read = true;
        }
        while head_read && let Some(line) = find(&bytes, b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
            if bytes.len() < line + 2 + size + 2 {
                break;
            }
            let chunk = bytes.drain(..line + 2 + size + 2).skip(line + 2).take(size).collect::<Vec<u8>>();
            if chunk.is_empty() || chunks.len() + 1 == max {
                if !chunk.is_empty() {
                    chunks.push(chunk);
                }
                return chunks;
            }
            chunks.push(chunk);
        }
        let mut buffer = [0; 4096];
        let read = timeout(tests::TIMEOUT, stream.read(&mut buffer)).await.expect("the stream continues").unwrap();
        assert!(read > 0, "the connection stays open");
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// The event of a chunk. Asserts that the chunk is exactly one frame.
fn event(chunk: &[u8]) -> Value {
    let text = std::str::from_utf8(chunk).expect("no character is split");
    let json = text.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n"));
    let json = json.unwrap_or_else(|| panic!("one frame, and nothing else: {text:?}"));
    assert!(!json.contains(['\n', '\r']), "JSON on one line: {json:?}");
    serde_json::from_str(json).unwrap()
}

#[tokio::test]
async fn each_chunk_is_one_frame_and_the_frames_are_the_documented_events() {
    let program = Program::start().await;
    for (path, body) in [
        ("/api/v1/generate-code-streaming", json!({"user_question": "Flask 웹 서버 만들어줘", "stream": true})),
        ("/api/v1/code/stream-generate", json!({"user_question": "Flask 앱", "use_cache": false})),
        ("/api/v1/code/enhanced-stream-generate", json!({"prompt": "Flask", "model_type": "bug_fix"})),
    ] {
        let events: Vec<Value> =
            chunks(&program, path, &body, usize::MAX).await.iter().map(|chunk| event(chunk)).collect();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event["sequence"], index, "{event}");
            assert!(event["content"].is_string() && event["timestamp"].is_string(), "{event}");
        }
        let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        assert_eq!((kinds[0], *kinds.last().unwrap()), ("start", "done"), "{path}: {kinds:?}");
        assert!(
            kinds[1..kinds.len() - 1].iter().all(|kind| ["token", "code", "explanation"].contains(kind)),
            "{kinds:?}"
        );
        let joined = |kind: &str| -> String {
            events.iter().filter(|event| event["type"] == kind).filter_map(|event| event["content"].as_str()).collect()
        };
        assert_eq!(joined("code"), "from flask import Flask\n\napp = Flask(__name__)", "{path}");
        assert_eq!(joined("explanation"), "간단한 앱입니다.", "{path}");
        let done = &events.last().unwrap()["metadata"];
        for field in [
            "request_id",
            "model_used",
            "backend",
            "cached",
            "token_usage",
            "processing_time",
            "finish_reason",
            "context",
        ] {
            assert!(!done[field].is_null(), "{path}: done has `{field}`");
        }
    }
    program.stop().await;
}

#[tokio::test]
async fn the_first_frames_arrive_during_generation() {
    let program = Program::start().await;
    let body = json!({"user_question": "forever"});
    let frames = chunks(&program, "/api/v1/generate-code-streaming", &body, 2).await;
    assert_eq!(event(&frames[0])["type"], "start");
    assert_eq!(event(&frames[1])["content"], "while True:");
    program.stop().await;
}

#[tokio::test]
async fn a_response_sent_before_the_body_is_read_closes_the_connection() {
    let program = Program::start().await;
    let (host, key) = (program.address.strip_prefix("http://").unwrap(), &program.process.key);
    for (path, key, status) in [
        ("/v1/embeddings", key.as_str(), 404),
        ("/api/v1/generate-code", "hapa_0", 401),
        ("/v1/chat/completions", "hapa_0", 401),
    ] {
        let mut stream = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
        );
        // The body is not sent yet, as with clients that write header and body separately.
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = timeout(tests::TIMEOUT, stream.read_buf(&mut bytes)).await.expect("the server answers").unwrap();
            assert!(read > 0, "the connection stays open");
        }
        let answer = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    program.stop().await;
}
