//! The prose of the sources: each file opens with a sentence that says what it is.

use crate::files;

#[test]
fn every_rust_file_opens_by_saying_what_it_is() {
    for folder in ["sidecar", "src-tauri", "tests", "xtask"] {
        for (path, text) in files(folder, &[".rs"]) {
            let text = text
                .trim_start_matches("#![cfg_attr(not(debug_assertions), windows_subsystem = \"windows\")]")
                .trim_start();
            assert!(text.starts_with("//! "), "{path} begins with a sentence that says what it is");
        }
    }
}

/// A test file of the window is named after the file that it tests, and generated files have their own heads.
#[test]
fn every_source_file_of_the_window_opens_by_saying_what_it_is() {
    for (path, text) in files("ui/src", &[".ts", ".svelte"]) {
        if !path.ends_with(".test.ts") {
            let comment = ["// ", "/** ", "/**\n", "<!--"].iter().any(|start| text.trim_start().starts_with(start));
            assert!(comment, "{path} begins with a comment that says what it is");
        }
    }
}

/// Words of an earlier vocabulary that have no ordinary meaning in this code, and the term to use instead.
const OLD_VOCABULARY: [(&str, &str); 9] = [
    ("begun", "started, or partial"),
    ("dice", "the sampler"),
    ("keeper", "the loader"),
    ("nobody", "name who: no client, no request"),
    ("seat", "the role, or the assignment"),
    ("somebody", "name who: the client, the user"),
    ("spoken", "sent, or generated"),
    ("untold", "unknown, as an `Option`"),
    ("whoever", "name who: the client, the user"),
];

/// The words of a text in lower case. `SeatOf` and `seat_of` are the words `seat` and `of` each.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut after_lower) = (Vec::new(), String::new(), false);
    for char in text.chars().chain([' ']) {
        if !char.is_alphabetic() || (char.is_uppercase() && after_lower) {
            words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        }
        if char.is_alphabetic() {
            word.extend(char.to_lowercase());
        }
        after_lower = char.is_lowercase();
    }
    words
}

#[test]
fn the_old_vocabulary_is_gone() {
    let mut found = Vec::new();
    for (path, text) in ["sidecar", "src-tauri"].iter().flat_map(|folder| files(folder, &[".rs"])) {
        for (number, line) in text.lines().enumerate() {
            for word in words(line) {
                let singular = word.strip_suffix('s').unwrap_or(&word);
                if let Some((old, term)) = OLD_VOCABULARY.iter().find(|(old, _)| *old == singular) {
                    found.push(format!("{path}:{}: `{old}`; instead: {term}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}\n{} found", found.join("\n"), found.len());
}

#[test]
fn identifiers_are_split_into_words() {
    assert_eq!(words("SeatOf seat_of(Nobody's)"), ["seat", "of", "seat", "of", "nobody", "s"]);
    assert_eq!(words("// Whoever asks: dice, seats."), ["whoever", "asks", "dice", "seats"]);
    assert_eq!(words("HTTPServer x2 지금"), ["httpserver", "x", "지금"]);
}
