//! Rules `HAPA001` to `HAPA003`: calls that are dangerous to execute, resolved through imports.
//!
//! They cover calls that no rule of Ruff reports, and code with syntax errors, to which Ruff's rules are not applied.

use std::collections::{BTreeSet, HashMap};

use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, ModModule, Stmt};
use ruff_text_size::Ranged;

use super::byte_range;
use crate::diagnostic::{Diagnostic, Severity};
use crate::line_index::LineIndex;
use crate::locale::Locale;

/// Rule codes that make code dangerous to execute: Ruff's about running commands and untrusted code, and HAPA's own.
pub(crate) const DANGEROUS_CODES: &[&str] =
    &["S102", "S301", "S302", "S307", "S506", "S602", "S604", "S605", "S609", "S612", "HAPA001", "HAPA002", "HAPA003"];

/// The risk of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Risk {
    /// Runs a system command.
    Command,
    /// Runs a shell command if `shell=True`.
    Shell,
    /// Executes code contained in data.
    Code,
    /// Deletes or overwrites the path in its first argument; dangerous for a sensitive path.
    Destructive,
}

/// Dangerous calls by their fully qualified name. A trailing `*` matches any suffix; the first match applies.
const DANGEROUS_CALLS: &[(&str, Risk)] = &[
    ("os.system", Risk::Command),
    ("os.popen", Risk::Command),
    ("os.exec*", Risk::Command),
    ("os.spawn*", Risk::Command),
    ("os.posix_spawn*", Risk::Command),
    ("os.startfile", Risk::Command),
    ("pty.spawn", Risk::Command),
    ("commands.*", Risk::Command),
    ("subprocess.getoutput", Risk::Command),
    ("subprocess.getstatusoutput", Risk::Command),
    ("asyncio.create_subprocess_shell", Risk::Command),
    ("subprocess.*", Risk::Shell),
    ("eval", Risk::Code),
    ("exec", Risk::Code),
    ("builtins.eval", Risk::Code),
    ("builtins.exec", Risk::Code),
    ("runpy.run_*", Risk::Code),
    ("pickle.load*", Risk::Code),
    ("pickle.Unpickler", Risk::Code),
    ("_pickle.load*", Risk::Code),
    ("cPickle.load*", Risk::Code),
    ("dill.load*", Risk::Code),
    ("cloudpickle.load*", Risk::Code),
    ("jsonpickle.decode", Risk::Code),
    ("marshal.load*", Risk::Code),
    ("yaml.unsafe_load*", Risk::Code),
    ("shutil.rmtree", Risk::Destructive),
    ("shutil.move", Risk::Destructive),
    ("os.remove", Risk::Destructive),
    ("os.unlink", Risk::Destructive),
    ("os.rmdir", Risk::Destructive),
    ("os.removedirs", Risk::Destructive),
    ("os.truncate", Risk::Destructive),
];

/// System directories: a path in one of them, or the root itself, is sensitive.
const SYSTEM_DIRS: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/var",
    "/users",
    "/system",
    "/library",
    "/applications",
];

/// Adds a diagnostic for each dangerous call that `diagnostics` does not cover yet.
pub(crate) fn add(diagnostics: &mut Vec<Diagnostic>, module: &ModModule, lines: &LineIndex<'_>, locale: Locale) {
    let mut resolver = ImportResolver::default();
    resolver.visit_body(&module.body);
    let is_dangerous = |diagnostic: &&Diagnostic| DANGEROUS_CODES.contains(&diagnostic.code.as_str());
    let known =
        diagnostics.iter().filter(is_dangerous).map(|diagnostic| (diagnostic.line, diagnostic.column)).collect();
    let mut visitor = CallVisitor { resolver, lines, locale, known, diagnostics };
    visitor.visit_body(&module.body);
}

/// Maps local names to fully qualified names, by the imports of a file. Names of functions defined in the file are not resolved.
#[derive(Default)]
struct ImportResolver {
    imported: HashMap<String, String>,
    defined: Vec<String>,
}

impl<'a> SourceOrderVisitor<'a> for ImportResolver {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.as_str();
                    let (local, path) = match &alias.asname {
                        Some(local) => (local.as_str(), name),
                        None => (name.split('.').next().unwrap_or(name), name.split('.').next().unwrap_or(name)),
                    };
                    self.imported.insert(local.to_owned(), path.to_owned());
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                for alias in &import.names {
                    let local = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.imported.insert(local.to_string(), format!("{module}.{}", alias.name));
                    if alias.name.as_str() == "*" {
                        let exported =
                            DANGEROUS_CALLS.iter().filter_map(|(call, _)| call.strip_prefix(module)?.strip_prefix('.'));
                        for name in exported.filter(|name| !name.contains('*')) {
                            self.imported.insert(name.to_owned(), format!("{module}.{name}"));
                        }
                    }
                }
            }
            Stmt::FunctionDef(function) => self.defined.push(function.name.to_string()),
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}

