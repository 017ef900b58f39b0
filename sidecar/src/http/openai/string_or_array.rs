//! Fields that are a text or a list, each with a description that says so.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};

/// A text, or a list of texts.
#[derive(Debug)]
pub enum StringOrArray {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl StringOrArray {
    /// The description of a prompt: one text, also as a list.
    pub fn prompt() -> OneOfBuilder {
        let list = ArrayBuilder::new().items(text()).min_items(Some(1)).max_items(Some(1));
        let description = "The text to go on with, also as a list of one text. An empty one begins with an empty line.";
        OneOfBuilder::new().item(text()).item(list).description(Some(description))
    }

    /// The description of stop strings: none, one, or a list.
    pub fn stop() -> OneOfBuilder {
        let list = ArrayBuilder::new().items(text()).max_items(Some(super::request::STOPS));
        let none = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null));
        let description = "The answer ends before the first of these, at most four.";
        OneOfBuilder::new().item(none).item(text()).item(list).description(Some(description))
    }

    /// The text, where it is one.
    pub fn one(self) -> Option<String> {
        match self {
            Self::One(text) => Some(text),
            Self::Many(mut texts) => texts.pop().filter(|_| texts.is_empty()),
        }
    }

    /// All of them.
    pub fn all(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// RequestFacts was said: a text, or a list of parts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    /// A text.
    Text(String),
    /// Parts, which are read one after another.
    Parts(Vec<ContentPart>),
}

/// A part of a message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ContentPart {
    #[serde(rename = "type")]
    #[schema(value_type = PartType)]
    kind: String,
    text: String,
}

/// The only kind of part that is read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes a field")]
pub enum PartType {
    /// Text.
    Text,
}

impl Content {
    /// The text of all parts.
    ///
    /// # Errors
    /// The first part that is no text, counted from 0.
    pub fn into_text(self) -> Result<String, usize> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Parts(parts) => match parts.iter().position(|part| part.kind != "text") {
                Some(index) => Err(index),
                None => Ok(parts.into_iter().map(|part| part.text).collect()),
            },
        }
    }
}

// Written out, since serde's untagged enums forget the rules by which the body is read: there, a list is no object.
impl<'de> Deserialize<'de> for StringOrArray {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(TextOrList::<String>::default())? {
            Either::Text(text) => Self::One(text),
            Either::List(texts) => Self::Many(texts),
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(TextOrList::<ContentPart>::default())? {
            Either::Text(text) => Self::Text(text),
            Either::List(parts) => Self::Parts(parts),
        })
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

enum Either<T> {
    Text(String),
    List(Vec<T>),
}

struct TextOrList<T>(std::marker::PhantomData<T>);

impl<T> Default for TextOrList<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrList<T> {
    type Value = Either<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Either::Text(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Either::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Either::List)
    }
}
