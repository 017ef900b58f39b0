//! The layers of the sidecar: a module imports only from layers below its own, so that no circle of modules is possible.

use std::collections::BTreeSet;

use crate::Source;
use crate::imports::{imports, module_path};

/// The source roots that the table covers. A package that is one layer as a whole need not be here: Cargo keeps its arrows.
const SOURCES: &[&str] = &["sidecar/src"];

/// The layers, from the bottom. A module may import from the layers below it, and from the modules to its left in its own layer.
/// `lib.rs` and `main.rs` are above all of them.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["store", "metrics"],
    &["system"],
    &["settings"],
    &["config"],
    &["logging", "instance", "tls", "access", "remote", "models", "hub"],
    &["inference"],
    &["assistant"],
    &["doctor"],
    &["http"],
    &["server"],
    &["cli"],
    &["fuzzing"],
];

/// Arrows that point upwards still: module -> module. This list only shrinks: an exception that no import needs fails the test.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Modules that are still outside their place in the layout, and the module whose layer they have. This list only shrinks too.
const MOVING: &[(&str, &str)] = &[];

struct Rules<'a> {
    layers: &'a [&'a [&'a str]],
    exceptions: &'a [(&'a str, &'a str)],
    moving: &'a [(&'a str, &'a str)],
}

impl Rules<'_> {
    /// The module that stands for this one in the table.
    fn place<'a>(&'a self, module: &'a str) -> &'a str {
        self.moving.iter().find(|(old, _)| *old == module).map_or(module, |(_, place)| place)
    }

    /// How high a module stands: its layer, and its position in it.
    fn rank(&self, module: &str) -> Option<(usize, usize)> {
        self.layers.iter().enumerate().find_map(|(layer, modules)| {
            modules.iter().position(|known| *known == module).map(|position| (layer, position))
        })
    }

    /// What breaks the rules in these sources, whose paths begin with one of `roots`.
    fn violations(&self, roots: &[&str], sources: &[Source]) -> Vec<String> {
        let (mut violations, mut needed, mut modules) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for (path, text) in sources {
            let below = roots.iter().find_map(|root| path.strip_prefix(root)?.strip_prefix('/'));
            let module = module_path(below.expect("a source is below its root"));
            // The root of a crate is above all modules.
            let Some(from) = module.first() else { continue };
            modules.insert(from.clone());
            let from = self.place(from);
            for import in imports(text, &module).unwrap_or_else(|error| panic!("{path}: {error}")) {
                let to = self.place(&import.module);
                if from == to {
                    continue;
                }
                let arrow = format!("{path}:{}: `{}` -> `{}`", import.line, module[0], import.module);
                match (self.rank(from), self.rank(to)) {
                    (Some(lower), Some(upper)) if lower < upper => {
                        let exception = self.exceptions.iter().find(|exception| **exception == (from, to));
                        match exception {
                            Some(exception) => drop(needed.insert(exception)),
                            None => violations.push(format!("{arrow} points upwards: `{to}` is above `{from}`")),
                        }
                    }
                    (_, None) => violations.push(format!("{arrow}: `{}` is not in the table of layers", import.module)),
                    _ => {}
                }
            }
        }
        for module in &modules {
            if self.rank(self.place(module)).is_none() {
                violations.push(format!("the module `{module}` is not in the table of layers"));
            }
        }
        let gone = self.exceptions.iter().filter(|exception| !needed.contains(exception));
        violations.extend(gone.map(|(from, to)| format!("the exception `{from}` -> `{to}` is not needed any more")));
        let moved = self.moving.iter().filter(|(old, _)| !modules.contains(*old));
        violations
            .extend(moved.map(|(old, place)| format!("`{old}` is gone, but still listed as moving to `{place}`")));
        if self.moving.is_empty() {
            let named = self.layers.iter().copied().flatten().filter(|module| !modules.contains(**module));
            violations.extend(named.map(|module| format!("the table of layers names `{module}`, which is no module")));
        }
        violations
    }
}

