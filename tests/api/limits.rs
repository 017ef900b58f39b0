//! Rate limits per key and per address, and the limit of concurrent streams.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tests::server::{Server, json_of};

/// The three `RateLimit` headers of a response: limit, remaining, reset in seconds.
fn limit_headers(response: &Response) -> [u64; 3] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| {
        let value = response.headers().get(name).unwrap_or_else(|| panic!("`{name}` is missing"));
        value.to_str().unwrap().parse().unwrap()
    })
}

async fn change(server: &Server, settings: Value) {
    let (status, body) =
        json_of(server.request(Method::PATCH, "/api/v1/settings").json(&settings).send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn the_documented_limit_is_counted_down_and_then_answers_429() {
    let server = Server::start().await;
    let (key, _) = server.create_key(json!({"name": "x"})).await;
    let history = || server.request_with(&key, Method::GET, "/api/v1/user/history").send();
    let first = history().await.unwrap();
    assert_eq!(limit_headers(&first), [100, 99, 36]);
    for remaining in (0..99).rev() {
        let response = history().await.unwrap();
        assert_eq!((response.status().as_u16(), limit_headers(&response)[1]), (200, remaining));
    }
    let rejected = history().await.unwrap();
    assert_eq!(rejected.status(), 429);
    let [limit, remaining, reset] = limit_headers(&rejected);
    assert_eq!((limit, remaining), (100, 0));
    let after: u64 = rejected.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=36).contains(&after) && reset >= after, "{after} {reset}");
    let (_, body) = json_of(rejected).await;
    assert_eq!(body["error_code"], "TOO_MANY_REQUESTS");
    assert!(body["error_message"].as_str().unwrap().contains("한도"), "{body}");
    let (other, _) = server.create_key(json!({"name": "y"})).await;
    let other = server.request_with(&other, Method::GET, "/api/v1/user/history").send().await.unwrap();
    assert_eq!(limit_headers(&other)[1], 99, "each key has its own limit");
}

#[tokio::test]
async fn generation_has_half_the_limit_and_counts_towards_the_total() {
    let server = Server::start().await;
    let (key, _) = server.create_key(json!({"name": "x"})).await;
    let generate = || {
        let request = server.request_with(&key, Method::POST, "/api/v1/generate-code");
        request.json(&json!({"user_question": "중복 제거"})).send()
    };
    for remaining in (0..50).rev() {
        assert_eq!(limit_headers(&generate().await.unwrap())[..2], [50, remaining]);
    }
    assert_eq!(generate().await.unwrap().status(), 429);
    let plain = server.request_with(&key, Method::GET, "/api/v1/user/history").send().await.unwrap();
    assert_eq!(limit_headers(&plain)[..2], [100, 49]);
}

#[tokio::test]
async fn local_completion_is_not_limited_unless_configured() {
    let server = Server::start().await;
    let (key, _) = server.create_key(json!({"name": "x"})).await;
    let complete = || {
        let request = server.request_with(&key, Method::POST, "/api/v1/complete-code");
        request.json(&json!({"prefix": "def f("})).send()
    };
    for _ in 0..120 {
        let response = complete().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("ratelimit-limit"));
    }
    change(&server, json!({"rate_limit_completion": 2})).await;
    assert_eq!(limit_headers(&complete().await.unwrap())[..2], [2, 1]);
    assert_eq!(complete().await.unwrap().status(), 200);
    assert_eq!(complete().await.unwrap().status(), 429);
}

#[tokio::test]
async fn the_apps_own_key_is_never_limited() {
    let server = Server::start().await;
    change(&server, json!({"rate_limit": 1, "rate_limit_generation": 1, "rate_limit_per_address": 1})).await;
    for _ in 0..5 {
        let response = server.request(Method::GET, "/api/v1/user/history").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("ratelimit-limit"));
    }
}

#[tokio::test]
async fn changed_limits_apply_at_once() {
    let server = Server::start().await;
    let (key, _) = server.create_key(json!({"name": "x"})).await;
    let history = || server.request_with(&key, Method::GET, "/api/v1/user/history").send();
    change(&server, json!({"rate_limit": 1})).await;
    assert_eq!(history().await.unwrap().status(), 200);
    assert_eq!(history().await.unwrap().status(), 429);
    change(&server, json!({"rate_limit": 3})).await;
    assert_eq!(limit_headers(&history().await.unwrap())[..2], [3, 2]);
    change(&server, json!({"rate_limit_enabled": false})).await;
    for _ in 0..5 {
        assert_eq!(history().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn an_address_has_one_limit_for_all_its_keys() {
    let server = Server::start().await;
    change(&server, json!({"rate_limit_per_address": 3})).await;
    let mut statuses = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let (key, _) = server.create_key(json!({"name": name})).await;
        let response = server.request_with(&key, Method::GET, "/api/v1/user/history").send().await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
}

#[tokio::test]
async fn concurrent_streams_are_limited() {
    let server = Server::start().await;
    let (key, _) = server.create_key(json!({"name": "x"})).await;
    change(&server, json!({"rate_limit_streams": 2})).await;
    let open = || {
        let request = server.request_with(&key, Method::POST, "/api/v1/generate-code-streaming");
        request.json(&json!({"user_question": "forever"})).send()
    };
    let first = open().await.unwrap();
    let second = open().await.unwrap();
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    let (status, body) = json_of(open().await.unwrap()).await;
    assert_eq!((status, &body["error_code"]), (429, &json!("TOO_MANY_REQUESTS")));
    drop(first);
    tests::eventually("the permit is released", async || {
        let response = open().await.unwrap();
        (response.status() == 200).then_some(())
    })
    .await;
    drop(second);
}

#[tokio::test]
async fn unauthorized_requests_are_rejected_before_they_are_counted() {
    let server = Server::start().await;
    let (key, _) = server.create_key(json!({"name": "x", "permissions": ["history"]})).await;
    change(&server, json!({"rate_limit": 1})).await;
    for _ in 0..3 {
        let response = server.request_with(&key, Method::POST, "/api/v1/generate-code").body("{").send().await.unwrap();
        assert_eq!(response.status(), 403);
    }
    let response = server.request_with(&key, Method::GET, "/api/v1/user/history").send().await.unwrap();
    assert_eq!(limit_headers(&response)[..2], [1, 0], "rejected requests are not counted");
    let bad = server.request_with(&key, Method::GET, "/api/v1/user/history?limit=0").send().await.unwrap();
    assert_eq!(bad.status(), 429, "the limit is checked before the parameters");
}
