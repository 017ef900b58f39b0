//! Reads schemas of the OpenAPI document: type, bounds and fields of a value.

use std::collections::{BTreeSet, HashMap};

use minijinja::{Value, context};
use serde_json::Value as Json;

use crate::base::i18n::Language;

/// A schema with its references resolved: the schema itself, and all schemas that it refers to or combines.
pub(crate) struct Shape<'a> {
    /// The name of the schema in the document.
    pub name: Option<&'a str>,
    /// Whether null is allowed.
    nullable: bool,
    parts: Vec<&'a Json>,
    document: &'a Json,
}

impl<'a> Shape<'a> {
    /// The shape of a schema in `document`.
    pub(crate) fn of(schema: &'a Json, document: &'a Json) -> Self {
        let mut shape = Self { name: None, nullable: false, parts: Vec::new(), document };
        shape.resolve_refs(schema);
        shape
    }

    /// The shape of a schema within this one.
    pub(crate) fn to(&self, schema: &'a Json) -> Self {
        Self::of(schema, self.document)
    }

    /// The shape of a named schema.
    pub(crate) fn named(name: &'a str, document: &'a Json) -> Self {
        Self { name: Some(name), ..Self::of(&document["components"]["schemas"][name], document) }
    }

    fn resolve_refs(&mut self, schema: &'a Json) {
        let is_null = |schema: &Json| schema["type"] == "null";
        self.parts.push(schema);
        self.nullable |= list(&schema["type"]).any(|kind| kind == "null");
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/")) {
            self.name.get_or_insert(name);
            self.resolve_refs(&self.document["components"]["schemas"][name]);
        }
        for variants in ["oneOf", "anyOf", "allOf"] {
            self.nullable |= list(&schema[variants]).any(is_null);
            list(&schema[variants]).filter(|variant| !is_null(variant)).for_each(|variant| self.resolve_refs(variant));
        }
    }

    /// The value of a keyword, from the outermost schema that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Json> {
        self.parts.iter().find_map(|part| part.get(key))
    }

    /// The description, or an empty string.
    pub(crate) fn description(&self) -> &'a str {
        self.get("description").and_then(Json::as_str).unwrap_or_default()
    }

    /// The shape of the items of an array.
    pub(crate) fn items(&self) -> Option<Self> {
        self.get("items").map(|items| self.to(items))
    }

    /// The shape of the values of a map, an object with arbitrary keys.
    fn values(&self) -> Option<Self> {
        let values =
            self.get("additionalProperties").filter(|values| values.as_object().is_some_and(|it| !it.is_empty()));
        values.map(|values| self.to(values))
    }

    /// The fields of an object: name, whether it is required, and schema. Required fields come first.
    pub(crate) fn properties(&self) -> Vec<(&'a str, bool, &'a Json)> {
        let required: Vec<&Json> = self.parts.iter().flat_map(|part| list(&part["required"])).collect();
        let fields = self.parts.iter().filter_map(|part| part["properties"].as_object()).flatten();
        let mut fields: Vec<_> =
            fields.map(|(name, schema)| (name.as_str(), required.iter().any(|it| **it == *name), schema)).collect();
        fields.sort_by_key(|(name, required, _)| (!required, name.to_lowercase()));
        fields
    }

    /// The type, such as `string`, `integer | null` or `object[]`.
    pub(crate) fn kind(&self) -> String {
        let kinds = self.parts.iter().flat_map(|part| match &part["type"] {
            Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
            kind => Vec::from_iter(kind.as_str()),
        });
        let kinds = kinds.filter(|kind| *kind != "null").map(|kind| match (kind, self.items(), self.values()) {
            ("array", Some(items), _) => format!("{}[]", items.kind()),
            ("object", _, Some(values)) => format!("{{…: {}}}", values.kind()),
            _ => kind.to_owned(),
        });
        let kinds: BTreeSet<String> = kinds.chain(self.nullable.then(|| "null".to_owned())).collect();
        // `null` comes last.
        let mut kinds: Vec<String> = kinds.into_iter().collect();
        kinds.sort_by_key(|kind| kind == "null");
        if kinds.is_empty() { "any".to_owned() } else { kinds.join(" | ") }
    }

    /// The bounds of the value in words.
    pub(crate) fn bounds(&self, language: Language) -> String {
        let korean = language == Language::Korean;
        let unit = |ko, en| if korean { ko } else { en };
        let mut bounds = Vec::new();
        for (min, max, unit) in [
            ("minLength", "maxLength", unit("자", " characters")),
            ("minimum", "maximum", ""),
            ("minItems", "maxItems", unit("개", " items")),
        ] {
            bounds.extend(range(self.get(min), self.get(max)).map(|range| format!("{range}{unit}")));
        }
        match self.get("pattern").and_then(Json::as_str) {
            Some("\\S") => bounds.push(unit("공백만 입력 불가", "not blank").to_owned()),
            Some(pattern) => bounds.push(pattern.to_owned()),
            None => {}
        }
        if self.get("format").is_some_and(|format| format == "date-time") {
            bounds.push("RFC 3339".to_owned());
        }
        let items = self.items().map(|items| items.bounds(language)).filter(|bounds| !bounds.is_empty());
        bounds.extend(items.map(|bounds| format!("{}{bounds}", unit("각각 ", "each "))));
        bounds.join(", ")
    }

    /// A table row for a field of this shape.
    pub(crate) fn row(&self, path: &str, required: bool, language: Language) -> Value {
        let (parent, leaf) = path.rfind('.').map_or(("", path), |dot| path.split_at(dot + 1));
        let (inner, kind) = (self.inner(), self.kind());
        let enum_values =
            inner.0.as_ref().unwrap_or(self).get("enum").map(list).into_iter().flatten().filter_map(Json::as_str);
        let default = self.get("default").filter(|default| !default.is_null()).map(ToString::to_string);
        context! {
            parent, leaf, required, nullable => self.nullable, kind => kind.trim_end_matches(" | null"), bounds => self.bounds(language), description => self.description(),
            enum_values => enum_values.map(str::to_owned).collect::<Vec<_>>(), default => default.unwrap_or_default(), same_as => "", location => "",
        }
    }

    /// The shape within arrays and maps, if this is one, with the suffix of its path.
    fn inner(&self) -> (Option<Self>, String) {
        let (inner, suffix) = match (self.items(), self.values()) {
            (Some(items), _) => (items, "[]"),
            (None, Some(values)) if !values.properties().is_empty() => (values, ".*"),
            _ => return (None, String::new()),
        };
        let (innermost, rest) = inner.inner();
        (Some(innermost.unwrap_or(inner)), format!("{suffix}{rest}"))
    }

    /// The table rows of all fields, nested ones by their dotted path. A shape that occurs again refers to its first path.
    pub(crate) fn fields(&self, language: Language) -> Vec<Value> {
        let (mut rows, mut seen) = (Vec::new(), HashMap::new());
        let (inner, suffix) = self.inner();
        let prefix = if suffix.is_empty() { suffix } else { format!("{suffix}.") };
        inner.as_ref().unwrap_or(self).collect(&prefix, &mut seen, &mut rows, language);
        rows
    }

    fn collect(&self, prefix: &str, seen: &mut HashMap<&'a str, String>, rows: &mut Vec<Value>, language: Language) {
        for (name, required, schema) in self.properties() {
            let shape = self.to(schema);
            let (inner, suffix) = shape.inner();
            let (inner, path) = (inner.as_ref().unwrap_or(&shape), format!("{prefix}{name}{suffix}"));
            let row = shape.row(&path, required, language);
            let known = inner.name.filter(|_| !inner.properties().is_empty());
            match known.and_then(|name| seen.get(name)) {
                Some(same_as) => rows.push(context! { same_as, ..row }),
                None => {
                    rows.push(row);
                    seen.extend(known.map(|name| (name, path.clone())));
                    inner.collect(&format!("{path}."), seen, rows, language);
                }
            }
        }
    }
}

