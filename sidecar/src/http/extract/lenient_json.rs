//! JSON deserializer by the rules of JSON Schema: an array is never an object, and `4.0` is an integer.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Error, Value};

/// 2^53: up to this, a float without a fraction is exactly the integer that was written.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_992.0;

/// A JSON value to deserialize by these rules.
pub(crate) struct Json(pub Value);

impl<'de> IntoDeserializer<'de, Error> for Json {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Json));
                let value = visitor.visit_seq(&mut items)?;
                // A tuple has a fixed length: more elements are an error, as in serde_json.
                items.end()?;
                Ok(value)
            }
            Value::Object(fields) => {
                visitor.visit_map(MapDeserializer::new(fields.into_iter().map(|(name, value)| (name, Json(value)))))
            }
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(integer), ..) => visitor.visit_u64(integer),
                (None, Some(integer), _) => visitor.visit_i64(integer),
                (.., float) => {
                    let float = float.unwrap_or(f64::NAN);
                    if float.fract() == 0.0 && float.abs() <= MAX_SAFE_INTEGER {
                        return if float < 0.0 {
                            visitor.visit_i64(float as i64)
                        } else {
                            visitor.visit_u64(float as u64)
                        };
                    }
                    visitor.visit_f64(float)
                }
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.0.is_object() {
            return self.deserialize_any(visitor);
        }
        Err(Error::invalid_type(unexpected(&self.0), &"an object"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(variant) => visitor.visit_enum(variant.into_deserializer()),
            other => Err(Error::invalid_type(unexpected(&other), &"a string")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The type of a value, for serde's error message.
fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        count: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        inner: Option<Inner>,
        share: f32,
    }

    fn read(json: &str) -> Result<Outer, String> {
        Outer::deserialize(Json(serde_json::from_str(json).unwrap())).map_err(|error| error.to_string())
    }

    #[test]
    fn an_integer_may_be_written_as_a_float_without_a_fraction() {
        let expected = Outer { inner: Some(Inner { count: 4 }), share: 1.0 };
        assert_eq!(read(r#"{"inner": {"count": 4.0}, "share": 1}"#), Ok(expected));
        assert!(read(r#"{"inner": {"count": 4.5}, "share": 1}"#).is_err());
        assert!(read(r#"{"inner": {"count": -1.0}, "share": 1}"#).is_err());
    }

    #[test]
    fn a_tuple_has_no_surplus_elements() {
        let read = |json: &str| <(u8, String)>::deserialize(Json(serde_json::from_str(json).unwrap()));
        assert_eq!(read(r#"[4.0, "a"]"#).unwrap(), (4, "a".to_owned()));
        assert!(read(r#"[4, "a", "b"]"#).is_err());
        assert!(read("[4]").is_err());
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        for json in ["[null, 1.0]", r#"{"inner": [4], "share": 1.0}"#, "null", "\"text\""] {
            assert!(read(json).unwrap_err().contains("expected an object"), "{json}");
        }
    }
}
