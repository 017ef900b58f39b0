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
