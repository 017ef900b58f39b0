//! Runs other programs and turns their failures into errors of one sentence.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::Paths;

/// A command without the variables that `cargo run` sets for this package. Build scripts that watch them, llama.cpp's among them,
/// would run again each time the user's cargo and ours alternate.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Cargo in the checkout, with the shared target folder.
#[must_use]
pub fn cargo(paths: &Paths) -> Command {
    cargo_under(&[], paths)
}

/// Cargo started by `wrapper`, a program and its arguments.
#[must_use]
pub fn cargo_under(wrapper: &[&str], paths: &Paths) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = match wrapper {
        [] => command(cargo),
        [program, arguments @ ..] => {
            let mut command = command(program);
            command.args(arguments).arg(cargo);
            command
        }
    };
    command.current_dir(&paths.checkout).env("CARGO_TARGET_DIR", &paths.target);
    command
}

/// npm in the front end's folder.
#[must_use]
pub fn npm(paths: &Paths) -> Command {
    let mut npm = command(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(paths.ui());
    npm
}

/// Runs a command to its end with this process's stdin, stdout and stderr.
///
/// # Errors
/// The command could not be started, or its exit status is not success.
pub fn run(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    let status = command.status().with_context(|| format!("could not run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status}); its output above says why");
    }
    Ok(())
}

/// Runs a command to its end and returns its stdout; nothing is shown to the user.
///
/// # Errors
/// The command could not be started, or it failed: then the error ends with the last line of its stderr.
pub fn capture(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("could not run `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", last_line(&output.stderr).unwrap_or("it printed no reason"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program of this name is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    let file = Path::new(program).with_extension(env::consts::EXE_EXTENSION);
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(&file).is_file()))
}

/// The last line that is not blank.
pub(crate) fn last_line(output: &[u8]) -> Option<&str> {
    str::from_utf8(output).ok()?.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// The command as a user would type it, without the program's folder.
#[must_use]
pub fn command_line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_cargo_comes_after_the_wrapper_and_its_arguments() {
        let folder = std::path::PathBuf::from("/somewhere");
        let paths = Paths { checkout: folder.clone(), cache: folder.clone(), target: folder.clone(), data: folder };
        let wrapped = cargo_under(&["dbus-run-session", "--"], &paths);
        let words: Vec<_> = wrapped.get_args().map(|word| Path::new(word).file_stem().unwrap_or(word)).collect();
        assert_eq!(
            (wrapped.get_program(), words),
            ("dbus-run-session".as_ref(), vec!["--".as_ref(), "cargo".as_ref()])
        );
    }

    #[test]
    fn a_command_line_is_shown_as_a_user_would_type_it() {
        let mut cargo = Command::new("/opt/rust/bin/cargo");
        cargo.args(["build", "--workspace"]);
        assert_eq!(command_line(&cargo), "cargo build --workspace");
    }

    #[test]
    fn the_last_line_that_is_not_blank_is_the_reason() {
        assert_eq!(last_line(b"looking\nERROR: no such package\n\n"), Some("ERROR: no such package"));
        assert_eq!(last_line(b"\n"), None);
    }
}