#[test]
fn no_module_imports_from_a_layer_above_it() {
    let sources: Vec<Source> = SOURCES.iter().flat_map(|root| crate::files(root, &[".rs"])).collect();
    let rules = Rules { layers: LAYERS, exceptions: EXCEPTIONS, moving: MOVING };
    let violations = rules.violations(SOURCES, &sources);
    assert!(violations.is_empty(), "\n{}\n{} violations", violations.join("\n"), violations.len());
}

/// What `rules` find in two source files of the layers `base` < `store`, `metrics` < `http`.
#[cfg(test)]
fn check(exceptions: &[(&str, &str)], moving: &[(&str, &str)], files: &[(&str, &str)]) -> Vec<String> {
    let layers: &[&[&str]] = &[&["base"], &["store", "metrics"], &["http"]];
    let mut sources: Vec<Source> = ["base", "store", "metrics", "http"]
        .iter()
        .map(|module| (format!("a/src/{module}.rs"), String::new()))
        .collect();
    sources.extend(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    Rules { layers, exceptions, moving }.violations(&["a/src", "b/src"], &sources)
}

#[test]
fn an_upward_arrow_fails_with_file_line_and_modules() {
    let text = "//! A table.\nuse crate::base::time;\nuse crate::http::sse;\n";
    assert_eq!(
        check(&[], &[], &[("a/src/store/open.rs", text)]),
        ["a/src/store/open.rs:3: `store` -> `http` points upwards: `http` is above `store`"]
    );
}

#[test]
fn a_downward_arrow_is_allowed() {
    let files = [
        ("a/src/http/sse.rs", "use crate::{base, store, metrics}; use crate::http::body;"),
        ("a/src/metrics/series.rs", "use super::super::store::Store;"),
        ("a/src/lib.rs", "pub mod http; use crate::http::Api;"),
        ("a/src/main.rs", "use crate::anything;"),
    ];
    assert_eq!(check(&[], &[], &files), [] as [&str; 0]);
}

#[test]
fn within_a_layer_imports_go_to_the_left_only() {
    assert_eq!(
        check(&[], &[], &[("a/src/store/open.rs", "use crate::metrics;")]),
        ["a/src/store/open.rs:1: `store` -> `metrics` points upwards: `metrics` is above `store`"]
    );
}

#[test]
fn a_module_outside_the_table_fails() {
    assert_eq!(
        check(&[], &[], &[("a/src/util.rs", "use crate::base;")]),
        ["the module `util` is not in the table of layers"]
    );
    assert_eq!(
        check(&[], &[], &[("a/src/http/sse.rs", "use crate::*;")]),
        ["a/src/http/sse.rs:1: `http` -> `*`: `*` is not in the table of layers"]
    );
}

#[test]
fn an_exception_allows_one_arrow_and_fails_when_it_is_not_needed() {
    let files = [("a/src/store/open.rs", "use crate::http::sse;")];
    assert_eq!(check(&[("store", "http")], &[], &files), [] as [&str; 0]);
    assert_eq!(
        check(&[("store", "http"), ("base", "http")], &[], &files),
        ["the exception `base` -> `http` is not needed any more"]
    );
}

#[test]
fn a_module_that_is_moving_has_the_layer_of_its_place() {
    let files = [("a/src/clock.rs", "use crate::http::sse;"), ("a/src/base/time.rs", "use crate::clock;")];
    assert_eq!(
        check(&[], &[("clock", "base"), ("gone", "http")], &files),
        [
            "a/src/clock.rs:1: `clock` -> `http` points upwards: `http` is above `base`",
            "`gone` is gone, but still listed as moving to `http`",
        ]
    );
}

#[test]
fn a_row_of_the_table_without_a_module_fails() {
    let (layers, sources): (&[&[&str]], _) = (&[&["base", "util"]], [("a/src/base.rs".into(), String::new())]);
    let rules = Rules { layers, exceptions: &[], moving: &[] };
    assert_eq!(rules.violations(&["a/src"], &sources), ["the table of layers names `util`, which is no module"]);
}

#[test]
fn several_source_roots_share_one_table() {
    assert_eq!(
        check(&[], &[], &[("b/src/store/open.rs", "use crate::http::sse;")]),
        ["b/src/store/open.rs:1: `store` -> `http` points upwards: `http` is above `store`"]
    );
}
