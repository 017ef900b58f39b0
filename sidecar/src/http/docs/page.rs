//! The page itself: its template, filled with what the API's description says.

use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde_json::Value as Json;
use utoipa::openapi::OpenApi;

use super::example::Request;
use super::schema::Shape;
use super::{example, markdown, schema};
use crate::base::i18n::Language;
use crate::http::BODY_LIMIT;
use crate::http::error::ErrorCode;
use crate::http::middleware::route_aliases;
use crate::http::routes::check;
use crate::settings::Settings;

/// The groups in the order of the page: tag, Korean and English title. Tags that are not here come last, as they are.
const GROUPS: [(&str, &str, &str); 12] = [
    ("generation", "코드 생성", "Generation"),
    ("completion", "자동 완성", "Completion"),
    ("check", "코드 검사", "Checking"),
    ("history", "기록", "History"),
    ("feedback", "피드백", "Feedback"),
    ("users", "사용자", "Users"),
    ("models", "모델", "Models"),
    ("settings", "설정", "Settings"),
    ("keys", "키", "Keys"),
    ("cache", "캐시", "Cache"),
    ("errors", "오류 현황", "Errors"),
    ("system", "시스템", "System"),
];

/// RequestFacts each code of an error means, in Korean and English.
const ERROR_DESCRIPTIONS: [(ErrorCode, &str, &str); 13] = [
    (
        ErrorCode::BadRequest,
        "본문이 JSON이 아니거나 주소의 값이 잘못됨",
        "The body is not JSON, or a parameter is wrong",
    ),
    (
        ErrorCode::Unauthorized,
        "키가 없거나, 모르는 키이거나, 만료됨",
        "No key, an unknown key, or one that has expired",
    ),
    (
        ErrorCode::Forbidden,
        "키에 권한이 없거나, 믿을 수 없는 페이지에서 온 요청",
        "The key lacks the permission, or the page is not trusted",
    ),
    (ErrorCode::NotFound, "그런 주소나 항목이 없음", "There is nothing by that name"),
    (ErrorCode::MethodNotAllowed, "이 주소에서 지원하지 않는 메서드", "The address does not know the method"),
    (ErrorCode::Conflict, "지금 상태와 맞지 않는 요청", "The request contradicts what is there"),
    (ErrorCode::PayloadTooLarge, "본문이 너무 큼", "The body is too large"),
    (
        ErrorCode::UnsupportedMediaType,
        "Content-Type이 요청에 맞지 않음 (JSON은 application/json)",
        "The Content-Type is not what the request takes, as application/json for JSON",
    ),
    (
        ErrorCode::ValidationError,
        "필드의 값이 잘못됨: `error_details`에 필드마다 이유가 있음",
        "Some fields are wrong: `error_details` says which and why",
    ),
    (
        ErrorCode::TooManyRequests,
        "한도를 넘음: `Retry-After`초 뒤에 다시",
        "A limit is reached: again after `Retry-After` seconds",
    ),
    (
        ErrorCode::InternalServerError,
        "HAPA의 잘못: `incident_id`로 로그에서 찾을 수 있음",
        "Our own fault: `incident_id` finds it in the log",
    ),
    (ErrorCode::BadGateway, "원격 서버가 잘못 답함", "The remote server failed"),
    (
        ErrorCode::ServiceUnavailable,
        "모델이 없거나, 불러오는 중이거나, 대기열이 참",
        "There is no model, it is loading, or too many wait",
    ),
];

/// The page for `document` in this language.
pub fn render(document: &OpenApi, language: Language) -> String {
    let document = serde_json::to_value(document).expect("the description has string keys");
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_function("say", move |korean: Value, english: Value| match language {
        Language::Korean => korean,
        Language::English => english,
    });
    environment.add_filter("inline", |text: &str| Value::from_safe_string(markdown::inline(text)));
    environment.add_filter("blocks", |text: &str| Value::from_safe_string(markdown::blocks(text)));
    environment.add_filter("grouped", |number: f64| schema::grouped(number));
    environment.add_template("page.html", include_str!("page.html")).expect("the page's template is valid");
    let page = environment.get_template("page.html").expect("it was added");
    let page = page.render(contents(&document, language)).expect("the template names only what it is given");
    // The template engine escapes slashes, too, which HTML does not ask for: without, the source can be read and searched.
    page.replace("&#x2f;", "/")
}

