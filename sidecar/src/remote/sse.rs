//! Parser of a remote server's event stream (SSE), for hostile input: bytes in; text, finish reason and token usage out.
//!
//! Other fields of an event are ignored. Lines, events, the text and the whole stream are bounded in size.

use engine::FinishReason;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Error;

/// Maximum size of a line, and of an event.
const MAX_EVENT_BYTES: usize = 256 * 1024;

/// Maximum size of the whole stream.
const MAX_STREAM_BYTES: usize = 64 * 1024 * 1024;

/// Maximum size of the answer's text.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A parsed event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StreamItem {
    /// A chunk of the answer. It may be empty: a sign of life.
    Chunk(Chunk),
    /// The end of the stream, `[DONE]`.
    Done,
}

/// The fields that are read from an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Chunk {
    /// The next text of the answer, without control characters.
    pub text: String,
    /// The natural logarithm of its probability, if the server reports it.
    pub logprob: Option<f32>,
    /// Tokens of the text; estimated as 1 if the server does not report log probabilities.
    pub tokens: usize,
    /// The finish reason, in the event that ends the answer.
    pub finish: Option<FinishReason>,
    /// Tokens of the prompt and of the answer, in the event with the token usage.
    pub usage: Option<(usize, usize)>,
}

/// An incremental parser of one stream.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    /// The incomplete line.
    line: Vec<u8>,
    /// The data of the incomplete event.
    data: Vec<u8>,
    /// Bytes received, and bytes of text among them.
    received_bytes: usize,
    text_bytes: usize,
}

