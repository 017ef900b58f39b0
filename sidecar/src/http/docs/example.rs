//! Example requests: a small body from the examples of a schema, and the `curl` command that sends it.

use serde_json::{Map, Value, json};

use super::schema::Shape;

/// The default address of HAPA.
const ADDRESS: &str = "http://127.0.0.1:8000";

/// The request of a `curl` command.
pub(crate) struct Request<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The path with parameters in braces.
    pub path: &'a str,
    /// Whether the route needs an API key.
    pub key: bool,
    /// Whether the response is a stream.
    pub streams: bool,
    /// The fields of a JSON body.
    pub body: Option<Vec<(&'a str, Value)>>,
    /// Whether the body is a file.
    pub file: bool,
}

impl Request<'_> {
    /// The shell command.
    pub(crate) fn curl(&self) -> String {
        let unbuffered = if self.streams { "-N " } else { "" };
        let default_method = if self.body.is_some() { "POST" } else { "GET" };
        let method = if self.method == default_method { String::new() } else { format!("-X {} ", self.method) };
        // Every second part is the name of a parameter.
        let parts = self.path.split(['{', '}']).enumerate();
        let path: String = parts.map(|(at, it)| if at % 2 == 1 { it.to_uppercase() } else { it.to_owned() }).collect();
        let mut lines = vec![format!("curl {unbuffered}{method}{ADDRESS}{path}")];
        if self.key {
            lines.push("-H \"X-API-Key: $HAPA_KEY\"".to_owned());
        }
        if self.file {
            lines.push("-H \"Content-Type: application/octet-stream\"".to_owned());
            lines.push("-T FILE".to_owned());
        } else if let Some(fields) = &self.body {
            lines.push("-H \"Content-Type: application/json\"".to_owned());
            lines.push(format!("-d @- <<'JSON'\n{}\nJSON", pretty(fields)));
        }
        lines.join(" \\\n  ")
    }
}

/// The fields of an example body: those that are required or have an example. If there are none, those with a default; if there
/// are none either, one field with enumerated values.
pub(crate) fn fields<'a>(shape: &Shape<'a>) -> Vec<(&'a str, Value)> {
    let properties = shape.properties().into_iter().map(|(name, required, schema)| (name, required, shape.to(schema)));
    let all: Vec<_> = properties.collect();
    let select = |predicate: &dyn Fn(bool, &Shape) -> bool, max: usize| -> Vec<(&'a str, Value)> {
        let selected = all.iter().filter(|(_, required, shape)| predicate(*required, shape));
        selected.take(max).map(|(name, _, shape)| (*name, value(shape))).collect()
    };
    let fields = select(&|required, shape| required || shape.get("example").is_some(), usize::MAX);
    let fields = if fields.is_empty() { select(&|_, shape| default(shape).is_some(), usize::MAX) } else { fields };
    if fields.is_empty() { select(&|_, shape| shape.get("enum").is_some(), 1) } else { fields }
}

/// An example value of a schema.
fn value(shape: &Shape) -> Value {
    let example =
        shape.get("example").cloned().or_else(|| default(shape)).or_else(|| shape.get("enum")?.get(0).cloned());
    example.unwrap_or_else(|| match shape.kind().trim_end_matches(" | null") {
        "boolean" => json!(true),
        "integer" | "number" => shape.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "string" if shape.get("format").is_some_and(|format| format == "date-time") => json!("2024-12-28T10:00:00Z"),
        "string" => json!("예시"),
        kind if kind.ends_with("[]") => shape.items().map(|items| json!([value(&items)])).unwrap_or_default(),
        _ => Value::Object(
            fields(shape).into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>(),
        ),
    })
}

fn default(shape: &Shape) -> Option<Value> {
    shape.get("default").filter(|default| !default.is_null()).cloned()
}

/// A JSON object on several lines, with its fields in this order.
fn pretty(fields: &[(&str, Value)]) -> String {
    let lines = fields.iter().map(|(name, value)| {
        let value = serde_json::to_string_pretty(value).expect("JSON values have string keys");
        format!("  \"{name}\": {}", value.replace('\n', "\n  "))
    });
    format!("{{\n{}\n}}", lines.collect::<Vec<_>>().join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_sends_the_examples_of_the_schema() {
        let schema = json!({"type": "object", "required": ["question", "kind"], "properties": {
            "question": {"type": "string", "example": "it's"},
            "kind": {"enum": ["short", "long"]},
            "seed": {"type": "integer"},
            "file": {"type": "string", "example": "a.py"},
        }});
        let body = fields(&Shape::of(&schema, &Value::Null));
        let request =
            Request { method: "POST", path: "/ask/{id}", key: true, streams: true, body: Some(body), file: false };
        assert_eq!(
            request.curl(),
            "curl -N http://127.0.0.1:8000/ask/ID \\\n  -H \"X-API-Key: $HAPA_KEY\" \\\n  \
             -H \"Content-Type: application/json\" \\\n  -d @- <<'JSON'\n{\n  \"kind\": \"short\",\n  \
             \"question\": \"it's\",\n  \"file\": \"a.py\"\n}\nJSON"
        );
        let upload =
            Request { method: "PUT", path: "/files/{name}", key: false, streams: false, body: None, file: true };
        assert_eq!(
            upload.curl(),
            "curl -X PUT http://127.0.0.1:8000/files/NAME \\\n  -H \"Content-Type: application/octet-stream\" \\\n  -T FILE"
        );
    }
}
