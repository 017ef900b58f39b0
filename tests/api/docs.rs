//! The API documentation page: complete, public, in two languages, without scripts or external resources.

use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use reqwest::{Method, Response};
use tests::server::Server;

/// Requests a page without an API key, in the language that the browser prefers.
async fn page(server: &Server, path: &str, language: &str) -> Response {
    let response = server.unauthenticated(Method::GET, path).header(ACCEPT_LANGUAGE, language).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path} {language}");
    response
}

/// The values of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn every_operation_is_on_the_page_and_has_an_anchor() {
    let server = Server::start().await;
    let document = server.get("/api/openapi.json").await;
    let text = page(&server, "/docs", "ko").await.text().await.unwrap();
    let ids = attributes(&text, "id");
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert_eq!(ids.iter().filter(|it| **it == id).count(), 1, "`{id}` is an id on the page");
            let before = text.split(&format!("id=\"{id}\"")).next().unwrap();
            let heading = before.rsplit("<summary>").next().unwrap();
            assert!(heading.contains(&format!(">{}</span>", method.to_uppercase())), "{method} {path}: {heading}");
            assert!(heading.contains(&format!("<code>{path}</code>")), "{method} {path}: {heading}");
            operations += 1;
        }
    }
    assert!(operations >= 20, "{operations}");
    for target in attributes(&text, "href").into_iter().filter_map(|target| target.strip_prefix('#')) {
        assert!(ids.contains(&target), "#{target} has a target");
    }
}

#[tokio::test]
async fn fields_limits_and_examples_of_a_request_are_on_the_page() {
    let server = Server::start().await;
    let text = page(&server, "/docs", "en").await.text().await.unwrap();
    let operation = text.split("id=\"generate_code\"").nth(1).unwrap().split("</details>").next().unwrap();
    for expected in [
        "<code>user_question</code> <span class=\"required\">required</span>",
        "1–10,000 characters, not blank",
        "user_profile.</span><wbr>pythonSkillLevel",
        "<code>educational</code>",
        "curl http://127.0.0.1:8000/api/v1/generate-code \\",
        "&quot;user_question&quot;: &quot;리스트에서 중복 제거하는 함수 만들어줘&quot;",
        "<code>generated_code</code>",
        "token_usage.</span><wbr>total_tokens",
    ] {
        assert!(operation.contains(expected), "{expected} in {operation}");
    }
    let streaming = text.split("id=\"generate_code_streaming\"").nth(1).unwrap().split("</details>").next().unwrap();
    for expected in ["text/event-stream", "<code>sequence</code>", "<code>explanation</code>", "curl -N "] {
        assert!(streaming.contains(expected), "{expected} in {streaming}");
    }
    for (status, code) in [(400, "BAD_REQUEST"), (422, "VALIDATION_ERROR"), (503, "SERVICE_UNAVAILABLE")] {
        let row = format!("<code>{status}</code></th><td><code>{code}</code>");
        assert!(text.contains(&row), "{row}");
    }
}

#[tokio::test]
async fn the_examples_are_valid_requests() {
    let server = Server::start().await;
    let text = page(&server, "/docs", "ko").await.text().await.unwrap();
    let mut sent = 0;
    for example in text.split("<pre tabindex=\"0\"><code>curl ").skip(1) {
        let example = example.split("</code></pre>").next().unwrap();
        let example = example.replace("&quot;", "\"").replace("&#x27;", "'").replace("&lt;", "<").replace("&amp;", "&");
        let arguments: Vec<&str> = example.split_whitespace().collect();
        let path = arguments.iter().find_map(|argument| argument.strip_prefix("http://127.0.0.1:8000")).unwrap();
        let body = example.split_once("<<'JSON'").map(|(_, rest)| rest.strip_suffix("JSON").unwrap().to_owned());
        let named = arguments.iter().position(|argument| *argument == "-X").map(|at| arguments[at + 1]);
        let method = named.unwrap_or(if body.is_some() { "POST" } else { "GET" });
        let keyed = example.contains("-H \"X-API-Key: $HAPA_KEY\"");
        let mut request = server.unauthenticated(method.parse().unwrap(), path);
        if keyed {
            request = request.header("X-API-Key", &server.key);
        }
        if let Some(body) = body {
            assert!(example.contains("-H \"Content-Type: application/json\""), "{example}");
            request = request.header(CONTENT_TYPE, "application/json").body(body);
            sent += 1;
        }
        if example.contains("-T FILE") {
            assert!(example.contains("-H \"Content-Type: application/octet-stream\""), "{example}");
            request = request.header(CONTENT_TYPE, "application/octet-stream").body("a file");
        }
        // `ID` is a placeholder; this server has no such item.
        let expected = match path {
            _ if path.contains("/ID") => 404,
            // `NAME` is not the name of a model file.
            _ if path.contains("/imports/NAME") => 422,
            // The model hub is unreachable in tests.
            _ if path.starts_with("/api/v1/models/hub") => 502,
            _ => 200,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected, "{example}\n{:?}", response.text().await);
    }
    assert!(sent >= 8, "{sent}");
}

