//! The history of questions and answers, and their conversations.

use reqwest::Method;
use serde_json::{Value, json};
use tests::eventually;
use tests::server::{Server, json_of};
use tests::stream::Frames;

async fn ask(server: &Server, body: Value) -> Value {
    let (status, body) = server.post("/api/v1/generate-code", &body).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn an_answer_is_in_the_history_in_the_documented_shape_and_survives_a_restart() {
    let server = Server::start().await;
    let answer = ask(&server, json!({"user_question": "중복 제거"})).await;
    let server = Server::start_in(server.stop().await, |_| {}).await;
    let history = server.get("/api/v1/user/history").await;
    assert_eq!(
        (&history["status"], &history["total_count"], &history["has_more"]),
        (&json!("success"), &json!(1), &json!(false))
    );
    let item = &history["items"][0];
    assert_eq!(
        (&item["question"], &item["language"], &item["success"]),
        (&json!("중복 제거"), &json!("python"), &json!(true))
    );
    assert_eq!((&item["id"], &item["conversation_id"]), (&answer["message_id"], &answer["conversation_id"]));
    assert_eq!((&item["response"], &item["generated_code"]), (&answer["answer"], &answer["generated_code"]));
    assert_eq!((&item["tokens"], &item["rating"]), (&answer["token_usage"]["total_tokens"], &Value::Null));
    assert!(item["timestamp"].as_str().unwrap().ends_with('Z') && item["duration"].is_number());
}

#[tokio::test]
async fn the_history_is_paged_and_filtered_newest_first() {
    let server = Server::start().await;
    for (question, language) in [("하나", "python"), ("둘 100%", "rust"), ("셋", "python")] {
        ask(&server, json!({"user_question": question, "language": language})).await;
    }
    for (parameters, expected, total, more) in [
        ("?limit=2", vec!["셋", "둘 100%"], 3, true),
        ("?limit=2&offset=2", vec!["하나"], 3, false),
        ("?language=rust", vec!["둘 100%"], 1, false),
        ("?search=%EB%91%98", vec!["둘 100%"], 1, false),
        ("?search=100%25", vec!["둘 100%"], 1, false),
        ("?search=nothing_like_it", vec![], 0, false),
        ("?to=2020-01-01T00:00:00Z", vec![], 0, false),
        ("?from=2020-01-01T00:00:00Z&limit=1", vec!["셋"], 3, true),
    ] {
        let page = server.get(&format!("/api/v1/user/history{parameters}")).await;
        let questions: Vec<&str> =
            page["items"].as_array().unwrap().iter().filter_map(|item| item["question"].as_str()).collect();
        assert_eq!(
            (questions, &page["total_count"], &page["has_more"]),
            (expected, &json!(total), &json!(more)),
            "{parameters}"
        );
    }
}

#[tokio::test]
async fn the_history_is_filtered_by_feedback() {
    let server = Server::start().await;
    for (question, feedback) in
        [("하나 목록", "positive"), ("둘 목록", "negative"), ("셋", "positive"), ("넷 목록", "suggestion")]
    {
        let answer = ask(&server, json!({"user_question": question})).await;
        let feedback = json!({"type": feedback, "message_id": answer["message_id"]});
        assert_eq!(server.post("/api/v1/submit-feedback", &feedback).await.0, 200);
    }
    ask(&server, json!({"user_question": "다섯 목록"})).await;
    for (parameters, expected, total) in [
        ("?opinion=positive", vec!["셋", "하나 목록"], 2),
        ("?opinion=negative", vec!["둘 목록"], 1),
        ("?opinion=positive&limit=1&offset=1", vec!["하나 목록"], 2),
        ("?opinion=positive&language=rust", vec![], 0),
        ("?opinion=positive&search=%EB%AA%A9%EB%A1%9D", vec!["하나 목록"], 1),
        ("?opinion=negative&search=%EC%85%8B", vec![], 0),
    ] {
        let page = server.get(&format!("/api/v1/user/history{parameters}")).await;
        let questions: Vec<&str> =
            page["items"].as_array().unwrap().iter().filter_map(|item| item["question"].as_str()).collect();
        assert_eq!((questions, &page["total_count"]), (expected, &json!(total)), "{parameters}");
    }
    let wrong = server.get("/api/v1/user/history?opinion=none").await;
    assert!(wrong["error_details"]["opinion"].is_array(), "{wrong}");
}

#[tokio::test]
async fn a_cancelled_answer_is_stored_partially() {
    let server = Server::start().await;
    let mut frames = Frames::new(server.open_stream(&json!({"user_question": "forever"})).await);
    frames.next_of("code").await;
    drop(frames);
    let item = eventually("the cancellation is recorded", async || {
        let item = server.get("/api/v1/user/history").await["items"][0].clone();
        item["finish_reason"].is_string().then_some(item)
    })
    .await;
    assert_eq!((&item["finish_reason"], &item["success"]), (&json!("cancelled"), &json!(false)));
    assert!(item["generated_code"].as_str().unwrap().starts_with("while True:"));
    assert!(item["tokens"].as_u64().unwrap() >= 2, "generated tokens are counted: {item}");
}

#[tokio::test]
async fn a_question_is_stored_before_it_is_answered() {
    let server = Server::start().await;
    let mut frames = Frames::new(server.open_stream(&json!({"user_question": "forever"})).await);
    frames.next().await;
    let item = &server.get("/api/v1/user/history").await["items"][0];
    assert_eq!((&item["question"], &item["finish_reason"]), (&json!("forever"), &Value::Null));
}

#[tokio::test]
async fn a_conversation_continues_and_has_its_first_question_as_title() {
    let server = Server::start().await;
    let first = ask(&server, json!({"user_question": "첫 질문\n둘째 줄"})).await;
    let id = first["conversation_id"].as_str().unwrap();
    let second = ask(&server, json!({"user_question": "다음 질문", "conversation_id": id})).await;
    assert_eq!(second["conversation_id"], id);
    ask(&server, json!({"user_question": "다른 대화"})).await;
    let list = server.get("/api/v1/conversations").await;
    let titles: Vec<&str> =
        list["items"].as_array().unwrap().iter().filter_map(|item| item["title"].as_str()).collect();
    assert_eq!((titles, &list["items"][1]["message_count"]), (vec!["다른 대화", "첫 질문"], &json!(2)));
    let thread = server.get(&format!("/api/v1/conversations/{id}")).await;
    let questions: Vec<&str> =
        thread["messages"].as_array().unwrap().iter().filter_map(|item| item["question"].as_str()).collect();
    assert_eq!(questions, ["첫 질문\n둘째 줄", "다음 질문"]);
}

#[tokio::test]
async fn an_edited_question_replaces_the_old_one_and_the_messages_after_it() {
    let server = Server::start().await;
    let first = ask(&server, json!({"user_question": "하나"})).await;
    let id = &first["conversation_id"];
    let second = ask(&server, json!({"user_question": "둘", "conversation_id": id})).await;
    ask(&server, json!({"user_question": "셋", "conversation_id": id})).await;
    ask(&server, json!({"user_question": "둘, 고침", "conversation_id": id, "replaces": second["message_id"]})).await;
    let thread = server.get(&format!("/api/v1/conversations/{}", id.as_str().unwrap())).await;
    let questions: Vec<&str> =
        thread["messages"].as_array().unwrap().iter().filter_map(|item| item["question"].as_str()).collect();
    assert_eq!(questions, ["하나", "둘, 고침"]);
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 4, "no question is deleted");
}

#[tokio::test]
async fn unknown_conversations_and_messages_are_named() {
    let server = Server::start().await;
    let real = ask(&server, json!({"user_question": "x"})).await["conversation_id"].clone();
    for (body, field, expected) in [
        (json!({"user_question": "x", "conversation_id": "none"}), "conversation_id", 404),
        (json!({"user_question": "x", "conversation_id": real, "replaces": "none"}), "replaces", 404),
        (json!({"user_question": "x", "replaces": "none"}), "replaces", 404),
    ] {
        let (status, body) = server.post("/api/v1/generate-code", &body).await;
        assert_eq!(status, expected);
        assert!(body["error_details"][field][0].is_string(), "{body}");
    }
    let response = server.request(Method::GET, "/api/v1/conversations/none").send().await.unwrap();
    assert_eq!(json_of(response).await.0, 404);
}

#[tokio::test]
async fn a_deleted_conversation_is_gone_with_its_messages() {
    let server = Server::start().await;
    let id = ask(&server, json!({"user_question": "x"})).await["conversation_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/conversations/{id}");
    for expected in [200, 404] {
        let response = server.request(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(json_of(response).await.0, expected);
    }
    assert_eq!(server.get("/api/v1/user/history").await["total_count"], 0);
}
