//! Fields that are a string or an array, with their schemas.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};

/// A string or an array of strings.
#[derive(Debug)]
pub(crate) enum StringOrArray {
    /// A string.
    One(String),
    /// An array.
    Many(Vec<String>),
}

impl StringOrArray {
    /// The schema of a prompt: a string or an array of one string.
    pub(crate) fn prompt() -> OneOfBuilder {
        let list = ArrayBuilder::new().items(text()).min_items(Some(1)).max_items(Some(1));
        let description =
            "The text to continue, as a string or an array of one string. An empty text is replaced by a newline.";
        OneOfBuilder::new().item(text()).item(list).description(Some(description))
    }

    /// The schema of stop sequences: null, a string, or an array.
    pub(crate) fn stop() -> OneOfBuilder {
        let list = ArrayBuilder::new().items(text()).max_items(Some(super::request::MAX_STOPS));
        let none = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null));
        let description = "Stop sequences, at most 4. The answer ends before the first one that occurs.";
        OneOfBuilder::new().item(none).item(text()).item(list).description(Some(description))
    }

    /// The only string, or `None` if there are none or several.
    pub(crate) fn one(self) -> Option<String> {
        match self {
            Self::One(text) => Some(text),
            Self::Many(mut texts) => texts.pop().filter(|_| texts.is_empty()),
        }
    }

    /// All strings.
    pub(crate) fn all(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// The content of a message: a string or an array of parts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Content {
    /// A string.
    Text(String),
    /// Parts, which are concatenated.
    Parts(Vec<ContentPart>),
}

/// A part of a message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ContentPart {
    #[serde(rename = "type")]
    #[schema(value_type = PartType)]
    kind: String,
    text: String,
}

/// The only supported type of part.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "schema of a field")]
pub(crate) enum PartType {
    /// Text.
    Text,
}

impl Content {
    /// The concatenated text.
    ///
    /// # Errors
    /// The index of the first part that is not text.
    pub(crate) fn into_text(self) -> Result<String, usize> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Parts(parts) => match parts.iter().position(|part| part.kind != "text") {
                Some(index) => Err(index),
                None => Ok(parts.into_iter().map(|part| part.text).collect()),
            },
        }
    }
}

// Not derived: serde's untagged enums buffer the value, which loses the rules of `lenient_json`, where an array is no object.
impl<'de> Deserialize<'de> for StringOrArray {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(StringOrArrayVisitor::<String>::default())? {
            Parsed::Text(text) => Self::One(text),
            Parsed::List(texts) => Self::Many(texts),
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(StringOrArrayVisitor::<ContentPart>::default())? {
            Parsed::Text(text) => Self::Text(text),
            Parsed::List(parts) => Self::Parts(parts),
        })
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

enum Parsed<T> {
    Text(String),
    List(Vec<T>),
}

struct StringOrArrayVisitor<T>(std::marker::PhantomData<T>);

impl<T> Default for StringOrArrayVisitor<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for StringOrArrayVisitor<T> {
    type Value = Parsed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Parsed::Text(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Parsed::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Parsed::List)
    }
}
