//! RequestFacts a schema of the API's description says of a value: its type, its bounds and its fields.

use std::collections::{BTreeSet, HashMap};

use minijinja::{Value, context};
use serde_json::Value as Json;

use crate::base::i18n::Language;

/// A schema with its references followed, its parts side by side.
pub struct Shape<'a> {
    /// The name that the description has for it.
    pub name: Option<&'a str>,
    /// Whether null is a value, too.
    nullable: bool,
    parts: Vec<&'a Json>,
    document: &'a Json,
}

impl<'a> Shape<'a> {
    /// Of a schema in `document`.
    pub fn of(schema: &'a Json, document: &'a Json) -> Self {
        let mut shape = Self { name: None, nullable: false, parts: Vec::new(), document };
        shape.resolve_refs(schema);
        shape
    }

    /// Of a schema within this one.
    pub fn to(&self, schema: &'a Json) -> Self {
        Self::of(schema, self.document)
    }

    /// Of the schema that the description has under this name.
    pub fn named(name: &'a str, document: &'a Json) -> Self {
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

    /// RequestFacts the outermost part says that says anything.
    pub fn get(&self, key: &str) -> Option<&'a Json> {
        self.parts.iter().find_map(|part| part.get(key))
    }

    /// Its description, or nothing.
    pub fn description(&self) -> &'a str {
        self.get("description").and_then(Json::as_str).unwrap_or_default()
    }

    /// The shape of each item, where it is a list.
    pub fn items(&self) -> Option<Self> {
        self.get("items").map(|items| self.to(items))
    }

    /// The shape of each value, where it is an object whose field names are open.
    fn values(&self) -> Option<Self> {
        let values =
            self.get("additionalProperties").filter(|values| values.as_object().is_some_and(|it| !it.is_empty()));
        values.map(|values| self.to(values))
    }

    /// The fields of an object: name, whether it has to be there, and schema. Those that have to be there come first.
    pub fn properties(&self) -> Vec<(&'a str, bool, &'a Json)> {
        let required: Vec<&Json> = self.parts.iter().flat_map(|part| list(&part["required"])).collect();
        let fields = self.parts.iter().filter_map(|part| part["properties"].as_object()).flatten();
        let mut fields: Vec<_> =
            fields.map(|(name, schema)| (name.as_str(), required.iter().any(|it| **it == *name), schema)).collect();
        fields.sort_by_key(|(name, required, _)| (!required, name.to_lowercase()));
        fields
    }

    /// The type in a word or two, such as `string`, `integer | null` or `object[]`.
    pub fn kind(&self) -> String {
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
        // Lower-case names sort `null` before `number` and the rest; it belongs at the end.
        let mut kinds: Vec<String> = kinds.into_iter().collect();
        kinds.sort_by_key(|kind| kind == "null");
        if kinds.is_empty() { "any".to_owned() } else { kinds.join(" | ") }
    }

    /// The bounds of its values in words.
    pub fn bounds(&self, language: Language) -> String {
        let korean = language == Language::Korean;
        let unit = |ko, en| if korean { ko } else { en };
        let mut bounds = Vec::new();
        for (least, most, unit) in [
            ("minLength", "maxLength", unit("자", " characters")),
            ("minimum", "maximum", ""),
            ("minItems", "maxItems", unit("개", " items")),
        ] {
            bounds.extend(range(self.get(least), self.get(most)).map(|range| format!("{range}{unit}")));
        }
        match self.get("pattern").and_then(Json::as_str) {
            Some("\\S") => bounds.push(unit("공백만은 안 됨", "not blank").to_owned()),
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

    /// A row of a table for this shape.
    pub fn row(&self, path: &str, required: bool, language: Language) -> Value {
        let (parent, leaf) = path.rfind('.').map_or(("", path), |dot| path.split_at(dot + 1));
        let (inner, kind) = (self.inner(), self.kind());
        let words =
            inner.0.as_ref().unwrap_or(self).get("enum").map(list).into_iter().flatten().filter_map(Json::as_str);
        let default = self.get("default").filter(|default| !default.is_null()).map(ToString::to_string);
        context! {
            parent, leaf, required, nullable => self.nullable, kind => kind.trim_end_matches(" | null"), bounds => self.bounds(language), description => self.description(),
            words => words.map(str::to_owned).collect::<Vec<_>>(), default => default.unwrap_or_default(), same_as => "", place => "",
        }
    }

    /// The shape within lists and open objects, if it is one, with what its path ends in.
    fn inner(&self) -> (Option<Self>, String) {
        let (within, mark) = match (self.items(), self.values()) {
            (Some(items), _) => (items, "[]"),
            (None, Some(values)) if !values.properties().is_empty() => (values, ".*"),
            _ => return (None, String::new()),
        };
        let (deeper, rest) = within.inner();
        (Some(deeper.unwrap_or(within)), format!("{mark}{rest}"))
    }

    /// Its fields as rows of a table, those of fields by dotted paths. A shape that is there already is only referred to.
    pub fn fields(&self, language: Language) -> Vec<Value> {
        let (mut rows, mut seen) = (Vec::new(), HashMap::new());
        let (inner, mark) = self.inner();
        let prefix = if mark.is_empty() { mark } else { format!("{mark}.") };
        inner.as_ref().unwrap_or(self).collect(&prefix, &mut seen, &mut rows, language);
        rows
    }

    fn collect(&self, prefix: &str, seen: &mut HashMap<&'a str, String>, rows: &mut Vec<Value>, language: Language) {
        for (name, required, schema) in self.properties() {
            let shape = self.to(schema);
            let (inner, mark) = shape.inner();
            let (inner, path) = (inner.as_ref().unwrap_or(&shape), format!("{prefix}{name}{mark}"));
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

/// The items of a JSON list; none, if it is something else.
fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

/// A range such as `1–10,000`, `≥ 0` or `≤ 50`.
fn range(least: Option<&Json>, most: Option<&Json>) -> Option<String> {
    let number = |bound: Option<&Json>| bound.and_then(Json::as_f64).map(grouped);
    match (number(least), number(most)) {
        (Some(least), Some(most)) if least == most => Some(least),
        (Some(least), Some(most)) => Some(format!("{least}–{most}")),
        (Some(least), None) => Some(format!("≥ {least}")),
        (None, Some(most)) => Some(format!("≤ {most}")),
        (None, None) => None,
    }
}

/// A number with a comma before every third digit.
pub fn grouped(number: f64) -> String {
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
    fn bounds_are_words_in_both_languages() {
        let question = json!({"type": "string", "minLength": 1, "maxLength": 10000, "pattern": "\\S"});
        assert_eq!(bounds(question.clone(), Language::English), "1–10,000 characters, not blank");
        assert_eq!(bounds(question, Language::Korean), "1–10,000자, 공백만은 안 됨");
        let features = json!({"type": "array", "maxItems": 8, "items": {"type": "string", "maxLength": 50}});
        assert_eq!(bounds(features, Language::English), "≤ 8 items, each ≤ 50 characters");
        assert_eq!(bounds(json!({"minimum": 0, "maximum": 4_294_967_295_u64}), Language::English), "0–4,294,967,295");
        assert_eq!(bounds(json!({"minimum": 0.5}), Language::English), "≥ 0.5");
    }

    #[test]
    fn fields_are_dotted_paths_and_a_shape_is_told_once() {
        let document = json!({"components": {"schemas": {
            "Node": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}}},
            "Whole": {"allOf": [{"$ref": "#/components/schemas/Extra"}, {"type": "object", "properties": {
                "root": {"oneOf": [{"$ref": "#/components/schemas/Node", "description": "Where it begins."}, {"type": "null"}]}}}]},
            "Extra": {"type": "object", "properties": {
                "counts": {"type": "object", "additionalProperties": {"type": "integer"}}}},
        }}});
        let rows = Shape::named("Whole", &document).fields(Language::English);
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
