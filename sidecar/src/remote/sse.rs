//! What a remote server streams, read as something hostile: bytes go in, and out come pieces of text, the end, and what it cost.
//!
//! Whatever else an event says is not looked at. Lines, events, and all of them together have bounds.

use engine::FinishReason;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::Failure;

/// Bytes of a line, and of an event, at most.
const LONGEST_EVENT: usize = 256 * 1024;

/// Bytes of a whole stream at most.
const LONGEST_STREAM: usize = 64 * 1024 * 1024;

/// Bytes of an answer's text at most.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// What a piece of a stream said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// An event that could be read. It may be empty, and shows that the server is at work.
    Chunk(Chunk),
    /// Nothing follows.
    End,
}

/// What is taken from an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chunk {
    /// The next piece of the answer, without control characters.
    pub text: String,
    /// The natural logarithm of its probability, where the server tells it.
    pub logprob: Option<f32>,
    /// How many tokens the piece stands for; a guess where the server does not tell.
    pub tokens: usize,
    /// Why the answer ended, in the event that ends it.
    pub finish: Option<FinishReason>,
    /// Tokens of the prompt and of the answer, in the event that tells what it cost.
    pub usage: Option<(usize, usize)>,
}

/// A stream on its way.
#[derive(Debug, Default)]
pub struct Events {
    /// The line that is being read.
    line: Vec<u8>,
    /// The data of the event that is being read.
    data: Vec<u8>,
    /// Bytes that came, and bytes of text among them.
    came: usize,
    text: usize,
}

