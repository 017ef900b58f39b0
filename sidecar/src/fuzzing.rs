//! Fuzz targets of the sidecar's parsers of untrusted input, for `tests/fuzz`: each panics if a property does not hold.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::assistant::complete::stop::{CompletionStop, after_indent, open_indent};
use crate::assistant::generate::markdown_splitter::{BlockStart, Piece, Splitter};
use crate::assistant::generate::task::AnswerShape;
use crate::http::extract::lenient_json::Json;
use crate::remote::Error;
use crate::remote::sse::{SseParser, StreamItem};

/// SSE parser for remote servers: the events do not depend on how the stream is split into packets, and contain no control characters.
pub fn sse(bytes: &[u8]) {
    let (events, result) = parse_sse(&[bytes]);
    for size in chunk_sizes(bytes.len()) {
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        assert_eq!(parse_sse(&chunks), (events.clone(), result), "in chunks of {size}");
    }
    for event in events {
        let StreamItem::Chunk(chunk) = event else { continue };
        assert!(chunk.text.chars().all(|char| !char.is_control() || matches!(char, '\n' | '\t')), "{chunk:?}");
        assert_eq!(chunk.tokens == 0, chunk.text.is_empty(), "tokens are counted for text only: {chunk:?}");
        assert!(chunk.logprob.is_none_or(|logarithm| logarithm <= 0.0 && logarithm.is_finite()), "{chunk:?}");
    }
}

/// Sizes, in bytes or characters, of the pieces in which a parser receives an input of `length`. Small pieces are skipped for long
/// inputs, of which libFuzzer would try too few.
fn chunk_sizes(length: usize) -> impl Iterator<Item = usize> {
    [1, 2, 7, 50].into_iter().filter(move |size| length <= 512 * size)
}

fn parse_sse(chunks: &[&[u8]]) -> (Vec<StreamItem>, Result<(), Error>) {
    let (mut parser, mut events) = (SseParser::default(), Vec::new());
    let result = chunks.iter().try_for_each(|chunk| parser.push(chunk, &mut events));
    (events, result)
}

/// Lenient JSON deserializer: agrees with serde_json, except that it accepts floats without a fraction as integers, and rejects arrays
/// for structs and objects for enums.
pub fn lenient_json(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return };
    let integers = with_integers(json.clone());
    assert_eq!(Value::deserialize(Json(json.clone())).expect("JSON is a value"), integers);

    let strict = serde_json::from_value::<Sample>(integers).map_err(drop);
    let lenient = Sample::deserialize(Json(json.clone())).map_err(drop);
    let rejected = json.is_array() || json["object"].is_array() || json["word"].is_object();
    if rejected {
        assert_eq!(lenient, Err(()), "only serde_json accepts {json}");
    } else {
        assert_eq!(lenient, strict, "{json}");
        if let Ok(raw) = serde_json::from_value::<Sample>(json) {
            assert_eq!(lenient, Ok(raw));
        }
    }
}

/// A struct with a field of each type that request bodies use.
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

/// Replaces floats without a fraction by integers, up to 2^53: above it, not every integer is a float.
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

/// Stop detection of FIM completions, for an input of prefix, NUL and completion: the stop is a character boundary of the completion
/// and does not depend on streaming. Of the completion only the indentation before the cursor is removed.
pub fn fim_stop(bytes: &[u8]) {
    let input = String::from_utf8_lossy(bytes);
    let (prefix, completion) = input.split_once('\0').unwrap_or(("", &input));
    let indent = open_indent(prefix);
    assert!(prefix.ends_with(indent));
    let rest = after_indent(completion, indent);
    let removed = completion.strip_suffix(rest).expect("the rest is the end of the completion");
    assert!(indent.starts_with(removed));

    for multiline in [false, true] {
        let stop = CompletionStop::new(prefix, multiline);
        let end = stop.find(completion);
        assert!(end.is_none_or(|end| completion.is_char_boundary(end)), "the stop {end:?} is no character boundary");
        for size in chunk_sizes(completion.len()) {
            let streamed = ends(completion, size).find_map(|length| stop.find(&completion[..length]));
            assert_eq!(streamed, end, "in pieces of {size} with multiline = {multiline}");
        }
    }
}

/// The lengths in bytes that a text has after each piece, when it is streamed in pieces of `size` characters.
fn ends(text: &str, size: usize) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(start, _)| start).skip(size).step_by(size).chain([text.len()])
}

/// Markdown splitter: code and explanation do not depend on streaming, and contain all text of the answer except fences.
pub fn markdown_splitter(bytes: &[u8]) {
    let answer = String::from_utf8_lossy(bytes);
    for shape in [AnswerShape::CodeAndWords, AnswerShape::Words] {
        let split = split_markdown(shape, &answer, usize::MAX);
        for size in chunk_sizes(answer.len()) {
            assert_eq!(split_markdown(shape, &answer, size), split, "in pieces of {size}");
        }
        let text = without_white_space(&answer);
        for part in [&split.code, &split.explanation] {
            assert!(is_subsequence(&without_white_space(part), &text), "{part:?} is in the answer's order");
        }
        let is_fence =
            |line: &&str| shape == AnswerShape::CodeAndWords && (line.contains("```") || line.contains("~~~"));
        let max = count(&text);
        let min = count(&answer.split('\n').filter(|line| !is_fence(line)).collect::<String>());
        let split = count(&format!("{}{}", split.code, split.explanation));
        for (char, max) in max {
            let [min, count] = [&min, &split].map(|counts| counts.get(&char).copied().unwrap_or(0));
            assert!((min..=max).contains(&count), "{char:?} occurs {count} times instead of {min} to {max}");
        }
    }
}

fn without_white_space(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace()).collect()
}

fn is_subsequence(part: &str, text: &str) -> bool {
    let mut rest = text.chars();
    part.chars().all(|char| rest.any(|other| other == char))
}

/// The occurrences of each character in a text, except white space.
fn count(text: &str) -> BTreeMap<char, usize> {
    let mut counts = BTreeMap::new();
    for char in without_white_space(text).chars() {
        *counts.entry(char).or_default() += 1;
    }
    counts
}

/// A split answer.
#[derive(Debug, Default, PartialEq)]
struct Split {
    code: String,
    explanation: String,
    blocks: Vec<BlockStart>,
}

/// Splits an answer that is streamed in pieces of at most `size` characters.
fn split_markdown(shape: AnswerShape, answer: &str, size: usize) -> Split {
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
    assert_eq!(
        (&*split.code, &*split.explanation),
        (splitter.code(), splitter.explanation()),
        "the pieces are the code and the explanation"
    );
    split
}
