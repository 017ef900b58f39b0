//! Calls that are dangerous to run, found by following imports: what Ruff's rules do not say, or not on code that is not well formed.

use std::collections::{BTreeSet, HashMap};

use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, ModModule, Stmt};
use ruff_text_size::Ranged;

use super::bytes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::locale::Locale;
use crate::position::Lines;

/// The codes of findings that make code dangerous to run: Ruff's rules about running commands and foreign code, and ours.
pub(crate) const DANGEROUS: &[&str] =
    &["S102", "S301", "S302", "S307", "S506", "S602", "S604", "S605", "S609", "S612", "HAPA001", "HAPA002", "HAPA003"];

/// What a call does, and when it is dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Danger {
    /// It always hands a command to the system.
    Command,
    /// It hands a command to a shell if `shell=True`.
    Shell,
    /// It runs code that comes as data.
    Code,
    /// It deletes or overwrites what its first argument names, which is dangerous for a place of the system or of the user.
    Destroys,
}

/// The calls, by the name that imports lead to. A name that ends with `*` stands for all that begin so.
const CALLS: &[(&str, Danger)] = &[
    ("os.system", Danger::Command),
    ("os.popen", Danger::Command),
    ("os.exec*", Danger::Command),
    ("os.spawn*", Danger::Command),
    ("os.posix_spawn*", Danger::Command),
    ("os.startfile", Danger::Command),
    ("pty.spawn", Danger::Command),
    ("commands.*", Danger::Command),
    ("subprocess.getoutput", Danger::Command),
    ("subprocess.getstatusoutput", Danger::Command),
    ("asyncio.create_subprocess_shell", Danger::Command),
    ("subprocess.*", Danger::Shell),
    ("eval", Danger::Code),
    ("exec", Danger::Code),
    ("builtins.eval", Danger::Code),
    ("builtins.exec", Danger::Code),
    ("runpy.run_*", Danger::Code),
    ("pickle.load*", Danger::Code),
    ("pickle.Unpickler", Danger::Code),
    ("_pickle.load*", Danger::Code),
    ("cPickle.load*", Danger::Code),
    ("dill.load*", Danger::Code),
    ("cloudpickle.load*", Danger::Code),
    ("jsonpickle.decode", Danger::Code),
    ("marshal.load*", Danger::Code),
    ("yaml.unsafe_load*", Danger::Code),
    ("shutil.rmtree", Danger::Destroys),
    ("shutil.move", Danger::Destroys),
    ("os.remove", Danger::Destroys),
    ("os.unlink", Danger::Destroys),
    ("os.rmdir", Danger::Destroys),
    ("os.removedirs", Danger::Destroys),
    ("os.truncate", Danger::Destroys),
];