impl SseParser {
    /// Parses the next bytes, and appends the completed events to `items`.
    ///
    /// # Errors
    /// If the stream is invalid or too large. The events before the invalid one are in `items`.
    pub(crate) fn push(&mut self, bytes: &[u8], items: &mut Vec<StreamItem>) -> Result<(), Error> {
        self.received_bytes += bytes.len();
        if self.received_bytes > MAX_STREAM_BYTES {
            return Err(Error::TooLarge);
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.append(&rest[..end])?;
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            items.extend(self.parse_line(line.strip_suffix(b"\r").unwrap_or(&line))?);
        }
        self.append(rest)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.line.len() + bytes.len() > MAX_EVENT_BYTES {
            return Err(Error::TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Parses a line; an empty one ends an event.
    fn parse_line(&mut self, line: &[u8]) -> Result<Option<StreamItem>, Error> {
        if !line.is_empty() {
            if let Some(data) = line.strip_prefix(b"data:") {
                if self.data.len() + data.len() > MAX_EVENT_BYTES {
                    return Err(Error::TooLarge);
                }
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            }
            return Ok(None);
        }
        let data = std::mem::take(&mut self.data);
        match data.trim_ascii() {
            b"" => Ok(None),
            b"[DONE]" => Ok(Some(StreamItem::Done)),
            json => {
                let chunk = parse_chunk(json)?;
                self.text_bytes += chunk.text.len();
                if self.text_bytes > MAX_ANSWER_BYTES {
                    Err(Error::TooLarge)
                } else {
                    Ok(Some(StreamItem::Chunk(chunk)))
                }
            }
        }
    }
}

/// A text without control characters, except line feeds and tabs.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() || matches!(char, '\n' | '\t')).collect()
}

/// The JSON of an event.
#[derive(Deserialize)]
struct ChunkJson {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u32>,
    delta: Option<Delta>,
    text: Option<String>,
    finish_reason: Option<String>,
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
}

/// Log probabilities, as chat (`content`) and text (`token_logprobs`) responses have them.
#[derive(Deserialize)]
struct Logprobs {
    content: Option<Vec<Token>>,
    token_logprobs: Option<Vec<Option<f32>>>,
}

#[derive(Deserialize)]
struct Token {
    logprob: Option<f32>,
}

fn parse_chunk(json: &[u8]) -> Result<Chunk, Error> {
    let chunk: ChunkJson = serde_json::from_slice(json).map_err(|_| Error::InvalidResponse)?;
    if chunk.error.is_some() {
        return Err(Error::ServerError);
    }
    let usage = chunk.usage.map(|usage| {
        let count = |tokens: Option<u32>| tokens.unwrap_or_default() as usize;
        (count(usage.prompt_tokens), count(usage.completion_tokens))
    });
    // One choice was requested.
    let choice = chunk.choices.into_iter().flatten().find(|choice| choice.index.unwrap_or_default() == 0);
    let Some(choice) = choice else { return Ok(Chunk { usage, ..Chunk::default() }) };
    let text = choice.delta.and_then(|delta| delta.content).or(choice.text).unwrap_or_default();
    let text = printable(&text);
    let (logprob, tokens) = choice.logprobs.map_or((None, 0), sum_logprobs);
    let finish =
        choice.finish_reason.map(|reason| if reason == "length" { FinishReason::Length } else { FinishReason::Stop });
    let tokens = if text.is_empty() { 0 } else { tokens.max(1) };
    Ok(Chunk { text, logprob, tokens, finish, usage })
}

/// The summed log probability of a chunk's tokens, `None` if one is missing or invalid, and their number.
fn sum_logprobs(logprobs: Logprobs) -> (Option<f32>, usize) {
    let chat = logprobs.content.into_iter().flatten().map(|token| token.logprob);
    let all: Vec<Option<f32>> = chat.chain(logprobs.token_logprobs.into_iter().flatten()).collect();
    let known: Option<f32> = all.iter().copied().map(|one| one.filter(|one| one.is_finite() && *one <= 0.0)).sum();
    // The sum of logarithms may overflow to minus infinity, which JSON cannot express.
    (known.filter(|sum| sum.is_finite() && !all.is_empty()), all.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(chunks: &[&[u8]]) -> Result<Vec<StreamItem>, Error> {
        let mut parser = SseParser::default();
        let mut items = Vec::new();
        for bytes in chunks {
            parser.push(bytes, &mut items)?;
        }
        Ok(items)
    }

    fn text(items: &[StreamItem]) -> String {
        items
            .iter()
            .filter_map(|one| if let StreamItem::Chunk(chunk) = one { Some(&*chunk.text) } else { None })
            .collect()
    }

    #[test]
    fn a_stream_is_parsed_however_it_is_split() {
        let stream = ": hello\r\n\r\nevent: x\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n\
            data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"가\\n\"}}]}\r\n\r\n\
            data:{\"choices\":[{\"text\":\"b\",\ndata: \"logprobs\":{\"token_logprobs\":[-0.5,-0.25]}}]}\n\n\
            data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":null}\n\n\
            data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
        for size in [1, 2, 3, 7, 1000] {
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            let items = parse(&chunks).unwrap();
            assert_eq!((text(&items).as_str(), items.len()), ("가\nb", 6), "{size}");
            let StreamItem::Chunk(second) = &items[2] else { panic!("{items:?}") };
            assert_eq!((second.logprob, second.tokens), (Some(-0.75), 2));
            let StreamItem::Chunk(end) = &items[3] else { panic!("{items:?}") };
            assert_eq!(end.finish, Some(FinishReason::Length));
            let StreamItem::Chunk(usage) = &items[4] else { panic!("{items:?}") };
            assert_eq!((usage.usage, &items[5]), (Some((3, 2)), &StreamItem::Done));
        }
    }

    #[test]
    fn only_printable_text_is_taken() {
        let event = br#"data: {"choices":[{"index":1,"delta":{"content":"not asked for"}},{"index":0,"delta":{"content":"a\u001b[31mb\u0000\u0007\u009b\tc\r\n","tool_calls":[{"function":{"name":"rm"}}],"reasoning_content":"x","html":"<script>"}}],"execute":"x","model":"other"}

"#;
        assert_eq!(text(&parse(&[event]).unwrap()), "a[31mb\tc\n");
    }

    #[test]
    fn invalid_or_oversized_streams_are_errors() {
        for (invalid, expected) in [
            (&b"data: {\"choices\":\n\n"[..], Error::InvalidResponse),
            (b"data: []\n\n", Error::InvalidResponse),
            (b"data: {\"choices\":[{\"delta\":{\"content\":7}}]}\n\n", Error::InvalidResponse),
            (b"data: \xff\xfe\n\n", Error::InvalidResponse),
            (b"data: {\"choices\":[{\"text\":\"\xff\"}]}\n\n", Error::InvalidResponse),
            (b"data: {\"error\":{\"message\":\"<b>boo</b>\"}}\n\n", Error::ServerError),
        ] {
            assert_eq!(parse(&[invalid]).unwrap_err(), expected, "{}", String::from_utf8_lossy(invalid));
        }
        let deep = format!("data: {}\n\n", "[".repeat(100_000));
        assert_eq!(parse(&[deep.as_bytes()]).unwrap_err(), Error::InvalidResponse);
        assert_eq!(parse(&[&vec![b'x'; MAX_EVENT_BYTES + 1]]).unwrap_err(), Error::TooLarge);
        let half = [b"data: ".as_slice(), &vec![b'x'; MAX_EVENT_BYTES / 2], b"\n"].concat();
        assert_eq!(parse(&[&half, &half, &half]).unwrap_err(), Error::TooLarge);
        let comments = vec![b'\n'; 1024 * 1024];
        assert_eq!(parse(&vec![&*comments; 65]).unwrap_err(), Error::TooLarge);
        let event = format!("data: {{\"choices\":[{{\"text\":\"{}\"}}]}}\n\n", "x".repeat(200_000));
        assert_eq!(parse(&vec![event.as_bytes(); 21]).unwrap_err(), Error::TooLarge);
    }

    #[test]
    fn an_invalid_or_missing_logprob_is_unknown() {
        for (logprobs, expected) in [
            ("null", None),
            ("{\"content\":[]}", None),
            ("{\"content\":[{\"logprob\":-1.0},{\"logprob\":null}]}", None),
            ("{\"content\":[{\"logprob\":5.0}]}", None),
            ("{\"token_logprobs\":[-3e38,-3e38]}", None),
            ("{\"content\":[{\"logprob\":-1.0},{\"logprob\":-0.5}]}", Some(-1.5)),
        ] {
            let event = format!("data: {{\"choices\":[{{\"text\":\"x\",\"logprobs\":{logprobs}}}]}}\n\n");
            let StreamItem::Chunk(chunk) = parse(&[event.as_bytes()]).unwrap().remove(0) else { panic!("{logprobs}") };
            assert_eq!(chunk.logprob, expected, "{logprobs}");
        }
    }
}