impl ImportResolver {
    /// The fully qualified name of an expression, such as `os.system`.
    fn resolve(&self, expression: &Expr) -> Option<String> {
        let mut attributes = Vec::new();
        let mut current = expression;
        let mut path = loop {
            match current {
                Expr::Attribute(attribute) => {
                    attributes.push(attribute.attr.to_string());
                    current = &attribute.value;
                }
                Expr::Name(name) => {
                    let name = name.id.as_str();
                    match self.imported.get(name) {
                        Some(path) => break path.clone(),
                        None if self.defined.iter().any(|defined| defined == name) => return None,
                        None => break name.to_owned(),
                    }
                }
                Expr::Call(call) => match (&*call.func, &*call.arguments.args) {
                    // `getattr(os, "system")`
                    (Expr::Name(name), [object, Expr::StringLiteral(attribute), ..])
                        if name.id.as_str() == "getattr" =>
                    {
                        attributes.push(attribute.value.to_str().to_owned());
                        current = object;
                    }
                    // `__import__("os")`, `importlib.import_module("os")`
                    (Expr::Name(name), [Expr::StringLiteral(module), ..]) if name.id.as_str() == "__import__" => {
                        break module.value.to_str().to_owned();
                    }
                    (Expr::Attribute(function), [Expr::StringLiteral(module), ..])
                        if function.attr.as_str() == "import_module" =>
                    {
                        break module.value.to_str().to_owned();
                    }
                    _ => return None,
                },
                _ => return None,
            }
        };
        for attribute in attributes.iter().rev() {
            path.push('.');
            path.push_str(attribute);
        }
        Some(path)
    }
}

struct CallVisitor<'a> {
    resolver: ImportResolver,
    lines: &'a LineIndex<'a>,
    locale: Locale,
    /// Start positions of the dangerous calls that are reported already.
    known: BTreeSet<(u32, u32)>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> SourceOrderVisitor<'a> for CallVisitor<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Call(call) = expression
            && let Some(name) = self.resolver.resolve(&call.func)
            && let Some((code, message)) = self.assess(&name, call)
        {
            let diagnostic = self.lines.diagnostic(byte_range(call.range()), code, message, Severity::Error);
            let (start, end) = ((diagnostic.line, diagnostic.column), (diagnostic.end_line, diagnostic.end_column));
            if self.known.range(start..end).next().is_none() {
                self.diagnostics.push(diagnostic);
            }
        }
        walk_expr(self, expression);
    }
}

impl CallVisitor<'_> {
    /// The rule code and message for a dangerous call.
    fn assess(&self, name: &str, call: &ExprCall) -> Option<(&'static str, String)> {
        let matches = |call: &str| match call.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == call,
        };
        match DANGEROUS_CALLS.iter().find(|(call, _)| matches(call))?.1 {
            Risk::Command => Some(self.command_risk(name)),
            Risk::Shell => is_true(&call.arguments.find_keyword("shell")?.value).then(|| self.command_risk(name)),
            Risk::Code => Some((
                "HAPA002",
                self.locale.translate(
                    format!("`{name}`은(는) 데이터에 포함된 코드를 실행할 수 있습니다"),
                    format!("`{name}` can execute code contained in data"),
                ),
            )),
            Risk::Destructive => self.is_sensitive_argument(call.arguments.args.first()?).then(|| {
                (
                    "HAPA003",
                    self.locale.translate(
                        format!("`{name}`이(가) 시스템 또는 사용자 디렉터리를 삭제하거나 변경합니다"),
                        format!("`{name}` deletes or modifies a system or user directory"),
                    ),
                )
            }),
        }
    }

    fn command_risk(&self, name: &str) -> (&'static str, String) {
        let message = self
            .locale
            .translate(format!("`{name}`은(는) 시스템 명령을 실행합니다"), format!("`{name}` runs a system command"));
        ("HAPA001", message)
    }

    /// Whether an argument is the root, a home directory, or inside a system directory.
    fn is_sensitive_argument(&self, path: &Expr) -> bool {
        match path {
            Expr::StringLiteral(text) => is_sensitive_path(text.value.to_str()),
            Expr::Call(call) => {
                let name = self.resolver.resolve(&call.func).unwrap_or_default();
                let home = name == "os.path.expanduser" || name.ends_with("Path.home");
                home || call.arguments.args.first().is_some_and(|first| {
                    // `Path("/")`, `str("/")`: one level of nesting covers ordinary code.
                    matches!(first, Expr::StringLiteral(text) if is_sensitive_path(text.value.to_str()))
                })
            }
            _ => false,
        }
    }
}

fn is_true(expression: &Expr) -> bool {
    matches!(expression, Expr::BooleanLiteral(literal) if literal.value)
}

fn is_sensitive_path(path: &str) -> bool {
    let path = path.trim().replace('\\', "/").to_lowercase();
    let bare = path.trim_end_matches(['/', '*']);
    let drive = bare.get(1..2) == Some(":");
    let windows = drive && (bare.len() == 2 || bare[2..].starts_with("/windows") || bare[2..].starts_with("/users"));
    let inside = |folder: &str| bare == folder || bare.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let temporary = bare.starts_with("/var/tmp") || bare.starts_with("/dev/shm");
    !path.is_empty()
        && (bare.is_empty() || bare == "~" || windows || SYSTEM_DIRS.iter().any(|folder| inside(folder)) && !temporary)
}

#[cfg(test)]
mod tests {
    use super::is_sensitive_path;

    #[test]
    fn the_root_home_and_system_directories_are_sensitive() {
        for path in ["/", "/*", "~", "~/", "/etc", "/etc/passwd", "/usr/lib/", "C:\\", "c:/Windows/System32"] {
            assert!(is_sensitive_path(path), "{path}");
        }
        for path in ["", "build", "./x", "/tmp/x", "/var/tmp/x", "~/project/build", "C:/project", "/etcetera", "가:나"]
        {
            assert!(!is_sensitive_path(path), "{path}");
        }
    }
}
