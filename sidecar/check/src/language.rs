//! The supported programming languages and the names that clients use for them.

/// A programming language with a parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Language {
    Python,
    JavaScript,
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
    Java,
    Go,
    Rust,
    C,
    Cpp,
}

impl Language {
    /// Parses the name of a language, ignoring case and surrounding whitespace. `None` if it is not supported, such as SQL or
    /// Bash.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.trim().to_lowercase().as_str() {
            "python" | "python3" | "py" => Self::Python,
            "javascript" | "js" | "jsx" | "javascriptreact" | "mjs" | "cjs" | "node" => Self::JavaScript,
            "typescript" | "ts" | "mts" | "cts" => Self::TypeScript,
            "tsx" | "typescriptreact" => Self::Tsx,
            "java" => Self::Java,
            "go" | "golang" => Self::Go,
            "rust" | "rs" => Self::Rust,
            "c" | "h" => Self::C,
            "cpp" | "c++" | "cc" | "cxx" | "hpp" => Self::Cpp,
            _ => return None,
        })
    }
}
