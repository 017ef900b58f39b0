//! Which part of a prompt is already in memory from an earlier request. No model, no llama.cpp.

/// How many tokens of `prompt` can be taken from `cached`, the tokens in memory. At least the prompt's last token is always
/// left to read, since the first token of the answer comes from it.
#[must_use]
pub fn reusable<T: PartialEq>(cached: &[T], prompt: &[T]) -> usize {
    let common = cached.iter().zip(prompt).take_while(|(a, b)| a == b).count();
    common.min(prompt.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::reusable;

    #[test]
    fn the_common_beginning_is_reused_but_never_the_whole_prompt() {
        for (cached, prompt, expected) in [
            (vec![], vec![1, 2, 3], 0),
            (vec![1, 2, 3, 9, 9], vec![1, 2, 3, 4], 3),
            (vec![7, 2, 3], vec![1, 2, 3], 0),
            (vec![1, 2, 3], vec![1, 2, 3], 2),
            (vec![1, 2, 3, 4], vec![1, 2], 1),
            (vec![1], vec![], 0),
        ] {
            assert_eq!(reusable(&cached, &prompt), expected, "{cached:?} then {prompt:?}");
        }
    }
}
