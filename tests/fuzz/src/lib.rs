//! The fuzz targets: each feeds bytes to a parser of untrusted input and panics if one of the parser's properties does not hold.

mod gguf;

/// A fuzz target.
#[derive(Debug)]
pub struct Target {
    /// Its name, which is also the folder of its seed corpus.
    pub name: &'static str,
    /// Checks one input; panics if a property does not hold.
    pub run: fn(&[u8]),
}

/// All fuzz targets.
pub const TARGETS: &[Target] = &[
    Target { name: "fim_stop", run: sidecar::fuzzing::fim_stop },
    Target { name: "gguf", run: gguf::gguf },
    Target { name: "lenient_json", run: sidecar::fuzzing::lenient_json },
    Target { name: "markdown_splitter", run: sidecar::fuzzing::markdown_splitter },
    Target { name: "sse", run: sidecar::fuzzing::sse },
];