fn contents(document: &Json, language: Language) -> Value {
    let Settings { rate_limit, rate_limit_generation, rate_limit_streams, rate_limit_per_address, .. } =
        Settings::default();
    let errors = ERROR_DESCRIPTIONS.map(|(code, korean, english)| {
        let meaning = if language == Language::Korean { korean } else { english };
        context! { status => code.status().as_u16(), code => code.as_str(), meaning }
    });
    let schemas = &document["components"]["schemas"];
    context! {
        tag => if language == Language::Korean { "ko" } else { "en" },
        title => text(&document["info"]["title"]),
        version => text(&document["info"]["version"]),
        description => text(&document["info"]["description"]),
        groups => groups(document, language),
        errors => errors.to_vec(),
        problem => Shape::named("Problem", document).fields(language),
        frame => Shape::named("Frame", document).fields(language),
        reasons => words(&schemas["Reason"]["enum"]),
        limits => context! {
            body => BODY_LIMIT >> 20, batch => check::BATCH_BODY_LIMIT >> 20, requests => rate_limit,
            generations => rate_limit_generation, streams => rate_limit_streams, address => rate_limit_per_address,
        },
    }
}

/// The operations by tag: the shortest addresses of each group first.
fn groups(document: &Json, language: Language) -> Vec<Value> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let mut operations: Vec<(&str, &str, &Json)> = paths
        .flat_map(|(path, methods)| {
            let methods = ["get", "post", "put", "patch", "delete"].map(|name| (name, path.as_str(), &methods[name]));
            methods.into_iter().filter(|(.., operation)| operation.is_object())
        })
        .collect();
    operations.sort_by_key(|(_, path, _)| (path.split('/').count(), *path));
    let mut tags: Vec<&str> = GROUPS.map(|(tag, ..)| tag).to_vec();
    for (.., operation) in &operations {
        let tag = text(&operation["tags"][0]);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let groups = tags.into_iter().filter_map(|tag| {
        let known = GROUPS.iter().find(|(name, ..)| *name == tag);
        let title = known.map_or(tag, |(_, ko, en)| if language == Language::Korean { ko } else { en });
        let here = operations.iter().filter(|(.., operation)| text(&operation["tags"][0]) == tag);
        let here: Vec<Value> = here.map(|it| operation(*it, document, language)).collect();
        (!here.is_empty()).then(|| context! { tag, title, operations => here })
    });
    groups.collect()
}

fn operation((method, path, operation): (&str, &str, &Json), document: &Json, language: Language) -> Value {
    let method = method.to_uppercase();
    let open = operation
        .get("security")
        .is_some_and(|ways| *ways == serde_json::json!([{}]) || *ways == serde_json::json!([]));
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| {
        let row = Shape::of(&parameter["schema"], document).row(
            text(&parameter["name"]),
            parameter["required"] == true,
            language,
        );
        context! { place => text(&parameter["in"]), description => text(&parameter["description"]), ..row }
    });
    let responses: Vec<Value> = operation["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(status, response)| crate::http::docs::page::response(status, response, document, language))
        .collect();
    let body = content(&operation["requestBody"]).map(|(kind, schema)| (kind, Shape::of(schema, document)));
    let required = operation["requestBody"]["required"] == true;
    let fields = body.as_ref().filter(|_| required).map(|(_, shape)| example::fields(shape));
    let fields = fields.filter(|fields| !fields.is_empty());
    let streams = operation["responses"]["200"]["content"].get("text/event-stream").is_some();
    let file = body.as_ref().is_some_and(|(kind, _)| *kind == "application/octet-stream");
    let curl = Request { method: &method, path, key: !open, streams, body: fields, file }.curl();
    let body = body.map(|(kind, shape)| {
        context! {
            kind, required, type => shape.kind(),
            description => shape.description(), fields => shape.fields(language),
        }
    });
    let other_names =
        route_aliases::ALIASES.iter().filter(|(_, documented)| *documented == path).map(|(alias, _)| *alias);
    context! {
        id => text(&operation["operationId"]), method, path, open, curl, body, responses,
        summary => text(&operation["summary"]), description => text(&operation["description"]),
        permission => text(&operation["x-permission"]), parameters => parameters.collect::<Vec<_>>(),
        other_names => other_names.collect::<Vec<_>>(),
    }
}

fn response(status: &str, response: &Json, document: &Json, language: Language) -> Value {
    let (kind, schema) = content(response).unwrap_or(("", &Json::Null));
    let shape = Shape::of(schema, document);
    context! {
        status, kind, type => shape.kind(), description => text(&response["description"]), is_problem => shape.name == Some("Problem"),
        // One name stands for the events of every stream of an answer; their data is described as `Frame`.
        is_stream => shape.name == Some("EventStream"), fields => shape.fields(language),
    }
}

/// Type and schema of a body.
fn content(body: &Json) -> Option<(&str, &Json)> {
    let (kind, media) = body["content"].as_object()?.iter().next()?;
    Some((kind, &media["schema"]))
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

fn words(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|word| text(word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_an_error_has_a_meaning() {
        let document = serde_json::to_value(crate::http::openapi()).unwrap();
        assert_eq!(
            words(&document["components"]["schemas"]["ErrorCode"]["enum"]),
            ERROR_DESCRIPTIONS.map(|(code, ..)| code.as_str())
        );
    }
}
