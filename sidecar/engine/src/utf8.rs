//! Incremental UTF-8 decoding: a character that is split across tokens is held back until it is complete.

/// Decoder of one answer, with the bytes of an incomplete character.
#[derive(Debug, Default)]
pub(crate) struct Utf8Decoder {
    pending: Vec<u8>,
}

impl Utf8Decoder {
    /// Appends bytes and returns all complete characters. Invalid bytes become U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
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

    /// Ends the answer: an incomplete character becomes U+FFFD.
    pub(crate) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8Decoder;

    #[test]
    fn text_does_not_depend_on_how_its_bytes_are_split() {
        let text = "중복 제거 🐍 def f(): pass é";
        for size in 1..8 {
            let mut decoder = Utf8Decoder::default();
            let mut joined: String = text.as_bytes().chunks(size).map(|bytes| decoder.push(bytes)).collect();
            joined += &decoder.finish();
            assert_eq!(joined, text, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn invalid_bytes_are_replaced_and_the_following_text_is_kept() {
        let mut decoder = Utf8Decoder::default();
        assert_eq!(decoder.push(b"a\xffb\xec"), "a\u{fffd}b");
        assert_eq!(decoder.push(b"x"), "\u{fffd}x");
        assert_eq!(decoder.push(&"한".as_bytes()[..2]), "");
        assert_eq!(decoder.finish(), "\u{fffd}");
    }
}
