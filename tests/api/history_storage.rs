//! Storage of the history: search, export and import, secure deletion, migration, and damaged databases.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};

async fn ask(server: &Server, question: &str) -> Value {
    let (status, body) = server.post("/api/v1/generate-code", &json!({"user_question": question})).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// The questions that a search finds, and its total count.
async fn search(server: &Server, text: &str) -> (Vec<String>, u64) {
    let mut address = reqwest::Url::parse(&format!("{}/api/v1/user/history", server.address)).unwrap();
    address.query_pairs_mut().append_pair("search", text);
    let path = format!("{}?{}", address.path(), address.query().unwrap());
    let page = server.get(&path).await;
    let questions = page["items"].as_array().unwrap().iter().map(|item| item["question"].as_str().unwrap().to_owned());
    (questions.collect(), page["total_count"].as_u64().unwrap())
}

async fn send(server: &Server, method: Method, path: &str, body: Value) -> (u16, Value) {
    json_of(server.request(method, path).json(&body).send().await.unwrap()).await
}

#[tokio::test]
async fn any_part_of_a_korean_word_finds_its_message() {
    let server = Server::start().await;
    ask(&server, "피보나치 수열을 재귀함수로 구현해줘").await;
    ask(&server, "Read a CSV file with Pandas").await;
    ask(&server, "정렬").await;
    for (text, expected) in [
        ("재귀함수", 1),
        ("귀함수로 구현", 1),
        ("함수", 1),
        ("수", 1),
        ("정렬", 1),
        ("피보 구현해줘", 1),
        ("피보 없는말", 0),
        ("csv", 1),
        ("PANDAS file", 1),
        ("pa", 1),
        // All three messages have the same answer of the script.
        ("dict.fromkeys(lst)", 3),
        ("유지됩니다", 3),
        ("니다.", 3),
        ("\"", 0),
        ("NOT", 0),
        ("* OR NOT NEAR(", 0),
        ("%", 0),
        ("100%_'; DROP TABLE messages; --", 0),
        ("🙂", 0),
    ] {
        let (questions, total) = search(&server, text).await;
        assert_eq!((questions.len(), total), (expected, expected as u64), "{text}: {questions:?}");
    }
    let (status, body) = json_of(
        server.request(Method::GET, &format!("/api/v1/user/history?search={}", "x".repeat(201))).send().await.unwrap(),
    )
    .await;
    assert_eq!(status, 422, "{body}");
}

#[tokio::test]
async fn a_finished_message_is_found_until_it_is_deleted() {
    let server = Server::start().await;
    let answer = ask(&server, "지울 질문입니다").await;
    let id = answer["message_id"].as_str().unwrap();
    let path = format!("/api/v1/user/history/{id}");
    let item = server.get(&path).await;
    assert_eq!((&item["id"], &item["question"]), (&json!(id), &json!("지울 질문입니다")));
    assert_eq!(search(&server, "지울").await.1, 1);
    assert_eq!(server.request(Method::DELETE, &path).send().await.unwrap().status(), 200);
    assert_eq!(search(&server, "지울").await.1, 0);
    assert_eq!(search(&server, "유지됩니다").await.1, 0);
    assert_eq!(server.request(Method::GET, &path).send().await.unwrap().status(), 404);
    let conversations = server.get("/api/v1/conversations").await;
    assert_eq!(conversations["total_count"], 0, "its empty conversation is deleted too");
}

/// Whether any file of the database contains a text.
fn on_disk(data: &Path, text: &str) -> bool {
    ["hapa.db", "hapa.db-wal"].iter().any(|name| {
        let bytes = std::fs::read(data.join(name)).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn deleted_messages_are_erased_from_the_disk() {
    let server = Server::start().await;
    let data = server.data().to_owned();
    let secret = "아주비밀스러운문장";
    for question in [format!("{secret} 하나"), format!("{secret} 둘"), "남는 질문".into()] {
        ask(&server, &question).await;
    }
    assert!(on_disk(&data, secret));
    let (status, _) = send(&server, Method::DELETE, "/api/v1/user/history", json!({})).await;
    assert_eq!(status, 422);
    let (status, body) = send(&server, Method::DELETE, "/api/v1/user/history", json!({"confirm": false})).await;
    assert_eq!((status, body["error_details"].get("confirm").is_some()), (422, true));
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 3);
    let (status, body) = send(&server, Method::DELETE, "/api/v1/user/history", json!({"confirm": true})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 0);
    assert_eq!(server.get("/api/v1/conversations").await["total_count"], 0);
    assert!(!on_disk(&data, secret) && !on_disk(&data, "남는 질문"));
    assert!(!on_disk(&server.stop().await.keep(), secret));
}

#[tokio::test]
async fn an_export_imported_by_another_installation_is_the_same_history() {
    let server = Server::start().await;
    let first = ask(&server, "피보나치 수열").await;
    let more = json!({"user_question": "더 빠르게", "conversation_id": first["conversation_id"], "code_context": "def f(): pass"});
    server.post("/api/v1/generate-code", &more).await;
    ask(&server, "다른 대화").await;
    server
        .post("/api/v1/submit-feedback", &json!({"type": "positive", "rating": 4, "message_id": first["message_id"]}))
        .await;
    let renamed = format!("/api/v1/conversations/{}", first["conversation_id"].as_str().unwrap());
    send(&server, Method::PATCH, &renamed, json!({"title": "수열 이야기", "pinned": true})).await;
    let response = server.request(Method::GET, "/api/v1/user/history/export?format=json").send().await.unwrap();
    assert!(response.headers()["content-disposition"].to_str().unwrap().contains("hapa-history.json"));
    let file: Value = response.json().await.unwrap();
    assert_eq!((&file["format"], file["messages"].as_array().unwrap().len()), (&json!("hapa-history"), 3));

    let other = Server::start().await;
    let (status, report) = other.post("/api/v1/user/history/import", &file).await;
    assert_eq!(
        (status, &report["imported"], &report["skipped"], &report["invalid"]),
        (200, &json!(3), &json!(0), &json!(0))
    );
    for path in ["/api/v1/user/history", "/api/v1/conversations", &renamed] {
        assert_eq!(other.get(path).await, server.get(path).await, "{path}");
    }
    assert_eq!(search(&other, "피보나치").await.1, 1);
    let (_, again) = other.post("/api/v1/user/history/import", &file).await;
    assert_eq!((&again["imported"], &again["skipped"]), (&json!(0), &json!(3)));
    let mut changed = file.clone();
    changed["messages"][0]["response"] = json!("덮어쓴 답");
    other.post("/api/v1/user/history/import", &changed).await;
    assert_eq!(search(&other, "덮어쓴").await.1, 0, "existing messages are not overwritten");
}

#[tokio::test]
async fn a_markdown_export_has_every_question_and_answer() {
    let server = Server::start().await;
    for index in 0..120 {
        ask(&server, &format!("질문 {index}번")).await;
    }
    let response = server.request(Method::GET, "/api/v1/user/history/export?format=markdown").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/markdown; charset=utf-8");
    let text = response.text().await.unwrap();
    for index in 0..120 {
        assert!(text.contains(&format!("> 질문 {index}번\n")), "{index}");
    }
    assert_eq!(text.matches("def remove_duplicates").count(), 120);
    let (status, body) =
        json_of(server.request(Method::GET, "/api/v1/user/history/export?format=pdf").send().await.unwrap()).await;
    assert_eq!((status, body["error_details"].get("format").is_some()), (422, true), "{body}");
}

#[tokio::test]
async fn a_malicious_import_file_is_rejected_entry_by_entry() {
    let server = Server::start().await;
    let (mina, _) = server.create_key(json!({"name": "mina", "user": "mina"})).await;
    let other_users = ask(&server, "로컬 사용자의 질문").await;
    let good = |id: &str| json!({"id": id, "conversation_id": "c1", "timestamp": "2024-12-28T10:00:00Z", "question": "질문", "response": "답"});
    let with = |field: &str, value: Value| {
        let mut message = good("bad");
        message[field] = value;
        message
    };
    let messages = json!([
        good("m1"), good("m1"), 5, null, [], {},
        with("id", json!("../x")), with("id", json!("")), with("question", json!(" ")), with("question", json!("가".repeat(10_001))),
        with("timestamp", json!("gestern")), with("timestamp", json!("-000001-01-01T00:00:00Z")), with("duration", json!(-1)),
        with("finish_reason", json!("magic")), with("backend", json!("moon")), with("prompt_tokens", json!(-1)), with("rating", json!(9)),
        // A conversation and a message of another user.
        {"id": "new", "conversation_id": other_users["conversation_id"], "timestamp": "2024-12-28T10:00:00Z", "question": "침입", "response": ""},
        {"id": other_users["message_id"], "conversation_id": "c2", "timestamp": "2024-12-28T10:00:00Z", "question": "침입", "response": ""},
    ]);
    let file =
        json!({"format": "hapa-history", "version": 1, "conversations": [5, {"id": "c1"}], "messages": messages});
    let request = server.request_with(&mina, Method::POST, "/api/v1/user/history/import").json(&file);
    let (status, report) = json_of(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(
        (&report["imported"], &report["skipped"], &report["invalid"]),
        (&json!(1), &json!(3), &json!(15)),
        "{report}"
    );
    assert_eq!(report["problems"][0]["index"], 2);
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 1);
    assert_eq!(search(&server, "침입").await.1, 0);
    for body in [
        json!({"format": "other", "version": 1, "messages": []}),
        json!({"format": "hapa-history", "version": 2, "messages": []}),
        json!({"format": "hapa-history", "version": 1}),
    ] {
        assert_eq!(server.post("/api/v1/user/history/import", &body).await.0, 422, "{body}");
    }
    let deep = "[".repeat(1_000_000);
    let request =
        server.request(Method::POST, "/api/v1/user/history/import").header("Content-Type", "application/json");
    assert_eq!(request.body(deep).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_conversation_is_created_renamed_pinned_and_paged() {
    let server = Server::start().await;
    let (status, made) = server.post("/api/v1/conversations", &json!({"title": "Flask 앱"})).await;
    assert_eq!((status, &made["title"], &made["message_count"]), (200, &json!("Flask 앱"), &json!(0)));
    let path = format!("/api/v1/conversations/{}", made["id"].as_str().unwrap());
    ask(&server, "다른 대화").await;
    for index in 0..5 {
        server
            .post("/api/v1/generate-code", &json!({"user_question": format!("{index}"), "conversation_id": made["id"]}))
            .await;
    }
    let newest = server.get(&format!("{path}?limit=2")).await;
    let questions = |page: &Value| {
        page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["question"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!((questions(&newest).as_str(), &newest["has_more"]), ("34", &json!(true)));
    let before = newest["messages"][0]["id"].as_str().unwrap();
    let earlier = server.get(&format!("{path}?limit=3&before={before}")).await;
    assert_eq!((questions(&earlier).as_str(), &earlier["has_more"]), ("012", &json!(false)));
    assert_eq!(questions(&server.get(&path).await), "01234");

    let other = ask(&server, "가장 새로운 대화").await;
    let titles = async || {
        let list = server.get("/api/v1/conversations").await;
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["title"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(titles().await, ["가장 새로운 대화", "Flask 앱", "다른 대화"]);
    let (status, changed) = send(&server, Method::PATCH, &path, json!({"title": " 웹 앱 ", "pinned": true})).await;
    assert_eq!((status, &changed["title"], &changed["pinned"]), (200, &json!("웹 앱"), &json!(true)));
    assert_eq!(titles().await, ["웹 앱", "가장 새로운 대화", "다른 대화"]);
    for body in [json!({"title": ""}), json!({"title": "가".repeat(201)}), json!({"pinned": "yes"})] {
        assert_eq!(send(&server, Method::PATCH, &path, body).await.0, 422);
    }
    let (mina, _) = server.create_key(json!({"name": "mina", "user": "mina"})).await;
    let request = server.request_with(&mina, Method::PATCH, &path).json(&json!({"title": "x"}));
    assert_eq!(request.send().await.unwrap().status(), 404);
    assert!(other["conversation_id"].is_string());
}

#[tokio::test]
async fn messages_older_than_the_retention_period_are_deleted() {
    let server = Server::start().await;
    let message = |id: &str, time: &str| json!({"id": id, "conversation_id": id, "timestamp": time, "question": id, "response": "답"});
    let file = json!({"format": "hapa-history", "version": 1, "messages": [message("old", "2020-01-01T00:00:00Z")]});
    server.post("/api/v1/user/history/import", &file).await;
    ask(&server, "새 질문").await;
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 2);
    send(&server, Method::PATCH, "/api/v1/settings", json!({"history_retention_days": 30})).await;
    tests::eventually("the old message is deleted", async || {
        (server.get("/api/v1/user/history").await["total_count"] == 1).then_some(())
    })
    .await;
    assert_eq!(server.get("/api/v1/conversations").await["total_count"], 1);
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_migrated_without_loss() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("script.json"), tests::script().to_string()).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/first-schema.db");
    std::fs::copy(fixture, data.path().join("hapa.db")).unwrap();
    let server = Server::start_in(data, |_| {}).await;
    let history = server.get("/api/v1/user/history").await;
    assert_eq!(history["total_count"], 5);
    let oldest = &history["items"][4];
    assert_eq!(
        (&oldest["question"], &oldest["finish_reason"]),
        (&json!("리스트에서 중복 제거하는 함수 만들어줘"), &json!("stop"))
    );
    assert_eq!(search(&server, "중복").await.1, 1);
    assert_eq!(search(&server, "집합을 씁니다").await.1, 1);
    assert_eq!(server.get("/api/v1/user/history?language=python&limit=2").await["total_count"], 5);
    let path = format!("/api/v1/conversations/{}", oldest["conversation_id"].as_str().unwrap());
    let more = json!({"user_question": "이어서", "conversation_id": oldest["conversation_id"]});
    assert_eq!(server.post("/api/v1/generate-code", &more).await.0, 200);
    assert_eq!(server.get(&path).await["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_damaged_database_is_quarantined_and_hapa_starts() {
    let noise: Vec<u8> = (0..40_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let intact = {
        let server = Server::start().await;
        for index in 0..40 {
            ask(&server, &format!("질문 {index}")).await;
        }
        std::fs::read(server.stop().await.path().join("hapa.db")).unwrap()
    };
    let mut broken = intact.clone();
    let middle = broken.len() / 2;
    broken[middle..middle + 20_000].fill(0xa5);
    for (what, bytes) in
        [("noise", noise), ("cut short", intact[..intact.len() / 2].to_vec()), ("broken pages", broken)]
    {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("script.json"), tests::script().to_string()).unwrap();
        std::fs::write(data.path().join("hapa.db"), &bytes).unwrap();
        let server = Server::start_in(data, |_| {}).await;
        ask(&server, "다시 시작").await;
        assert_eq!(server.get("/api/v1/user/history").await["total_count"], 1, "{what}");
        let data = server.stop().await;
        let names = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path());
        let is_quarantined = |name: &str| name.contains("hapa.db.corrupt-") && name.ends_with('Z');
        let quarantined: Vec<_> = names.filter(|path| is_quarantined(&path.to_string_lossy())).collect();
        assert_eq!(std::fs::read(&quarantined[0]).unwrap(), bytes, "{what}: the file is kept unchanged");
    }
}

#[tokio::test]
async fn concurrent_writes_and_reads_succeed() {
    let server = Server::start().await;
    let write = async |name: &str| {
        for index in 0..20 {
            ask(&server, &format!("{name} {index}")).await;
        }
    };
    let read = async || {
        for _ in 0..40 {
            server.get("/api/v1/user/history?search=%EC%9E%91%EC%97%85").await;
        }
    };
    tokio::join!(write("작업 가"), write("작업 나"), read(), read());
    assert_eq!(search(&server, "작업").await.1, 40);
}
