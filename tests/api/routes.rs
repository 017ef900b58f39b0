//! Invalid requests to every route of the API description: never a crash, always the documented error.

use std::collections::BTreeMap;

use reqwest::{Body, Method, Response};
use serde_json::{Map, Value, json};
use tests::server::Server;

/// A route, and how to send a request to it.
struct Route {
    method: Method,
    path: String,
    permission: Option<String>,
    /// The schema of its request body, if it has one.
    body: Option<Value>,
    /// A valid request body.
    example: Value,
}

struct Api {
    server: Server,
    document: Value,
    routes: Vec<Route>,
}

impl Api {
    async fn start() -> Self {
        let server = Server::start().await;
        let document = server.get("/api/openapi.json").await;
        let mut routes = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                let body = (!schema.is_null()).then(|| resolved(&document, schema));
                let example = body.as_ref().map(|schema| example(&document, schema)).unwrap_or_default();
                routes.push(Route {
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.replace("{id}", "x"),
                    permission: operation["x-permission"].as_str().map(str::to_owned),
                    body,
                    example,
                });
            }
        }
        assert!(routes.len() >= 20, "{}", routes.len());
        Self { server, document, routes }
    }

    async fn send(&self, route: &Route, key: &str, body: Option<(&str, Vec<u8>)>) -> Response {
        let mut request = self.server.request_with(key, route.method.clone(), &route.path);
        if let Some((content_type, bytes)) = body {
            request = request.header("Content-Type", content_type).body(bytes);
        }
        request.send().await.unwrap()
    }

    /// The status of a request with this JSON. Asserts that an error has the documented shape and is below 500.
    async fn json(&self, route: &Route, body: &Value) -> u16 {
        let sent = Some(("application/json", body.to_string().into_bytes()));
        checked(
            self.send(route, &self.server.key, sent).await,
            &format!("{} {} {}", route.method, route.path, short(body)),
        )
        .await
    }

    /// The routes with a request body, and the fields of its schema.
    fn fields(&self) -> impl Iterator<Item = (&Route, &Map<String, Value>)> {
        self.routes.iter().filter_map(|route| Some((route, route.body.as_ref()?["properties"].as_object()?)))
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

/// Resolves a reference, and a schema that also allows null.
fn resolved(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return resolved(document, document.pointer(name.trim_start_matches('#')).unwrap());
    }
    for either in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema[either].as_array()
            && let Some(schema) = schemas.iter().find(|schema| schema["type"] != "null")
        {
            return resolved(document, schema);
        }
    }
    schema.clone()
}

/// The smallest value that fits a schema.
fn example(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    match kind(&schema) {
        "object" => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let field = |name: &Value| {
                let name = name.as_str().unwrap().to_owned();
                let value = example(document, &schema["properties"][&name]);
                (name, value)
            };
            required.iter().map(field).collect()
        }
        "array" => json!([example(document, &schema["items"])]),
        "integer" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "number" => schema.get("minimum").cloned().unwrap_or(json!(0.5)),
        "boolean" => json!(true),
        _ => json!("x = 1"),
    }
}

/// The type of a schema, without null.
fn kind(schema: &Value) -> &str {
    let non_null = schema["type"].as_array().and_then(|kinds| kinds.iter().find(|kind| *kind != "null"));
    non_null.unwrap_or(&schema["type"]).as_str().unwrap_or("object")
}

/// The status for an invalid field: OpenAI's API uses 400, not 422.
fn invalid(path: &str) -> u16 {
    if path.starts_with("/v1/") { 400 } else { 422 }
}

/// The status of a response. Asserts that it is below 500, and that an error has all four keys, or OpenAI's shape below `/v1`.
async fn checked(response: Response, what: &str) -> u16 {
    let (status, path) = (response.status().as_u16(), response.url().path().to_owned());
    assert!(status < 500, "{what}: {status} {}", response.text().await.unwrap());
    if status < 400 {
        return status;
    }
    let text = response.text().await.unwrap();
    let body: BTreeMap<String, Value> =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {status} {text}"));
    if path.starts_with("/v1/") {
        let error = body["error"].as_object().unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {text}");
        assert!(error["type"].is_string() && error["code"].is_string(), "{what}: {text}");
        assert!(error["param"].is_string() || error["param"].is_null(), "{what}: {text}");
        return status;
    }
    let keys: Vec<&str> = body.keys().map(String::as_str).collect();
    assert_eq!(keys, ["error_code", "error_details", "error_message", "status"], "{what}");
    assert_eq!(body["status"], "error", "{what}");
    assert!(body["error_message"].as_str().is_some_and(|message| !message.is_empty()), "{what}");
    status
}