/// Folders of the system: a path in one of them, or the root itself, is not a program's own.
const SYSTEM: &[&str] = &[
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

/// Adds the dangerous calls that are not among `found` yet.
pub fn add(found: &mut Vec<Diagnostic>, module: &ModModule, lines: &Lines<'_>, locale: Locale) {
    let mut names = Names::default();
    names.visit_body(&module.body);
    let dangerous = |finding: &&Diagnostic| DANGEROUS.contains(&finding.code.as_str());
    let known = found.iter().filter(dangerous).map(|finding| (finding.line, finding.column)).collect();
    let mut calls = Calls { names, lines, locale, known, found };
    calls.visit_body(&module.body);
}

/// What names in the file stand for, by its imports; a name that the file defines itself stands for nothing.
#[derive(Default)]
struct Names {
    imported: HashMap<String, String>,
    defined: Vec<String>,
}

impl<'a> SourceOrderVisitor<'a> for Names {
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
                        let stars = CALLS.iter().filter_map(|(call, _)| call.strip_prefix(module)?.strip_prefix('.'));
                        for name in stars.filter(|name| !name.contains('*')) {
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

impl Names {
    /// What an expression stands for, such as `os.system`.
    fn resolve(&self, expression: &Expr) -> Option<String> {
        let mut attributes = Vec::new();
        let mut now = expression;
        let mut path = loop {
            match now {
                Expr::Attribute(attribute) => {
                    attributes.push(attribute.attr.to_string());
                    now = &attribute.value;
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
                        now = object;
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

struct Calls<'a> {
    names: Names,
    lines: &'a Lines<'a>,
    locale: Locale,
    /// Where dangers begin that are known already.
    known: BTreeSet<(u32, u32)>,
    found: &'a mut Vec<Diagnostic>,
}

impl<'a> SourceOrderVisitor<'a> for Calls<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Call(call) = expression
            && let Some(name) = self.names.resolve(&call.func)
            && let Some((code, message)) = self.danger(&name, call)
        {
            let finding = self.lines.finding(bytes(call.range()), code, message, Severity::Error);
            let (start, end) = ((finding.line, finding.column), (finding.end_line, finding.end_column));
            if self.known.range(start..end).next().is_none() {
                self.found.push(finding);
            }
        }
        walk_expr(self, expression);
    }
}

impl Calls<'_> {
    /// The code and the message for a call that is dangerous.
    fn danger(&self, name: &str, call: &ExprCall) -> Option<(&'static str, String)> {
        let matches = |call: &str| match call.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == call,
        };
        match CALLS.iter().find(|(call, _)| matches(call))?.1 {
            Danger::Command => Some(self.command(name)),
            Danger::Shell => is_true(&call.arguments.find_keyword("shell")?.value).then(|| self.command(name)),
            Danger::Code => Some((
                "HAPA002",
                self.locale.say(
                    format!("`{name}`은(는) 데이터로 받은 코드를 실행할 수 있습니다"),
                    format!("`{name}` can run code that comes as data"),
                ),
            )),
            Danger::Destroys => self.precious(call.arguments.args.first()?).then(|| {
                (
                    "HAPA003",
                    self.locale.say(
                        format!("`{name}`이(가) 시스템이나 사용자의 폴더를 지우거나 바꿉니다"),
                        format!("`{name}` deletes or changes a folder of the system or of the user"),
                    ),
                )
            }),
        }
    }

    fn command(&self, name: &str) -> (&'static str, String) {
        let message = self
            .locale
            .say(format!("`{name}`은(는) 시스템 명령을 실행합니다"), format!("`{name}` runs a command of the system"));
        ("HAPA001", message)
    }

    /// Whether a path is the root, the user's folder, or in a folder of the system.
    fn precious(&self, path: &Expr) -> bool {
        match path {
            Expr::StringLiteral(text) => is_precious(text.value.to_str()),
            Expr::Call(call) => {
                let name = self.names.resolve(&call.func).unwrap_or_default();
                let home = name == "os.path.expanduser" || name.ends_with("Path.home");
                home || call.arguments.args.first().is_some_and(|first| {
                    // `Path("/")`, `str("/")`: one level is enough for what people write.
                    matches!(first, Expr::StringLiteral(text) if is_precious(text.value.to_str()))
                })
            }
            _ => false,
        }
    }
}

fn is_true(expression: &Expr) -> bool {
    matches!(expression, Expr::BooleanLiteral(literal) if literal.value)
}

fn is_precious(path: &str) -> bool {
    let path = path.trim().replace('\\', "/").to_lowercase();
    let bare = path.trim_end_matches(['/', '*']);
    let drive = bare.get(1..2) == Some(":");
    let windows = drive && (bare.len() == 2 || bare[2..].starts_with("/windows") || bare[2..].starts_with("/users"));
    let inside = |folder: &str| bare == folder || bare.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let temporary = bare.starts_with("/var/tmp") || bare.starts_with("/dev/shm");
    !path.is_empty()
        && (bare.is_empty() || bare == "~" || windows || SYSTEM.iter().any(|folder| inside(folder)) && !temporary)
}

#[cfg(test)]
mod tests {
    use super::is_precious;

    #[test]
    fn the_root_homes_and_folders_of_the_system_are_precious() {
        for path in ["/", "/*", "~", "~/", "/etc", "/etc/passwd", "/usr/lib/", "C:\\", "c:/Windows/System32"] {
            assert!(is_precious(path), "{path}");
        }
        for path in ["", "build", "./x", "/tmp/x", "/var/tmp/x", "~/project/build", "C:/project", "/etcetera", "가:나"]
        {
            assert!(!is_precious(path), "{path}");
        }
    }
}
