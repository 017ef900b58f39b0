//! Settings and profiles: persistence, limits, and effect.

use reqwest::Method;
use serde_json::{Value, json};
use tests::server::{Server, json_of};

const SETTINGS: &str = "/api/v1/settings";
const PROFILE: &str = "/api/v1/users/profile";

async fn send(server: &Server, method: Method, path: &str, body: &Value) -> (u16, Value) {
    json_of(server.request(method, path).json(body).send().await.unwrap()).await
}

#[tokio::test]
async fn settings_have_the_documented_defaults() {
    let server = Server::start().await;
    let body = server.get(SETTINGS).await;
    for (name, value) in [
        ("cache_ttl", json!(1800)),
        ("cache_size", json!(1000)),
        ("request_timeout", json!(30)),
        ("rate_limit_enabled", json!(true)),
        ("rate_limit", json!(100)),
        ("rate_limit_generation", json!(50)),
        ("rate_limit_completion", json!(null)),
        ("rate_limit_streams", json!(10)),
        ("rate_limit_per_address", json!(1000)),
        ("rate_limit_window_minutes", json!(60)),
        ("history_retention_days", json!(null)),
        ("log_level", json!("info")),
    ] {
        assert_eq!(body["settings"][name], value, "{name}");
    }
    assert_eq!(body["from_environment"], json!({}));
}

#[tokio::test]
async fn a_change_survives_a_restart_and_null_restores_the_default() {
    let server = Server::start().await;
    let patch = json!({"cache_ttl": 60, "rate_limit_completion": 500, "log_level": "debug,sqlx=warn", "unknown": 1});
    let (status, body) = send(&server, Method::PATCH, SETTINGS, &patch).await;
    assert_eq!((status, &body["settings"]["cache_ttl"]), (200, &json!(60)));
    let server = Server::start_in(server.stop().await, |_| {}).await;
    let settings = server.get(SETTINGS).await["settings"].clone();
    assert_eq!(
        (&settings["cache_ttl"], &settings["rate_limit_completion"], &settings["log_level"]),
        (&json!(60), &json!(500), &json!("debug,sqlx=warn"))
    );
    let patch = json!({"cache_ttl": null, "rate_limit_completion": null});
    let (_, body) = send(&server, Method::PATCH, SETTINGS, &patch).await;
    assert_eq!(
        (&body["settings"]["cache_ttl"], &body["settings"]["rate_limit_completion"]),
        (&json!(1800), &json!(null))
    );
}

#[tokio::test]
async fn an_invalid_value_is_named_and_nothing_is_changed() {
    let server = Server::start().await;
    for (name, value) in [
        ("cache_ttl", json!(-1)),
        ("cache_ttl", json!(2_592_001)),
        ("request_timeout", json!(0)),
        ("rate_limit_streams", json!("ten")),
        ("rate_limit_completion", json!(0)),
        ("rate_limit_enabled", json!(1)),
        ("log_level", json!("loud,,=")),
        ("history_retention_days", json!(0)),
    ] {
        let (status, body) = send(&server, Method::PATCH, SETTINGS, &json!({name: value, "cache_size": 7})).await;
        assert_eq!((status, &body["error_code"]), (422, &json!("VALIDATION_ERROR")), "{name}");
        assert!(body["error_details"][name][0].is_string(), "{body}");
    }
    assert_eq!(server.get(SETTINGS).await["settings"]["cache_size"], 1000);
}

#[tokio::test]
async fn a_setting_from_the_environment_is_marked_and_cannot_be_changed() {
    let data = tests::process::data_dir_with(&tests::script());
    let server = Server::start_in(data, |config| config.settings.cache_ttl = Some(5)).await;
    let body = server.get(SETTINGS).await;
    assert_eq!(
        (&body["settings"]["cache_ttl"], &body["from_environment"]),
        (&json!(5), &json!({"cache_ttl": "CACHE_TTL"}))
    );
    let (status, body) = send(&server, Method::PATCH, SETTINGS, &json!({"cache_ttl": 6})).await;
    assert_eq!(status, 422);
    assert!(body["error_details"]["cache_ttl"][0].as_str().unwrap().contains("CACHE_TTL"), "{body}");
}

#[tokio::test]
async fn a_saved_profile_is_complete_and_survives_a_restart() {
    let server = Server::start().await;
    let defaults = server.get(PROFILE).await;
    assert_eq!(
        (&defaults["pythonSkillLevel"], &defaults["preferredLanguageFeatures"]),
        (&json!("intermediate"), &json!(["type_hints", "f_strings"]))
    );
    let profile =
        json!({"pythonSkillLevel": "beginner", "preferredLanguageFeatures": [], "isOnboardingCompleted": true});
    let (status, saved) = send(&server, Method::PUT, PROFILE, &profile).await;
    assert_eq!((status, &saved["explanationStyle"]), (200, &json!("standard")));
    let server = Server::start_in(server.stop().await, |_| {}).await;
    assert_eq!(server.get(PROFILE).await, saved);
}

#[tokio::test]
async fn an_unknown_value_in_a_profile_is_named_by_its_path() {
    let server = Server::start().await;
    let (status, body) = send(&server, Method::PUT, PROFILE, &json!({"pythonSkillLevel": "guru"})).await;
    assert_eq!(status, 422);
    assert!(body["error_details"]["pythonSkillLevel"][0].is_string(), "{body}");
    for name in ["user_profile", "userProfile"] {
        let question = json!({"user_question": "x", name: {"pythonSkillLevel": "guru"}});
        let (status, body) = server.post("/api/v1/generate-code", &question).await;
        assert_eq!(status, 422);
        assert!(body["error_details"][format!("{name}.pythonSkillLevel")][0].is_string(), "{body}");
    }
}
