//! Code completion: the inserted text, its confidence, caching, and requests that supersede each other.

use reqwest::Method;
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
async fn a_completion_ends_with_its_block_and_reports_the_models_confidence() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(&server, json!({"prefix": "def fib(n):\n    return fib"})).await;
    assert_eq!(first(&body), "(n - 1) + fib(n - 2)");
    let confidence = body["completions"][0]["confidence"].as_f64().unwrap();
    assert!((confidence - 0.9).abs() < 1e-6, "{confidence}");
    assert_eq!(body["finish_reason"], "stop");
}

#[tokio::test]
async fn text_after_the_cursor_is_not_repeated() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(&server, json!({"prefix": "x = call(", "suffix": ")\nprint(x)\n"})).await;
    assert_eq!(first(&body), "a, b");
}

#[tokio::test]
async fn a_single_line_completion_has_one_line() {
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
async fn a_blank_completion_is_an_empty_list() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(&server, json!({"prefix": "nothing"})).await;
    assert_eq!((&body["completions"], &body["total_suggestions"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn duplicate_suggestions_are_merged() {
    let server = Server::with_script(&script(true)).await;
    let body = complete(&server, json!({"prefix": "x = ", "max_suggestions": 5})).await;
    assert_eq!((first(&body), &body["total_suggestions"]), ("value", &json!(1)));
}

#[tokio::test]
async fn a_model_without_fim_is_prompted_by_chat_and_the_response_says_so() {
    let server = Server::with_script(&script(false)).await;
    let body = complete(&server, json!({"prefix": "x"})).await;
    assert_eq!((first(&body), &body["context_analysis"]["method"]), (" = 1", &json!("chat")));
}

#[tokio::test]
async fn the_same_context_is_served_from_the_cache_unless_disabled() {
    let server = Server::with_script(&script(true)).await;
    let body = json!({"prefix": "def fib(n):\n    return fib"});
    let fresh = complete(&server, body.clone()).await;
    let cached = complete(&server, body.clone()).await;
    assert_eq!((&fresh["cached"], &cached["cached"]), (&json!(false), &json!(true)));
    assert_eq!(first(&fresh), first(&cached));
    assert_eq!(fresh["completions"][0]["confidence"], cached["completions"][0]["confidence"]);
    let mut uncached = body;
    uncached["use_cache"] = json!(false);
    assert_eq!(complete(&server, uncached).await["cached"], false);
    assert_eq!(server.get("/api/v1/cache/stats").await["completion"], 1);
}

#[tokio::test]
async fn a_newer_request_of_a_session_cancels_the_older_one() {
    let server = Server::with_script(&script(true)).await;
    let waiting = json!({"prefix": "wait", "session_id": "editor"});
    let old = server.post(PATH, &waiting);
    let newer = async {
        tests::eventually("the engine is busy", async || {
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
    server.wait_idle().await;
}

#[tokio::test]
async fn truncated_parts_of_the_prompt_are_listed() {
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
async fn each_limit_is_checked() {
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

/// A case of the golden file.
#[derive(Default)]
struct Case {
    name: String,
    options: Vec<String>,
    text: Vec<String>,
    output: Vec<String>,
    expected: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("golden/completions.txt").lines() {
        if let Some(name) = line.strip_prefix("== ") {
            let mut parts = name.split(" [");
            cases.push(Case {
                name: parts.next().unwrap().to_owned(),
                options: parts.map(|option| option.trim_end_matches(']').to_owned()).collect(),
                ..Case::default()
            });
        } else if let Some(case) = cases.last_mut() {
            let after =
                |mark: &str| line.strip_prefix(mark).map(|rest| rest.strip_prefix(' ').unwrap_or(rest).to_owned());
            match (after(">>"), after("<<")) {
                (Some(output), _) => case.output.push(output),
                (_, Some(expected)) => case.expected.push(expected),
                _ if case.output.is_empty() => case.text.push(line.to_owned()),
                _ => assert_eq!(line, "", "{}", case.name),
            }
        }
    }
    cases
}

#[tokio::test]
async fn suggestions_match_the_golden_file() {
    let cases = cases();
    let mark = |number: usize| format!("case {number}\n");
    let answers: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let output = case.output.join("\n");
            let pieces: Vec<&str> = output.split_inclusive('\n').collect();
            let end = if case.options.iter().any(|option| option == "cut") { "length" } else { "stop" };
            json!({"when": mark(number), "pieces": pieces, "end": end})
        })
        .collect();
    let server = Server::with_script(&json!({"fills": true, "answers": answers})).await;
    for (number, case) in cases.iter().enumerate() {
        let text = case.text.join("\n");
        let (prefix, suffix) = text.split_once('‸').unwrap_or_else(|| panic!("{}: no cursor", case.name));
        let language = case.options.iter().find(|option| !["cut", "line"].contains(&option.as_str()));
        let multiline = if case.options.iter().any(|option| option == "line") { "never" } else { "always" };
        let body = complete(
            &server,
            json!({"prefix": prefix, "suffix": suffix.trim_end(), "multiline": multiline, "context": mark(number),
                   "language": language.map_or("python", String::as_str)}),
        )
        .await;
        let suggestion = body["completions"][0]["code"].as_str().unwrap_or_default();
        assert_eq!(suggestion, case.expected.join("\n"), "{}", case.name);
    }
    assert!(cases.len() > 30, "all cases are read");
}

#[tokio::test]
async fn typing_along_a_suggestion_needs_no_new_request() {
    let server = Server::with_script(&script(true)).await;
    let at_cursor = |typed: &str| json!({"prefix": format!("def fib(n):\n    return fib{typed}"), "suffix": "\n", "session_id": "a"});
    let full = complete(&server, at_cursor("")).await;
    let misses = server.get("/api/v1/cache/stats").await["misses"].clone();
    for (typed, rest) in [
        ("(", "n - 1) + fib(n - 2)"),
        ("(n - 1)", " + fib(n - 2)"),
        ("(n", " - 1) + fib(n - 2)"),
        ("", "(n - 1) + fib(n - 2)"),
    ] {
        let body = complete(&server, at_cursor(typed)).await;
        assert_eq!((first(&body), &body["cached"]), (rest, &json!(true)), "{typed}");
        assert_eq!(body["completions"][0]["id"], full["completions"][0]["id"], "the suggestion is the same");
        assert!((body["completions"][0]["confidence"].as_f64().unwrap() - 0.9).abs() < 1e-6, "{body}");
    }
    assert_eq!(server.get("/api/v1/cache/stats").await["misses"], misses);
    // Other text was typed, or the suffix has changed.
    complete(&server, at_cursor("(m")).await;
    let mut other = at_cursor("(");
    other["suffix"] = json!("\nx = 1\n");
    complete(&server, other).await;
    assert_eq!(server.get("/api/v1/cache/stats").await["misses"], misses.as_u64().unwrap() + 2);
}

#[tokio::test]
async fn suggestions_are_cleared_with_the_cache_and_not_shared_between_users() {
    let server = Server::with_script(&script(true)).await;
    let body = json!({"prefix": "def fib(n):\n    return fib", "suffix": "\n"});
    let mine = complete(&server, body.clone()).await;
    let (key, _) = server.create_key(json!({"name": "mina", "user": "mina"})).await;
    let other = server.unauthenticated(Method::POST, PATH).header("X-API-Key", key).json(&body).send().await.unwrap();
    let other: Value = other.json().await.unwrap();
    assert_ne!(mine["completions"][0]["id"], other["completions"][0]["id"]);
    let cleared = server.request(Method::DELETE, "/api/v1/cache/clear?cache_type=completion").send().await.unwrap();
    assert_eq!(cleared.status(), 200);
    assert_eq!(complete(&server, body).await["cached"], false);
}

#[tokio::test]
async fn outcomes_of_completions_are_counted_by_language() {
    let server = Server::with_script(&script(true)).await;
    for (number, (language, event)) in
        [("python", "accepted"), ("python", "rejected"), ("rust", "accepted"), ("rust", "shown")].iter().enumerate()
    {
        let body = complete(&server, json!({"prefix": format!("x{number} = "), "language": language})).await;
        let id = body["completions"][0]["id"].as_str().unwrap().to_owned();
        for event in ["shown", event] {
            let (status, body) =
                server.post(&format!("/api/v1/completions/{id}/events"), &json!({"event": event})).await;
            assert_eq!(status, 200, "{body}");
        }
    }
    let stats = server.get("/stats").await["completions"].clone();
    assert_eq!((&stats["total"]["offered"], &stats["total"]["acceptance_rate"]), (&json!(4), &json!(0.5)));
    assert_eq!(stats["by_language"][0]["language"], "python");
    assert_eq!(stats["by_language"][0]["accepted_characters"], 5);
    assert_eq!((&stats["by_language"][0]["rejected"], &stats["by_language"][1]["shown"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn all_suggestions_are_requested_in_parallel() {
    let server = Server::with_script(&script(true)).await;
    let body = json!({"prefix": "wait", "session_id": "editor", "max_suggestions": 3});
    let waiting = server.post(PATH, &body);
    let newer = async {
        tests::eventually("the engine runs all three", async || {
            (server.get("/health/detailed").await["queue"]["active"] == 3).then_some(())
        })
        .await;
        complete(&server, json!({"prefix": "y = ", "session_id": "editor"})).await
    };
    let ((status, old), _) = tokio::join!(waiting, newer);
    assert_eq!((status, &old["finish_reason"]), (200, &json!("cancelled")));
    server.wait_idle().await;
}
