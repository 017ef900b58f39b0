//! Completing code: what is inserted, how sure the model is, and who gives way to whom.

use serde_json::{Value, json};
use tests::server::Server;

const PATH: &str = "/api/v1/complete-code";

fn script(fills: bool) -> Value {
    json!({"fills": fills, "answers": [
        {"when": "wait", "pieces": ["x"], "end": "hang"},
        {"when": "import ", "pieces": ["os", "\nimport sys", "\n"], "probability": 0.5},
        {"when": "return fib", "pieces": ["(n - 1)", " + fib(n - 2)", "\n\n", "print(fib(9))\n"], "probability": 0.9},
        {"when": "call(", "pieces": ["a, b", ")"], "probability": 0.8},
        {"when": "nothing", "pieces": ["  ", "\n"]},
        {"when": "<CURSOR>", "pieces": ["```python\n", "x = 1\n```"]},
        {"pieces": ["value"]},
    ]})
}

async fn complete(server: &Server, body: Value) -> Value {
    let (status, body) = server.post(PATH, &body).await;
    assert_eq!(status, 200, "{body}");
    body
}

fn first(body: &Value) -> &str {
    body["completions"][0]["code"].as_str().unwrap_or_else(|| panic!("{body}"))
}

#[tokio::test]
async fn a_completion_ends_with_its_block_and_has_the_models_own_confidence() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(&server, json!({"prefix": "def fib(n):\n    return fib"})).await;
    assert_eq!(first(&body), "(n - 1) + fib(n - 2)");
    let confidence = body["completions"][0]["confidence"].as_f64().unwrap();
    assert!((confidence - 0.9).abs() < 1e-6, "{confidence}");
    assert_eq!(body["finish_reason"], "stop");
}

#[tokio::test]
async fn what_stands_after_the_cursor_is_not_written_again() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(&server, json!({"prefix": "x = call(", "suffix": ")\nprint(x)\n"})).await;
    assert_eq!(first(&body), "a, b");
}

#[tokio::test]
async fn one_line_is_one_line() {
    let server = Server::with_script(&script(true)).await;
    for body in [
        json!({"prefix": "import ", "multiline": "never"}),
        json!({"prefix": "import ", "suffix": " # the system\n"}),
        json!({"prefix": "import ", "trigger_character": "."}),
    ] {
        assert_eq!(first(&complete(&server, body.clone()).await), "os", "{body}");
    }
}

#[tokio::test]
async fn where_there_is_nothing_to_say_the_list_is_empty() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(&server, json!({"prefix": "nothing"})).await;
    assert_eq!((&body["completions"], &body["total_suggestions"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn suggestions_that_are_alike_are_one_suggestion() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(&server, json!({"prefix": "x = ", "max_suggestions": 5})).await;
    assert_eq!((first(&body), &body["total_suggestions"]), ("value", &json!(1)));
}

#[tokio::test]
async fn a_model_that_cannot_fill_gaps_is_asked_in_words_and_the_answer_says_so() {
    let server = Server::with_script(&script(false)).await;
    let body = complete(&server, json!({"prefix": "x"})).await;
    assert_eq!((first(&body), &body["context_analysis"]["method"]), (" = 1", &json!("chat")));
}

#[tokio::test]
async fn the_same_place_is_completed_from_the_cache_unless_that_is_refused() {
    let server = Server::with_script(&script(true)).await;
    let body = json!({"prefix": "def fib(n):\n    return fib"});
    let fresh = complete(&server, body.clone()).await;
    let kept = complete(&server, body.clone()).await;
    assert_eq!((&fresh["cached"], &kept["cached"]), (&json!(false), &json!(true)));
    assert_eq!(first(&fresh), first(&kept));
    assert_eq!(fresh["completions"][0]["confidence"], kept["completions"][0]["confidence"]);
    let mut refused = body;
    refused["use_cache"] = json!(false);
    assert_eq!(complete(&server, refused).await["cached"], false);
    assert_eq!(server.get("/api/v1/cache/stats").await["completion"], 1);
}

#[tokio::test]
async fn a_newer_request_of_a_session_ends_the_older_one() {
    let server = Server::with_script(&script(true)).await;
    let waiting = json!({"prefix": "wait", "session_id": "editor"});
    let old = server.post(PATH, &waiting);
    let newer = async {
        tests::eventually("the model works", async || {
            (server.get("/health/detailed").await["queue"]["active"] == 1).then_some(())
        })
        .await;
        let other = complete(&server, json!({"prefix": "x = ", "session_id": "another"})).await;
        assert_eq!(first(&other), "value");
        complete(&server, json!({"prefix": "y = ", "session_id": "editor"})).await
    };
    let ((status, old), newer) = tokio::join!(old, newer);
    assert_eq!((status, &old["finish_reason"], &old["completions"]), (200, &json!("cancelled"), &json!([])));
    assert_eq!(first(&newer), "value");
    server.idle().await;
}

#[tokio::test]
async fn what_was_left_out_of_the_prompt_is_named() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(
        &server,
        json!({"prefix": format!("{}x = ", "# 한 줄\n".repeat(2000)), "suffix": "y".repeat(2000),
               "files": [{"path": "a.py", "content": "z = 1\n".repeat(1000)}]}),
    )
    .await;
    assert_eq!(body["context"]["dropped"], json!(["prefix", "suffix", "files"]));
}

#[tokio::test]
async fn each_bound_is_checked() {
    let server = Server::with_script(&script(true)).await;
    for (field, value) in [
        ("prefix", json!("")),
        ("prefix", json!("x".repeat(50_001))),
        ("suffix", json!("x".repeat(50_001))),
        ("cursor_position", json!(-1)),
        ("max_suggestions", json!(0)),
        ("max_suggestions", json!(6)),
        ("multiline", json!("sometimes")),
        ("session_id", json!("s".repeat(101))),
        ("trigger_character", json!("x".repeat(11))),
        ("files", Value::Array(vec![json!({"path": "a", "content": "b"}); 21])),
    ] {
        let mut body = json!({"prefix": "x"});
        body[field] = value;
        let (status, body) = server.post(PATH, &body).await;
        assert_eq!((status, body["error_details"][field][0].is_string()), (422, true), "{field}: {body}");
    }
    let body = json!({"prefix": "x", "files": [{"path": "p", "content": "c".repeat(20_001)}]});
    let (status, body) = server.post(PATH, &body).await;
    assert_eq!((status, body["error_details"]["files.0.content"][0].is_string()), (422, true), "{body}");
}
