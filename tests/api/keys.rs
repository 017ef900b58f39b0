//! API keys: creation, permissions, listing and revocation.

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};

const QUESTION: &str = "리스트에서 중복 제거하는 함수 만들어줘";

/// Status and body of a request with this key.
async fn send(server: &Server, key: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = server.request_with(key, method, path);
    if let Some(body) = body {
        request = request.json(&body);
    }
    json_of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_works_at_once() {
    let server = Server::start().await;
    let (status, created) = server.post("/api/v1/keys", &json!({"name": "VS Code"})).await;
    assert_eq!(status, 200, "{created}");
    let key = created["key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 5 + 64);
    assert!(key[5..].bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(created["permissions"], json!(["code_generation", "code_completion", "feedback", "history"]));
    let days = |created: &Value| {
        let time = |name: &str| created[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        (time("expires_at").as_second() - time("created_at").as_second()) / 86_400
    };
    assert_eq!(days(&created), 90);
    let (status, answer) =
        send(&server, &key, Method::POST, "/api/v1/generate-code", Some(json!({"user_question": QUESTION}))).await;
    assert_eq!((status, &answer["status"]), (200, &json!("success")));

    let listed = server.get("/api/v1/keys").await;
    assert!(!listed.to_string().contains(&key[12..]), "only its first characters are shown later");
    let item = listed["keys"].as_array().unwrap().iter().find(|item| item["id"] == created["id"]).unwrap();
    assert_eq!((&item["name"], &item["kind"], &item["expired"]), (&json!("VS Code"), &json!("made"), &json!(false)));
    assert!(key.starts_with(item["hint"].as_str().unwrap().trim_end_matches('…')));
    assert!(item["last_used_at"].is_string(), "{item}");

    let (_, short) = server.post("/api/v1/keys", &json!({"name": "x", "expires_in_days": 3})).await;
    assert_eq!(days(&short), 3);
}

#[tokio::test]
async fn a_key_grants_its_permissions_and_no_others() {
    let server = Server::start().await;
    let routes = [
        ("code_generation", Method::GET, "/api/v1/users/profile"),
        ("code_completion", Method::POST, "/api/v1/complete-code"),
        ("history", Method::GET, "/api/v1/user/history"),
        ("admin", Method::GET, "/api/v1/keys"),
    ];
    for permission in ["code_generation", "code_completion", "feedback", "history", "admin"] {
        let (key, _) = server.create_key(json!({"name": permission, "permissions": [permission]})).await;
        for (needed, method, path) in &routes {
            let (status, body) = send(&server, &key, method.clone(), path, None).await;
            if permission == *needed {
                assert!(status != 401 && status != 403, "{permission} {path}: {body}");
            } else {
                assert_eq!((status, &body["error_code"]), (403, &json!("FORBIDDEN")), "{permission} {path}");
                assert!(body["error_message"].as_str().unwrap().contains(needed));
            }
        }
    }
}

#[tokio::test]
async fn a_revoked_key_is_rejected_at_once() {
    let server = Server::start().await;
    let (key, id) = server.create_key(json!({"name": "x"})).await;
    assert_eq!(send(&server, &key, Method::GET, "/api/v1/user/history", None).await.0, 200);
    let path = format!("/api/v1/keys/{id}");
    assert_eq!(send(&server, &server.key, Method::DELETE, &path, None).await.0, 200);
    let (status, body) = send(&server, &key, Method::GET, "/api/v1/user/history", None).await;
    assert_eq!((status, &body["error_details"]["reason"]), (401, &json!("key_unknown")));
    assert_eq!(send(&server, &server.key, Method::DELETE, &path, None).await.0, 404);
    assert_eq!(send(&server, &server.key, Method::DELETE, "/api/v1/keys/%FF", None).await.0, 404);
}

#[tokio::test]
async fn the_installations_own_key_cannot_be_revoked_and_survives_a_restart() {
    let server = Server::start().await;
    let listed = server.get("/api/v1/keys").await;
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    let own = &listed["keys"][0];
    assert_eq!((&own["kind"], &own["expires_at"]), (&json!("installation"), &Value::Null));
    let path = format!("/api/v1/keys/{}", own["id"].as_str().unwrap());
    let (status, body) = send(&server, &server.key, Method::DELETE, &path, None).await;
    assert_eq!((status, &body["error_code"]), (409, &json!("CONFLICT")));
    let (created, _) = server.create_key(json!({"name": "x"})).await;
    let key = server.key.clone();
    let server = Server::start_in(server.stop().await, |_| {}).await;
    assert_eq!(server.key, key);
    assert_eq!(send(&server, &created, Method::GET, "/api/v1/user/history", None).await.0, 200);
    assert_eq!(server.get("/api/v1/keys").await["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_new_secret_invalidates_all_stored_hashes_but_not_the_installations_own_key() {
    let server = Server::start().await;
    let (created, _) = server.create_key(json!({"name": "x"})).await;
    let secret = "0123456789abcdef0123456789abcdef".to_owned();
    let server = Server::start_in(server.stop().await, |config| config.secret_key = Some(secret.into())).await;
    assert_eq!(send(&server, &created, Method::GET, "/api/v1/user/history", None).await.0, 401);
    assert_eq!(send(&server, &server.key, Method::GET, "/api/v1/user/history", None).await.0, 200);
}

#[tokio::test]
async fn a_key_cannot_create_a_key_with_more_permissions() {
    let server = Server::start().await;
    let (admin, _) = server.create_key(json!({"name": "admin", "permissions": ["admin"], "user": "mina"})).await;
    for (request, status) in [
        (json!({"name": "more", "permissions": ["admin", "history"]}), 403),
        (json!({"name": "default"}), 403),
        (json!({"name": "other", "permissions": ["admin"], "user": "local"}), 422),
        (json!({"name": "same", "permissions": ["admin"]}), 200),
    ] {
        let (found, body) = send(&server, &admin, Method::POST, "/api/v1/keys", Some(request.clone())).await;
        assert_eq!(found, status, "{request}: {body}");
    }
}

#[tokio::test]
async fn each_user_has_a_separate_history() {
    let server = Server::start().await;
    let (mina, _) = server.create_key(json!({"name": "a", "user": "mina"})).await;
    let (joon, _) = server.create_key(json!({"name": "b", "user": "joon"})).await;
    let question = json!({"user_question": "미나의 질문"});
    let (_, answer) = send(&server, &mina, Method::POST, "/api/v1/generate-code", Some(question)).await;
    let conversation = answer["conversation_id"].as_str().unwrap().to_owned();
    for (key, count) in [(&mina, 1), (&joon, 0), (&server.key, 0)] {
        let (_, history) = send(&server, key, Method::GET, "/api/v1/user/history", None).await;
        assert_eq!(history["total_count"], json!(count));
    }
    let path = format!("/api/v1/conversations/{conversation}");
    for key in [&joon, &server.key] {
        assert_eq!(send(&server, key, Method::GET, &path, None).await.0, 404);
        assert_eq!(send(&server, key, Method::DELETE, &path, None).await.0, 404);
        let more = json!({"user_question": "이어서", "conversation_id": conversation});
        assert_eq!(send(&server, key, Method::POST, "/api/v1/generate-code", Some(more)).await.0, 404);
    }
    assert_eq!(send(&server, &mina, Method::GET, &path, None).await.0, 200);
}

#[tokio::test]
async fn the_demo_key_exists_in_development_only() {
    let server = Server::start().await;
    let (status, body) = server.post("/api/v1/keys", &json!({"name": "demo", "demo": true})).await;
    assert_eq!((status, &body["error_code"]), (409, &json!("CONFLICT")), "{body}");
    let server = Server::start_in(server.stop().await, |config| config.demo_key = true).await;
    let (first, _) = server.create_key(json!({"name": "demo", "demo": true})).await;
    let (second, _) = server.create_key(json!({"name": "demo", "demo": true})).await;
    assert_eq!(
        send(&server, &first, Method::GET, "/api/v1/user/history", None).await.0,
        401,
        "there is only one demo key"
    );
    assert_eq!(send(&server, &second, Method::GET, "/api/v1/user/history", None).await.0, 200);
    let server = Server::start_in(server.stop().await, |_| {}).await;
    assert_eq!(send(&server, &second, Method::GET, "/api/v1/user/history", None).await.0, 401, "not in production");
}

#[tokio::test]
async fn errors_of_a_key_request_are_reported_by_field() {
    let server = Server::start().await;
    for (request, field) in [
        (json!({}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": "가".repeat(101)}), "name"),
        (json!({"name": "x", "permissions": []}), "permissions"),
        (json!({"name": "x", "permissions": ["root"]}), "permissions[0]"),
        (json!({"name": "x", "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "x", "user": "../etc"}), "user"),
    ] {
        let (status, body) = server.post("/api/v1/keys", &request).await;
        assert_eq!(status, 422, "{request}: {body}");
        assert!(body["error_details"].get(field).is_some(), "{request}: {body}");
    }
}