#[tokio::test]
async fn the_page_exists_in_korean_and_english() {
    let server = Server::start().await;
    for (path, preferred, expected, foreign) in [
        ("/docs", "", "ko", "en"),
        ("/docs", "en-US,en;q=0.9,ko;q=0.8", "en", "ko"),
        ("/docs?lang=en", "ko", "en", "ko"),
        ("/docs?lang=ko", "en", "ko", "en"),
        ("/docs?x=1&lang=ko", "en", "ko", "en"),
    ] {
        let response = page(&server, path, preferred).await;
        assert_eq!(response.headers()["content-language"], expected, "{path} {preferred}");
        let text = response.text().await.unwrap();
        let heading = if expected == "ko" { "<h2>오류</h2>" } else { "<h2>Errors</h2>" };
        let link = format!("<a href=\"/docs?lang={foreign}\"");
        for expected in [format!("<html lang=\"{expected}\">").as_str(), heading, link.as_str()] {
            assert!(text.contains(expected), "{expected} for {path} {preferred}");
        }
    }
}

#[tokio::test]
async fn the_page_runs_no_script_and_loads_only_the_style_sheet() {
    let server = Server::start().await;
    for path in ["/docs?lang=ko", "/docs?lang=en"] {
        let response = page(&server, path, "").await;
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        let text = response.text().await.unwrap();
        for active in ["<script", "<style", "javascript:", "<iframe", "<object", " style=", " onclick=", " src="] {
            assert!(!text.contains(active), "{active}");
        }
        for target in attributes(&text, "href") {
            let ours = ["#", "/docs", "/api/openapi.json", "data:,"].iter().any(|start| target.starts_with(start));
            assert!(ours && !target.starts_with("//"), "{target}");
        }
        assert_eq!(text.matches("<link rel=\"stylesheet\" href=\"/docs/style.css\">").count(), 1);
    }
    let style = page(&server, "/docs/style.css", "").await;
    assert_eq!(style.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
    let style = style.text().await.unwrap();
    assert!(style.contains("prefers") || style.contains("light-dark("), "it has a dark theme");
    assert!(!style.contains("url(") && !style.contains("@import"), "it loads nothing");
}

#[tokio::test]
async fn an_invalid_language_is_ignored() {
    let server = Server::start().await;
    let expected = page(&server, "/docs", "en").await.text().await.unwrap();
    for hostile in [
        "%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "../../etc/passwd",
        "%00",
        "%FF",
        "EN",
        "ko%0d%0aX-Evil:1",
        "",
        "lang",
    ] {
        let path = format!("/docs?lang={hostile}");
        assert_eq!(page(&server, &path, "en").await.text().await.unwrap(), expected, "{hostile}");
    }
    let long = format!("/docs?lang={}", "a".repeat(5000));
    assert_eq!(page(&server, &long, "en").await.text().await.unwrap(), expected);
}

#[tokio::test]
async fn the_page_checks_the_host_and_the_method() {
    let server = Server::start().await;
    for path in ["/docs", "/docs/style.css"] {
        let response =
            server.unauthenticated(Method::GET, path).header(HOST, "evil.example:8000").send().await.unwrap();
        assert_eq!(response.status(), 403, "{path}");
        let response = server.unauthenticated(Method::POST, path).send().await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
    }
}
