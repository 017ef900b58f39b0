//! Replays the seed corpora through the fuzz targets, without libFuzzer: each file must keep its parser's properties.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("could not read `{}`: {error}", folder.display()));
    entries.map(|entry| entry.expect("a folder's entries can be read").path()).collect()
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Replays the corpus of a target and names each file first, so that the output of a failure ends with its name.
#[expect(clippy::print_stdout, reason = "the output of a failed test shows the last file")]
fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target exists");
    let files = entries(&corpora().join(name));
    assert!(!files.is_empty(), "the corpus of {name} has files");
    for file in files {
        println!("{}", file.display());
        (target.run)(&fs::read(&file).expect("a seed can be read"));
    }
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let targets: BTreeSet<PathBuf> = TARGETS.iter().map(|target| corpora().join(target.name)).collect();
    assert_eq!(entries(&corpora()).into_iter().collect::<BTreeSet<_>>(), targets);
}

#[test]
fn fim_stops_are_inside_the_text_and_independent_of_streaming() {
    replay("fim_stop");
}

#[test]
fn gguf_headers_are_read_within_bounds() {
    replay("gguf");
}

#[test]
fn lenient_json_agrees_with_strict_json() {
    replay("lenient_json");
}

#[test]
fn the_markdown_splitter_loses_no_text_and_is_independent_of_streaming() {
    replay("markdown_splitter");
}

#[test]
fn sse_events_are_independent_of_how_their_bytes_are_split() {
    replay("sse");
}