#[tokio::test]
async fn every_route_checks_the_key_and_its_permission_first() {
    let api = Api::start().await;
    let unknown = format!("hapa_{}", "0".repeat(64));
    let mut keys = Vec::new();
    for permission in ["code_generation", "code_completion", "feedback", "history", "admin"] {
        keys.push((
            permission,
            api.server.create_key(json!({"name": permission, "permissions": [permission]})).await.0,
        ));
    }
    for route in api.routes.iter().filter(|route| route.permission.is_some()) {
        let what = format!("{} {}", route.method, route.path);
        let without_key = api.server.unauthenticated(route.method.clone(), &route.path).body("{").send().await.unwrap();
        assert_eq!(checked(without_key, &what).await, 401, "{what}");
        assert_eq!(checked(api.send(route, &unknown, None).await, &what).await, 401, "{what}");
        for (permission, key) in &keys {
            if route.permission.as_deref() != Some(permission) {
                // The permission is checked before the body and its type.
                let sent = Some(("text/plain", b"{".to_vec()));
                assert_eq!(checked(api.send(route, key, sent).await, &what).await, 403, "{what} {permission}");
            }
        }
    }
    let open: Vec<&str> =
        api.routes.iter().filter(|route| route.permission.is_none()).map(|route| route.path.as_str()).collect();
    assert_eq!(open, ["/health", "/metrics"]);
}

#[tokio::test]
async fn bodies_that_are_not_json_or_too_large_are_rejected() {
    let api = Api::start().await;
    for route in api.routes.iter().filter(|route| route.body.is_some()) {
        let what = format!("{} {}", route.method, route.path);
        let bytes = route.example.to_string().into_bytes();
        let key = api.server.key.clone();
        let plain = api.send(route, &key, Some(("text/plain", bytes.clone()))).await;
        assert_eq!(checked(plain, &what).await, 415, "{what}");
        for broken in ["", "{", "{\"a\": }", "\u{feff}{}", "{\"user_question\": \"\\ud800\"}", "nul"] {
            let sent = Some(("application/json", broken.as_bytes().to_vec()));
            let status = checked(api.send(route, &key, sent).await, &what).await;
            let may_be_absent = broken.is_empty() && status == 200;
            assert!(may_be_absent || matches!(status, 400 | 404 | 422), "{what} {broken:?}: {status}");
        }
        let mut large = vec![b' '; 80 << 20];
        large.extend(bytes);
        let request = api.server.request(route.method.clone(), &route.path).header("Content-Type", "application/json");
        assert_eq!(checked(request.body(Body::from(large)).send().await.unwrap(), &what).await, 413, "{what}");
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_known_fields_are_checked() {
    let api = Api::start().await;
    for (route, fields) in api.fields() {
        let what = format!("{} {}", route.method, route.path);
        let expected = api.json(route, &route.example).await;
        assert!(matches!(expected, 200 | 404), "{what}: {expected} for {}", route.example);
        let with = |name: &str, value: Value| {
            let mut body = route.example.clone();
            body[name] = value;
            body
        };
        let extended = with("an_unknown_field", json!({"deep": [1, "둘", null]}));
        assert_eq!(api.json(route, &extended).await, expected, "{what}");
        for (name, schema) in fields {
            let schema = resolved(&api.document, schema);
            if schema.get("enum").is_some() {
                assert_eq!(
                    api.json(route, &with(name, json!("not_a_known_value"))).await,
                    invalid(&route.path),
                    "{what} {name}"
                );
            }
            if schema.get("type").is_some_and(|kind| kind != "null") {
                let wrong = if kind(&schema) == "object" { json!("x") } else { json!({"an": "object"}) };
                assert_eq!(api.json(route, &with(name, wrong)).await, invalid(&route.path), "{what} {name}");
            }
        }
    }
}

#[tokio::test]
async fn korean_empty_and_megabyte_strings_are_accepted_or_rejected_cleanly() {
    let api = Api::start().await;
    let (korean, long) = (json!("안녕하세요, 리스트에서 중복을 제거해 주세요 🙂"), json!("가".repeat(350_000)));
    for (route, fields) in api.fields() {
        for (name, schema) in fields {
            let schema = resolved(&api.document, schema);
            if kind(&schema) != "string" {
                continue;
            }
            let with = |value: &Value| {
                let mut body = route.example.clone();
                body[name] = value.clone();
                body
            };
            for text in [&korean, &json!(""), &json!("\u{0}\u{202e}\r\n")] {
                api.json(route, &with(text)).await;
            }
            let status = api.json(route, &with(&long)).await;
            let expected = status == 413 || status == invalid(&route.path);
            assert!(expected, "{} {} {name}: {status}", route.method, route.path);
        }
    }
}

#[tokio::test]
async fn invalid_query_parameters_are_named() {
    let api = Api::start().await;
    for (path, methods) in api.document["paths"].as_object().unwrap() {
        for parameter in methods["get"]["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let schema = resolved(&api.document, &parameter["schema"]);
            let wrong = match (parameter["in"].as_str(), kind(&schema), schema.get("enum")) {
                (Some("path"), ..) => continue,
                (_, "integer" | "boolean", _) | (.., Some(_)) => "하나",
                _ if schema["format"] == "date-time" => "어제",
                _ => continue,
            };
            let address = format!("{}?{name}={wrong}", path.replace("{id}", "x"));
            let response = api.server.request(Method::GET, &address).send().await.unwrap();
            assert_eq!(response.status(), 422, "{path}?{name}={wrong}");
            let body: Value = response.json().await.unwrap();
            assert!(body["error_details"].get(name).is_some(), "{path}?{name}={wrong}: {body}");
        }
    }
}
