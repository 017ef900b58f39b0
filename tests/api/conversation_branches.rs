//! Conversations as trees: versions of a question, continued answers, and attached files.

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};
use tests::stream::{Frames, joined};

async fn ask(server: &Server, body: Value) -> Value {
    let (status, body) = server.post("/api/v1/generate-code", &body).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// The messages of a conversation's current branch.
async fn thread(server: &Server, id: &Value) -> Vec<Value> {
    let path = format!("/api/v1/conversations/{}", id.as_str().unwrap());
    server.get(&path).await["messages"].as_array().unwrap().clone()
}

fn questions(thread: &[Value]) -> Vec<&str> {
    thread.iter().filter_map(|message| message["question"].as_str()).collect()
}

async fn select_branch(server: &Server, id: &Value, message: &Value) -> u16 {
    let path = format!("/api/v1/conversations/{}", id.as_str().unwrap());
    let change = json!({"shown": message});
    json_of(server.request(Method::PATCH, &path).json(&change).send().await.unwrap()).await.0
}

/// Creates a conversation of three questions, then edits the second one and adds a fourth after it.
async fn branched(server: &Server) -> (Value, Value, Value) {
    let first = ask(server, json!({"user_question": "하나"})).await;
    let id = first["conversation_id"].clone();
    let second = ask(server, json!({"user_question": "둘", "conversation_id": id})).await["message_id"].clone();
    ask(server, json!({"user_question": "셋", "conversation_id": id})).await;
    let edited = json!({"user_question": "둘, 고침", "conversation_id": id, "replaces": second});
    let edited = ask(server, edited).await["message_id"].clone();
    ask(server, json!({"user_question": "넷", "conversation_id": id})).await;
    (id, second, edited)
}

#[tokio::test]
async fn every_version_of_a_question_can_be_selected_with_its_follow_ups() {
    let server = Server::start().await;
    let (id, second, edited) = branched(&server).await;
    assert_eq!(questions(&thread(&server, &id).await), ["하나", "둘, 고침", "넷"]);
    assert_eq!(select_branch(&server, &id, &second).await, 200);
    let messages = thread(&server, &id).await;
    assert_eq!(questions(&messages), ["하나", "둘", "셋"]);
    assert_eq!(messages[1]["versions"], json!([second, edited]));
    assert_eq!(messages[2]["versions"], json!([messages[2]["id"]]));
    assert_eq!(select_branch(&server, &id, &edited).await, 200);
    assert_eq!(questions(&thread(&server, &id).await), ["하나", "둘, 고침", "넷"]);
    // The next question continues the selected branch.
    ask(&server, json!({"user_question": "다섯", "conversation_id": id})).await;
    assert_eq!(questions(&thread(&server, &id).await), ["하나", "둘, 고침", "넷", "다섯"]);
    assert_eq!(select_branch(&server, &id, &json!("none")).await, 404);
}

#[tokio::test]
async fn the_first_question_has_versions_too_and_editing_a_version_adds_one() {
    let server = Server::start().await;
    let first = ask(&server, json!({"user_question": "가"})).await;
    let id = &first["conversation_id"];
    let mut ids = vec![first["message_id"].clone()];
    for question in ["나", "다"] {
        let body = json!({"user_question": question, "conversation_id": id, "replaces": ids.last()});
        ids.push(ask(&server, body).await["message_id"].clone());
    }
    let messages = thread(&server, id).await;
    assert_eq!((questions(&messages), &messages[0]["versions"]), (vec!["다"], &json!(ids)));
}

#[tokio::test]
async fn a_deleted_message_is_replaced_by_its_follow_ups() {
    let server = Server::start().await;
    let (id, second, edited) = branched(&server).await;
    let path = format!("/api/v1/user/history/{}", edited.as_str().unwrap());
    assert_eq!(server.request(Method::DELETE, &path).send().await.unwrap().status(), 200);
    let messages = thread(&server, &id).await;
    assert_eq!(questions(&messages), ["하나", "넷"]);
    assert_eq!(messages[1]["versions"], json!([second, messages[1]["id"]]));
}

#[tokio::test]
async fn branches_survive_export_and_import() {
    let server = Server::start().await;
    let (id, second, _) = branched(&server).await;
    let file = server.get("/api/v1/user/history/export?format=json").await;
    let other = Server::start().await;
    let (status, report) = other.post("/api/v1/user/history/import", &file).await;
    assert_eq!((status, &report["imported"]), (200, &json!(5)), "{report}");
    assert_eq!(thread(&other, &id).await, thread(&server, &id).await);
    assert_eq!(select_branch(&other, &id, &second).await, 200);
    assert_eq!(questions(&thread(&other, &id).await), ["하나", "둘", "셋"]);
}

#[tokio::test]
async fn the_export_of_one_conversation_has_all_its_versions_and_nothing_else() {
    let server = Server::start().await;
    let (id, ..) = branched(&server).await;
    ask(&server, json!({"user_question": "다른 대화"})).await;
    let of = |id: &str, format: &str| format!("/api/v1/user/history/export?format={format}&conversation={id}");
    let file = server.get(&of(id.as_str().unwrap(), "json")).await;
    let conversations = file["conversations"].as_array().unwrap();
    assert_eq!((conversations.len(), &conversations[0]["id"]), (1, &id));
    let messages = file["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 5, "all versions");
    assert!(messages.iter().all(|message| message["conversation_id"] == id));
    assert_eq!((&messages[0]["parent"], &messages[1]["parent"]), (&json!(null), &messages[0]["id"]));
    let text = server.request(Method::GET, &of(id.as_str().unwrap(), "markdown")).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert!(text.contains("하나") && !text.contains("다른 대화"), "{text}");
    let (status, body) = json_of(server.request(Method::GET, &of("unknown", "json")).send().await.unwrap()).await;
    assert_eq!((status, &body["error_code"]), (404, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn an_import_with_a_cycle_of_parents_is_harmless() {
    let server = Server::start().await;
    let message = |id: &str, parent: &str, second: u32| {
        json!({"id": id, "conversation_id": "c", "timestamp": format!("2024-12-28T10:00:0{second}Z"), "question": id,
               "response": "", "parent": parent})
    };
    let file = json!({"format": "hapa-history", "version": 1, "conversations": [],
                      "messages": [message("a", "b", 1), message("b", "a", 2)]});
    let (status, report) = server.post("/api/v1/user/history/import", &file).await;
    assert_eq!((status, &report["imported"]), (200, &json!(2)), "{report}");
    assert_eq!(select_branch(&server, &json!("c"), &json!("a")).await, 200);
    assert_eq!(questions(&thread(&server, &json!("c")).await), ["a", "b"]);
}

/// A script whose answer is truncated inside its code block, and can be continued.
fn truncated() -> Value {
    json!({"answers": [
        {"when": "x = 1", "pieces": ["0\n", "```\n", "끝입니다."]},
        {"when": "untruncated", "pieces": ["다 썼습니다."]},
        {"pieces": ["보세요.\n\n", "```python\n", "x = 1"], "end": "length"}
    ]})
}

#[tokio::test]
async fn a_truncated_answer_is_continued_and_stays_one_message() {
    let server = Server::with_script(&truncated()).await;
    let file = json!({"path": "a.py", "content": "y = 2"});
    let first = ask(&server, json!({"user_question": "길게", "files": [file], "model_type": "bug_fix"})).await;
    assert_eq!((&first["finish_reason"], &first["generated_code"]), (&json!("length"), &json!("x = 1")));
    let (id, message) = (&first["conversation_id"], &first["message_id"]);
    let body = json!({"user_question": "길게", "conversation_id": id, "continues": message});
    let events = Frames::new(server.open_stream(&body).await).rest().await;
    assert_eq!((joined(&events, "code"), joined(&events, "explanation")), ("0".into(), "\n\n끝입니다.".into()));
    let done = &events.last().unwrap()["metadata"];
    assert_eq!(
        (&done["message_id"], &done["answer"]),
        (message, &json!("보세요.\n\n```python\nx = 10\n```\n끝입니다."))
    );
    let messages = thread(&server, id).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (&messages[0]["generated_code"], &messages[0]["finish_reason"], &messages[0]["model_type"]),
        (&json!("x = 10"), &json!("stop"), &json!("bug_fix"))
    );
    let tokens = first["token_usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(done["token_usage"]["completion_tokens"], 3);
    assert!(messages[0]["tokens"].as_u64().unwrap() > tokens + 3, "{}", messages[0]);
}

#[tokio::test]
async fn only_the_last_answer_of_a_branch_can_be_continued_and_only_if_truncated() {
    let server = Server::with_script(&truncated()).await;
    let first = ask(&server, json!({"user_question": "길게"})).await;
    let (id, message) = (&first["conversation_id"], &first["message_id"]);
    let last = ask(&server, json!({"user_question": "untruncated", "conversation_id": id})).await["message_id"].clone();
    for (body, expected) in [
        (json!({"user_question": "x", "conversation_id": id, "continues": message}), 404),
        (json!({"user_question": "x", "conversation_id": id, "continues": last}), 409),
        (json!({"user_question": "x", "conversation_id": "none", "continues": last}), 404),
        (json!({"user_question": "x", "continues": last}), 404),
        (json!({"user_question": "x", "conversation_id": id, "continues": last, "replaces": last}), 409),
    ] {
        let (status, answer) = server.post("/api/v1/generate-code", &body).await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
}

#[tokio::test]
async fn attached_files_are_stored_with_the_question_and_limited() {
    let server = Server::start().await;
    let files =
        json!([{"path": "shop/cart.py", "content": "class Cart: ..."}, {"path": "비고.txt", "content": "메모"}]);
    let answer = ask(&server, json!({"user_question": "고쳐줘", "files": files})).await;
    assert_eq!(thread(&server, &answer["conversation_id"]).await[0]["files"], files);
    let many: Vec<Value> = (0..21).map(|number| json!({"path": format!("{number}.py"), "content": ""})).collect();
    for (files, field) in [
        (json!(many), "files"),
        (
            json!([{"path": "a.py", "content": "x".repeat(60_000)}, {"path": "b.py", "content": "x".repeat(60_000)}]),
            "files",
        ),
        (json!([{"path": " ", "content": ""}]), "files.0.path"),
    ] {
        let (status, body) = server.post("/api/v1/generate-code", &json!({"user_question": "x", "files": files})).await;
        assert_eq!(status, 422);
        assert!(body["error_details"][field][0].is_string(), "{field}: {body}");
    }
}

#[tokio::test]
async fn tokens_are_counted_without_generating() {
    let server = Server::start().await;
    let count = async |body: Value| {
        let (status, counted) = server.post("/api/v1/count-tokens", &body).await;
        assert_eq!(status, 200, "{counted}");
        counted
    };
    let nothing = count(json!({"user_question": ""})).await;
    let base = nothing["prompt_tokens"].as_u64().unwrap();
    assert_eq!((&nothing["limit"], &nothing["fits"], &nothing["exact"]), (&json!(4096), &json!(true), &json!(true)));
    let files = json!([{"path": "a.py", "content": "one two three"}, {"path": "b.py", "content": "four"}]);
    let counted = count(json!({"user_question": "five six", "files": files})).await;
    assert_eq!(counted["files"], json!([{"path": "a.py", "tokens": 3}, {"path": "b.py", "tokens": 1}]));
    assert!(counted["prompt_tokens"].as_u64().unwrap() >= base + 6, "{counted}");
    let long = count(json!({"user_question": "x", "code_context": "word ".repeat(5000)})).await;
    assert_eq!(long["fits"], false);
    assert!(long["prompt_tokens"].as_u64().unwrap() > 5000);
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 0);
}
