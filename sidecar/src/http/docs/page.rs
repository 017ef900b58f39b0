//! Renders the page of the API reference from its template and the OpenAPI document.

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

/// The groups in the order of the page: tag, Korean and English title. Other tags come last, titled by their name.
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

/// The meaning of each error code, in Korean and English.
const ERROR_DESCRIPTIONS: [(ErrorCode, &str, &str); 13] = [
    (
        ErrorCode::BadRequest,
        "본문이 JSON이 아니거나 매개변수가 잘못됨",
        "The body is not JSON, or a parameter is invalid",
    ),
    (ErrorCode::Unauthorized, "키가 없거나, 알 수 없거나, 만료됨", "The key is missing, unknown or expired"),
    (
        ErrorCode::Forbidden,
        "키에 권한이 없거나, 허용되지 않은 Host 또는 Origin",
        "The key lacks the permission, or the host or origin is not allowed",
    ),
    (ErrorCode::NotFound, "경로나 항목이 없음", "The route or resource does not exist"),
    (ErrorCode::MethodNotAllowed, "이 경로에서 지원하지 않는 메서드", "The route does not support the method"),
    (ErrorCode::Conflict, "현재 상태와 충돌하는 요청", "The request conflicts with the current state"),
    (ErrorCode::PayloadTooLarge, "본문이 너무 큼", "The body is too large"),
    (
        ErrorCode::UnsupportedMediaType,
        "Content-Type이 요청에 맞지 않음 (JSON은 application/json)",
        "The Content-Type is wrong (application/json for JSON)",
    ),
    (
        ErrorCode::ValidationError,
        "필드 값이 잘못됨: `error_details`에 필드별 메시지가 있음",
        "Some fields are invalid; `error_details` has a message for each",
    ),
    (
        ErrorCode::TooManyRequests,
        "요청 한도 초과: `Retry-After`초 뒤에 다시 시도",
        "A rate limit is exceeded; retry after `Retry-After` seconds",
    ),
    (
        ErrorCode::InternalServerError,
        "내부 오류: `incident_id`로 로그에서 찾을 수 있음",
        "An internal error; find it in the log by `incident_id`",
    ),
    (ErrorCode::BadGateway, "원격 서버나 모델 허브의 오류", "The remote server or the model hub failed"),
    (
        ErrorCode::ServiceUnavailable,
        "모델이 없거나, 불러오는 중이거나, 대기열이 가득 참",
        "No model is available, it is loading, or the queue is full",
    ),
];

/// Renders the page of `document` in a language.
pub(crate) fn render(document: &OpenApi, language: Language) -> String {
    let document = serde_json::to_value(document).expect("the OpenAPI document has string keys");
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_function("translate", move |korean: Value, english: Value| match language {
        Language::Korean => korean,
        Language::English => english,
    });
    environment.add_filter("inline", |text: &str| Value::from_safe_string(markdown::inline(text)));
    environment.add_filter("blocks", |text: &str| Value::from_safe_string(markdown::blocks(text)));
    environment.add_filter("grouped", |number: f64| schema::grouped(number));
    environment.add_template("page.html", include_str!("page.html")).expect("the page's template is valid");
    let page = environment.get_template("page.html").expect("it was added");
    let page = page.render(contents(&document, language)).expect("the context has every variable of the template");
    // minijinja also escapes slashes, which HTML does not require; unescaped, the source is readable and searchable.
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
        reasons => strings(&schemas["Reason"]["enum"]),
        limits => context! {
            body => BODY_LIMIT >> 20, batch => check::BATCH_BODY_LIMIT >> 20, requests => rate_limit,
            generations => rate_limit_generation, streams => rate_limit_streams, address => rate_limit_per_address,
        },
    }
}

/// The operations by tag, those with the shortest paths first.
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
        let in_group = operations.iter().filter(|(.., operation)| text(&operation["tags"][0]) == tag);
        let in_group: Vec<Value> = in_group.map(|it| operation(*it, document, language)).collect();
        (!in_group.is_empty()).then(|| context! { tag, title, operations => in_group })
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
        context! { location => text(&parameter["in"]), description => text(&parameter["description"]), ..row }
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
    let aliases = route_aliases::ALIASES.iter().filter(|(_, documented)| *documented == path).map(|(alias, _)| *alias);
    context! {
        id => text(&operation["operationId"]), method, path, open, curl, body, responses,
        summary => text(&operation["summary"]), description => text(&operation["description"]),
        permission => text(&operation["x-permission"]), parameters => parameters.collect::<Vec<_>>(),
        aliases => aliases.collect::<Vec<_>>(),
    }
}

fn response(status: &str, response: &Json, document: &Json, language: Language) -> Value {
    let (kind, schema) = content(response).unwrap_or(("", &Json::Null));
    let shape = Shape::of(schema, document);
    context! {
        status, kind, type => shape.kind(), description => text(&response["description"]), is_problem => shape.name == Some("Problem"),
        // All generation streams have the schema `EventStream`; the data of their events is the schema `Frame`.
        is_stream => shape.name == Some("EventStream"), fields => shape.fields(language),
    }
}

/// Media type and schema of a body.
fn content(body: &Json) -> Option<(&str, &Json)> {
    let (kind, media) = body["content"].as_object()?.iter().next()?;
    Some((kind, &media["schema"]))
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|item| text(item).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_has_a_description() {
        let document = serde_json::to_value(crate::http::openapi()).unwrap();
        assert_eq!(
            strings(&document["components"]["schemas"]["ErrorCode"]["enum"]),
            ERROR_DESCRIPTIONS.map(|(code, ..)| code.as_str())
        );
    }
}
