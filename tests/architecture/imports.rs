//! The import reader: which top-level modules of its own crate a Rust source file names, and in which line.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// A path in a source file that leads to a top-level module of the same crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// The line of the module's name, from 1.
    pub line: usize,
    /// The module. `*` for a glob import of the crate's root, `crate` for the root under another name: both hide what is used.
    pub module: String,
}

/// The module path of a file below its source root: `http/sse.rs` is `[http, sse]`, `lib.rs` and `main.rs` are the root, `[]`.
pub(crate) fn module_path(file: &str) -> Vec<String> {
    let file = file.strip_suffix(".rs").expect("a Rust source file");
    let mut path: Vec<String> = file.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod") || ["lib", "main"].contains(&file) {
        path.pop();
    }
    path
}

/// All imports of a file: `use` declarations with nested braces, and paths in the code that start at `crate::` or reach the root by
/// `super::`. Comments, documentation and string literals do not count; code under `cfg(test)` does.
///
/// # Errors
/// When the text is not made of Rust's tokens.
pub(crate) fn imports(text: &str, module: &[String]) -> Result<Vec<Import>, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut found = Vec::new();
    scan(tokens, &mut module.to_vec(), &mut found);
    Ok(found)
}

/// Reads the tokens of a file, a block or a macro's arguments, which are in the module `inside`.
fn scan(tokens: TokenStream, inside: &mut Vec<String>, found: &mut Vec<Import>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
                if word == "mod" && body.delimiter() == Delimiter::Brace =>
            {
                inside.push(name.to_string());
                scan(body.stream(), inside, found);
                inside.pop();
                at += 3;
            }
            [TokenTree::Ident(word), ..] if word == "crate" || word == "self" || word == "super" => {
                at = path(&tokens, at, inside, found);
            }
            [TokenTree::Group(group), ..] => {
                scan(group.stream(), inside, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Reads the path that starts at `at`, and returns the index of the token after it.
fn path(tokens: &[TokenTree], mut at: usize, inside: &[String], found: &mut Vec<Import>) -> usize {
    let mut depth = inside.len();
    loop {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "crate" => depth = 0,
            TokenTree::Ident(word) if word == "super" => depth = depth.saturating_sub(1),
            TokenTree::Ident(word) if word == "self" => {}
            token => {
                // A path that does not reach the root stays in the module that it is in.
                if depth == 0 {
                    below_root(token, found);
                }
                return at + usize::from(!matches!(token, TokenTree::Group(_)) || depth == 0);
            }
        }
        if !is_separator(&tokens[at + 1..]) {
            match &tokens[at..] {
                [TokenTree::Ident(root), TokenTree::Ident(word), ..] if depth == 0 && word == "as" => {
                    add(root, "crate", found);
                }
                _ => {}
            }
            return at + 1;
        }
        if at + 3 >= tokens.len() {
            return tokens.len();
        }
        at += 3;
    }
}

/// Notes what a token right after `crate::` names: a module, all of them, or several in braces.
fn below_root(token: &TokenTree, found: &mut Vec<Import>) {
    match token {
        TokenTree::Ident(name) => add(name, &name.to_string(), found),
        TokenTree::Punct(star) if star.as_char() == '*' => {
            found.push(Import { line: star.span().start().line, module: "*".into() });
        }
        TokenTree::Group(braces) => {
            let tokens: Vec<TokenTree> = braces.stream().into_iter().collect();
            for item in tokens.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',')) {
                match item.first() {
                    Some(TokenTree::Ident(root)) if root == "self" => add(root, "crate", found),
                    Some(first) => below_root(first, found),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

fn add(at: &Ident, module: &str, found: &mut Vec<Import>) {
    found.push(Import { line: at.span().start().line, module: module.trim_start_matches("r#").to_owned() });
}

/// Whether the tokens start with `::`.
fn is_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(first), TokenTree::Punct(second), ..]
        if first.as_char() == ':' && second.as_char() == ':')
}

/// The modules that a text in the module `path` names, each with its line.
#[cfg(test)]
fn read(path: &str, text: &str) -> Vec<(usize, String)> {
    let path: Vec<String> = path.split("::").map(str::to_owned).collect();
    imports(text, &path).unwrap().into_iter().map(|import| (import.line, import.module)).collect()
}

#[cfg(test)]
fn names(path: &str, text: &str) -> Vec<String> {
    read(path, text).into_iter().map(|(_, module)| module).collect()
}

#[test]
fn an_import_is_read_with_its_line() {
    assert_eq!(read("http", "use std::fs;\n\nuse crate::store::Store;\n"), [(3, "store".into())]);
}

#[test]
fn nested_braces_name_several_modules() {
    let text = "use crate::{\n    hub::{self, client::Client},\n    {keys, limits},\n    store,\n};";
    let expected = [(2, "hub"), (3, "keys"), (3, "limits"), (4, "store")];
    assert_eq!(read("http", text), expected.map(|(line, module)| (line, module.to_owned())));
    assert_eq!(names("http", "use crate::store::{messages::{Message, Kind}, Store};"), ["store"]);
    assert_eq!(names("http", "use {crate::store::Store, std::fs};"), ["store"]);
}

#[test]
fn an_alias_does_not_hide_a_module() {
    assert_eq!(
        names("http", "use crate::store as database; use crate::{hub as models_hub, keys};"),
        ["store", "hub", "keys"]
    );
}

#[test]
fn the_root_as_a_whole_is_reported_because_it_hides_what_is_used() {
    assert_eq!(names("http", "use crate::*;"), ["*"]);
    assert_eq!(names("http", "use crate as root;"), ["crate"]);
    assert_eq!(names("http", "use crate::{self as root};"), ["crate"]);
    assert_eq!(names("http", "use super as root;"), ["crate"]);
    assert_eq!(names("http", "use super::{self as root, store::*};"), ["crate", "store"]);
}

#[test]
fn paths_in_the_code_count() {
    let text = "pub(in crate::http) fn open(store: &crate::store::Store) -> Result<(), crate::base::Error> {
        tracing::info!(\"opened {}\", crate::keys::count());
        <crate::hub::Hub as Default>::default()
    }";
    assert_eq!(names("http", text), ["http", "store", "base", "keys", "hub"]);
    assert_eq!(names("http", "macro_rules! store { () => { $crate::store::Store::new() } }"), ["store"]);
    assert_eq!(names("http", "use crate::r#async::Task;"), ["async"]);
}

#[test]
fn comments_and_strings_do_not_count() {
    let text = r##"
        //! Uses `crate::store`.
        /// See [`crate::hub::Hub`].
        // use crate::keys;
        /* use crate::keys; /* crate::keys */ */
        const TEXT: &str = "use crate::keys;";
        const RAW: &str = r#"crate::keys::"Key""#;
        fn lifetime<'crate_>(quote: char) -> bool { quote == '"' && "crate::keys".len() > b"crate::keys".len() }
    "##;
    assert_eq!(names("http", text), [] as [&str; 0]);
}

#[test]
fn super_leaves_a_module_at_the_root_only() {
    assert_eq!(names("http", "use super::store::Store;"), ["store"]);
    assert_eq!(names("http::sse", "use super::store::Store;"), [] as [&str; 0]);
    assert_eq!(
        names("http::sse", "use super::super::store::Store; use super::super::{hub, keys::Key};"),
        ["store", "hub", "keys"]
    );
    assert_eq!(names("http::sse", "use self::frame::Frame; fn f(&self) { self.store() }"), [] as [&str; 0]);
    assert_eq!(names("http::sse", "pub(super) fn f() {} pub(crate) struct S(pub(crate) u8);"), [] as [&str; 0]);
}

#[test]
fn modules_inside_a_file_and_tests_count() {
    let text =
        "#[cfg(test)]\nmod tests {\n    use super::*;\n    use super::super::store::Store;\n    use crate::hub;\n}";
    assert_eq!(read("http", text), [(4, "store".into()), (5, "hub".into())]);
    assert_eq!(names("http", "mod a { mod b { fn f() { super::super::super::store::open() } } }"), ["store"]);
}

#[test]
fn the_path_of_a_file_is_its_module() {
    assert_eq!(module_path("http/middleware/auth.rs"), ["http", "middleware", "auth"]);
    assert_eq!(module_path("http/mod.rs"), ["http"]);
    assert_eq!(module_path("http.rs"), ["http"]);
    assert_eq!(module_path("lib.rs"), [] as [&str; 0]);
    assert_eq!(module_path("main.rs"), [] as [&str; 0]);
    assert_eq!(module_path("http/main.rs"), ["http", "main"]);
}
