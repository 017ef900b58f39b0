//! Bytes to text as they come: a character that is split across tokens waits until it is whole.

/// The bytes of one answer that are not a whole character yet.
#[derive(Debug, Default)]
pub(crate) struct Utf8Decoder {
    pending: Vec<u8>,
}

impl Utf8Decoder {
    /// Takes the next bytes and gives back all whole characters. Bytes that can never become one turn into U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(std::str::from_utf8(valid).expect("valid up to here"));
                    let Some(invalid) = error.error_len() else {
                        rest = after;
                        break;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[invalid..];
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// The end of the answer: half a character that was never finished becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8Decoder;

    #[test]
    fn text_is_the_same_however_its_bytes_are_split() {
        let text = "중복 제거 🐍 def f(): pass é";
        for size in 1..8 {
            let mut decoder = Utf8Decoder::default();
            let mut joined: String = text.as_bytes().chunks(size).map(|bytes| decoder.push(bytes)).collect();
            joined += &decoder.finish();
            assert_eq!(joined, text, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_marked_and_do_not_swallow_what_follows() {
        let mut decoder = Utf8Decoder::default();
        assert_eq!(decoder.push(b"a\xffb\xec"), "a\u{fffd}b");
        assert_eq!(decoder.push(b"x"), "\u{fffd}x");
        assert_eq!(decoder.push(&"한".as_bytes()[..2]), "");
        assert_eq!(decoder.finish(), "\u{fffd}");
    }
}