impl Events {
    /// Takes in what came next, and adds to `said` what it says.
    ///
    /// # Errors
    /// What is wrong with it; what came before that is in `said`.
    pub fn push(&mut self, bytes: &[u8], said: &mut Vec<Said>) -> Result<(), Failure> {
        self.came += bytes.len();
        if self.came > LONGEST_STREAM {
            return Err(Failure::TooMuch);
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.grow(&rest[..end])?;
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            said.extend(self.take(line.strip_suffix(b"\r").unwrap_or(&line))?);
        }
        self.grow(rest)
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.line.len() + bytes.len() > LONGEST_EVENT {
            return Err(Failure::TooMuch);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes in a line; an empty one ends an event.
    fn take(&mut self, line: &[u8]) -> Result<Option<Said>, Failure> {
        if !line.is_empty() {
            if let Some(data) = line.strip_prefix(b"data:") {
                if self.data.len() + data.len() > LONGEST_EVENT {
                    return Err(Failure::TooMuch);
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
            b"[DONE]" => Ok(Some(Said::End)),
            json => {
                let chunk = read(json)?;
                self.text += chunk.text.len();
                if self.text > LONGEST_ANSWER { Err(Failure::TooMuch) } else { Ok(Some(Said::Chunk(chunk))) }
            }
        }
    }
}

/// A text without control characters, except the ends of lines and tabulators.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() || matches!(char, '\n' | '\t')).collect()
}

/// The event as it is written.
#[derive(Deserialize)]
struct Written {
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

/// In a conversation, and in a text.
#[derive(Deserialize)]
struct Logprobs {
    content: Option<Vec<Token>>,
    token_logprobs: Option<Vec<Option<f32>>>,
}

#[derive(Deserialize)]
struct Token {
    logprob: Option<f32>,
}

fn read(json: &[u8]) -> Result<Chunk, Failure> {
    let written: Written = serde_json::from_slice(json).map_err(|_| Failure::Garbled)?;
    if written.error.is_some() {
        return Err(Failure::Broken);
    }
    let usage = written.usage.map(|usage| {
        let count = |tokens: Option<u32>| tokens.unwrap_or_default() as usize;
        (count(usage.prompt_tokens), count(usage.completion_tokens))
    });
    // One answer was asked for.
    let choice = written.choices.into_iter().flatten().find(|choice| choice.index.unwrap_or_default() == 0);
    let Some(choice) = choice else { return Ok(Chunk { usage, ..Chunk::default() }) };
    let text = choice.delta.and_then(|delta| delta.content).or(choice.text).unwrap_or_default();
    let text = printable(&text);
    let (logprob, tokens) = choice.logprobs.map_or((None, 0), probability);
    let finish =
        choice.finish_reason.map(|why| if why == "length" { FinishReason::Length } else { FinishReason::Stop });
    let tokens = if text.is_empty() { 0 } else { tokens.max(1) };
    Ok(Chunk { text, logprob, tokens, finish, usage })
}

/// The logarithm of the probability of all tokens of a piece, and how many they are.
fn probability(logprobs: Logprobs) -> (Option<f32>, usize) {
    let chat = logprobs.content.into_iter().flatten().map(|token| token.logprob);
    let all: Vec<Option<f32>> = chat.chain(logprobs.token_logprobs.into_iter().flatten()).collect();
    let known: Option<f32> = all.iter().copied().map(|one| one.filter(|one| one.is_finite() && *one <= 0.0)).sum();
    // The sum of logarithms may overflow to minus infinity, which JSON cannot express.
    (known.filter(|sum| sum.is_finite() && !all.is_empty()), all.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<Said>, Failure> {
        let mut events = Events::default();
        let mut said = Vec::new();
        for piece in pieces {
            events.push(piece, &mut said)?;
        }
        Ok(said)
    }

    fn text(said: &[Said]) -> String {
        said.iter().filter_map(|one| if let Said::Chunk(chunk) = one { Some(&*chunk.text) } else { None }).collect()
    }

    #[test]
    fn a_stream_is_read_whatever_its_pieces_are() {
        let stream = ": hello\r\n\r\nevent: x\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n\
            data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"가\\n\"}}]}\r\n\r\n\
            data:{\"choices\":[{\"text\":\"b\",\ndata: \"logprobs\":{\"token_logprobs\":[-0.5,-0.25]}}]}\n\n\
            data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":null}\n\n\
            data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
        for size in [1, 2, 3, 7, 1000] {
            let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            let said = all(&pieces).unwrap();
            assert_eq!((text(&said).as_str(), said.len()), ("가\nb", 6), "{size}");
            let Said::Chunk(second) = &said[2] else { panic!("{said:?}") };
            assert_eq!((second.logprob, second.tokens), (Some(-0.75), 2));
            let Said::Chunk(end) = &said[3] else { panic!("{said:?}") };
            assert_eq!(end.finish, Some(FinishReason::Length));
            let Said::Chunk(usage) = &said[4] else { panic!("{said:?}") };
            assert_eq!((usage.usage, &said[5]), (Some((3, 2)), &Said::End));
        }
    }

    #[test]
    fn nothing_but_text_is_taken() {
        let event = br#"data: {"choices":[{"index":1,"delta":{"content":"not asked for"}},{"index":0,"delta":{"content":"a\u001b[31mb\u0000\u0007\u009b\tc\r\n","tool_calls":[{"function":{"name":"rm"}}],"reasoning_content":"x","html":"<script>"}}],"execute":"x","model":"other"}

"#;
        assert_eq!(text(&all(&[event]).unwrap()), "a[31mb\tc\n");
    }

    #[test]
    fn what_cannot_be_read_or_is_too_much_is_a_failure() {
        for (garbled, expected) in [
            (&b"data: {\"choices\":\n\n"[..], Failure::Garbled),
            (b"data: []\n\n", Failure::Garbled),
            (b"data: {\"choices\":[{\"delta\":{\"content\":7}}]}\n\n", Failure::Garbled),
            (b"data: \xff\xfe\n\n", Failure::Garbled),
            (b"data: {\"choices\":[{\"text\":\"\xff\"}]}\n\n", Failure::Garbled),
            (b"data: {\"error\":{\"message\":\"<b>boo</b>\"}}\n\n", Failure::Broken),
        ] {
            assert_eq!(all(&[garbled]).unwrap_err(), expected, "{}", String::from_utf8_lossy(garbled));
        }
        let deep = format!("data: {}\n\n", "[".repeat(100_000));
        assert_eq!(all(&[deep.as_bytes()]).unwrap_err(), Failure::Garbled);
        assert_eq!(all(&[&vec![b'x'; LONGEST_EVENT + 1]]).unwrap_err(), Failure::TooMuch);
        let half = [b"data: ".as_slice(), &vec![b'x'; LONGEST_EVENT / 2], b"\n"].concat();
        assert_eq!(all(&[&half, &half, &half]).unwrap_err(), Failure::TooMuch);
        let comments = vec![b'\n'; 1024 * 1024];
        assert_eq!(all(&vec![&*comments; 65]).unwrap_err(), Failure::TooMuch);
        let event = format!("data: {{\"choices\":[{{\"text\":\"{}\"}}]}}\n\n", "x".repeat(200_000));
        assert_eq!(all(&vec![event.as_bytes(); 21]).unwrap_err(), Failure::TooMuch);
    }

    #[test]
    fn a_probability_that_is_none_is_not_taken_for_one() {
        for (logprobs, expected) in [
            ("null", None),
            ("{\"content\":[]}", None),
            ("{\"content\":[{\"logprob\":-1.0},{\"logprob\":null}]}", None),
            ("{\"content\":[{\"logprob\":5.0}]}", None),
            ("{\"token_logprobs\":[-3e38,-3e38]}", None),
            ("{\"content\":[{\"logprob\":-1.0},{\"logprob\":-0.5}]}", Some(-1.5)),
        ] {
            let event = format!("data: {{\"choices\":[{{\"text\":\"x\",\"logprobs\":{logprobs}}}]}}\n\n");
            let Said::Chunk(chunk) = all(&[event.as_bytes()]).unwrap().remove(0) else { panic!("{logprobs}") };
            assert_eq!(chunk.logprob, expected, "{logprobs}");
        }
    }
}