/// The items of a JSON array; none for other values.
fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

/// A range such as `1–10,000`, `≥ 0` or `≤ 50`.
fn range(min: Option<&Json>, max: Option<&Json>) -> Option<String> {
    let number = |bound: Option<&Json>| bound.and_then(Json::as_f64).map(grouped);
    match (number(min), number(max)) {
        (Some(min), Some(max)) if min == max => Some(min),
        (Some(min), Some(max)) => Some(format!("{min}–{max}")),
        (Some(min), None) => Some(format!("≥ {min}")),
        (None, Some(max)) => Some(format!("≤ {max}")),
        (None, None) => None,
    }
}

/// A number with a comma before every third digit.
pub(crate) fn grouped(number: f64) -> String {
    if number.fract() != 0.0 || number < 0.0 {
        return number.to_string();
    }
    let digits = format!("{number:.0}");
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bounds(schema: Json, language: Language) -> String {
        Shape::of(&schema, &Json::Null).bounds(language)
    }

    #[test]
    fn bounds_are_described_in_both_languages() {
        let question = json!({"type": "string", "minLength": 1, "maxLength": 10000, "pattern": "\\S"});
        assert_eq!(bounds(question.clone(), Language::English), "1–10,000 characters, not blank");
        assert_eq!(bounds(question, Language::Korean), "1–10,000자, 공백만 입력 불가");
        let features = json!({"type": "array", "maxItems": 8, "items": {"type": "string", "maxLength": 50}});
        assert_eq!(bounds(features, Language::English), "≤ 8 items, each ≤ 50 characters");
        assert_eq!(bounds(json!({"minimum": 0, "maximum": 4_294_967_295_u64}), Language::English), "0–4,294,967,295");
        assert_eq!(bounds(json!({"minimum": 0.5}), Language::English), "≥ 0.5");
    }

    #[test]
    fn fields_have_dotted_paths_and_a_shape_is_expanded_once() {
        let document = json!({"components": {"schemas": {
            "Node": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}}},
            "Document": {"allOf": [{"$ref": "#/components/schemas/Extra"}, {"type": "object", "properties": {
                "root": {"oneOf": [{"$ref": "#/components/schemas/Node", "description": "The root node."}, {"type": "null"}]}}}]},
            "Extra": {"type": "object", "properties": {
                "counts": {"type": "object", "additionalProperties": {"type": "integer"}}}},
        }}});
        let rows = Shape::named("Document", &document).fields(Language::English);
        let text = |row: &Value, key: &str| row.get_attr(key).unwrap().to_string();
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                ["parent", "leaf", "kind", "nullable", "same_as"].map(|key| text(row, key)).join(" ").trim().to_owned()
            })
            .collect();
        assert_eq!(
            rows,
            [
                "counts {…: integer} False",
                "root object True",
                "root. name string False",
                "root. children[] object[] False root"
            ]
        );
    }
}
