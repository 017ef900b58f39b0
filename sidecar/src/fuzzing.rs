//! Fuzz targets of the sidecar's parsers of untrusted input, for `tests/fuzz`: each panics if a property does not hold.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::complete::ending::{Ending, after_indent, open_indent};
use crate::generate::kind::Shape;
use crate::generate::split::{Opened, Piece, Splitter};
use crate::http::json::Json;
use crate::remote::events::{Events, Said};
use crate::remote::failure::Failure;

/// The SSE parser of remote servers: how the bytes are split into packets does not change the events, and these are clean.
pub fn sse(bytes: &[u8]) {
    let (events, result) = parse_sse(&[bytes]);
    for size in CHUNK_SIZES {
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        assert_eq!(parse_sse(&chunks), (events.clone(), result), "in chunks of {size}");
    }
    for event in events {
        let Said::Chunk(chunk) = event else { continue };
        assert!(chunk.text.chars().all(|char| !char.is_control() || matches!(char, '\n' | '\t')), "{chunk:?}");
        assert_eq!(chunk.tokens == 0, chunk.text.is_empty(), "a text has tokens: {chunk:?}");
        assert!(chunk.log_probability.is_none_or(|logarithm| logarithm <= 0.0 && logarithm.is_finite()), "{chunk:?}");
    }
}

/// Bytes or characters of the pieces in which a stream is fed to a parser.
const CHUNK_SIZES: [usize; 4] = [1, 2, 7, 50];

fn parse_sse(chunks: &[&[u8]]) -> (Vec<Said>, Result<(), Failure>) {
    let (mut parser, mut events) = (Events::default(), Vec::new());
    let result = chunks.iter().try_for_each(|chunk| parser.push(chunk, &mut events));
    (events, result)
}

/// The lenient JSON deserializer: it reads what serde_json reads, but no object from a list and no word from an object, and takes
/// floats without a fraction as integers.
pub fn lenient_json(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return };
    let integers = with_integers(json.clone());
    assert_eq!(Value::deserialize(Json(json.clone())).expect("JSON is a value"), integers);

    let strict = serde_json::from_value::<Sample>(integers).map_err(drop);
    let lenient = Sample::deserialize(Json(json.clone())).map_err(drop);
    let refused = json.is_array() || json["object"].is_array() || json["word"].is_object();
    if refused {
        assert_eq!(lenient, Err(()), "only serde_json takes {json}");
    } else {
        assert_eq!(lenient, strict, "{json}");
        if let Ok(raw) = serde_json::from_value::<Sample>(json) {
            assert_eq!(lenient, Ok(raw));
        }
    }
}

/// A type with all that request bodies have.
#[derive(Debug, PartialEq, Deserialize)]
struct Sample {
    natural: Option<u32>,
    integer: Option<i64>,
    float: Option<f64>,
    single: Option<f32>,
    text: Option<String>,
    truth: Option<bool>,
    word: Option<Word>,
    object: Option<Object>,
    list: Option<Vec<i16>>,
    pair: Option<(u8, String)>,
    map: Option<BTreeMap<String, u64>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Object {
    natural: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    First,
    Second,
}

/// JSON whose floats without a fraction are integers, up to 2^53, above which floats skip integers.
fn with_integers(json: Value) -> Value {
    match json {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() <= 2_f64.powi(53) => Value::from(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(with_integers).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, with_integers(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// The stop of a FIM completion, for an input of prefix, NUL and completion: it is a place inside the completion, and the same
/// while the completion is being streamed. The indentation before the cursor is removed, and nothing else.
pub fn fim_stop(bytes: &[u8]) {
    let input = String::from_utf8_lossy(bytes);
    let (prefix, completion) = input.split_once('\0').unwrap_or(("", &input));
    let indent = open_indent(prefix);
    assert!(prefix.ends_with(indent));
    let rest = after_indent(completion, indent);
    let removed = completion.strip_suffix(rest).expect("the rest is the end of the completion");
    assert!(indent.starts_with(removed));

    for several_lines in [false, true] {
        let ending = Ending::new(prefix, several_lines);
        let end = ending.of(completion);
        assert!(end.is_none_or(|end| completion.is_char_boundary(end)), "{end:?} is inside the completion");
        for size in CHUNK_SIZES {
            let streamed = ends(completion, size).find_map(|length| ending.of(&completion[..length]));
            assert_eq!(streamed, end, "in pieces of {size}, several lines: {several_lines}");
        }
    }
}

/// The lengths in bytes that a text has as it is streamed in pieces of `size` characters.
fn ends(text: &str, size: usize) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(start, _)| start).skip(size).step_by(size).chain([text.len()])
}

/// The markdown splitter: how the answer is streamed does not change its code and explanation, and no text is lost but fences.
pub fn markdown_splitter(bytes: &[u8]) {
    let answer = String::from_utf8_lossy(bytes);
    for shape in [Shape::CodeAndWords, Shape::Words] {
        let split = split_markdown(shape, &answer, usize::MAX);
        for size in CHUNK_SIZES {
            assert_eq!(split_markdown(shape, &answer, size), split, "in pieces of {size}");
        }
        let is_fence = |line: &&str| shape == Shape::CodeAndWords && (line.contains("```") || line.contains("~~~"));
        let (all, kept) = (count(&answer), count(&answer.lines().filter(|line| !is_fence(line)).collect::<String>()));
        let split = count(&format!("{}{}", split.code, split.explanation));
        for (char, most) in all {
            let (least, count) = (kept.get(&char).copied().unwrap_or(0), split.get(&char).copied().unwrap_or(0));
            assert!((least..=most).contains(&count), "{char:?} is there {count} times, of {least} to {most}");
        }
    }
}

/// How often each character is in a text; white space does not count.
fn count(text: &str) -> BTreeMap<char, usize> {
    let mut counts = BTreeMap::new();
    for char in text.chars().filter(|char| !char.is_whitespace()) {
        *counts.entry(char).or_default() += 1;
    }
    counts
}

/// An answer after splitting.
#[derive(Debug, Default, PartialEq)]
struct Split {
    code: String,
    explanation: String,
    blocks: Vec<Opened>,
}

/// Splits an answer that is streamed in pieces of at most `size` characters.
fn split_markdown(shape: Shape, answer: &str, size: usize) -> Split {
    let (mut splitter, mut split) = (Splitter::of(shape, "python"), Split::default());
    let mut start = 0;
    let mut pieces = Vec::new();
    for end in ends(answer, size) {
        pieces.extend(splitter.push(&answer[start..end]));
        start = end;
    }
    pieces.extend(splitter.finish());
    for piece in pieces {
        match piece {
            Piece::Code { text, opens } => {
                assert!(!text.is_empty());
                assert_eq!(opens.as_ref().map_or(split.blocks.len(), |opened| opened.block), split.blocks.len());
                split.code.push_str(&text);
                split.blocks.extend(opens);
            }
            Piece::Explanation(text) => split.explanation.push_str(&text),
        }
    }
    assert_eq!((&*split.code, &*split.explanation), (splitter.code(), splitter.explanation()), "all pieces are sent");
    split
}
