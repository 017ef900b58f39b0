//! Installing system packages with apt where we may, and saying what to install where we may not.

use std::process::Command;

use anyhow::{Result, anyhow};

use crate::process::{command, on_path, read, succeed};
use crate::status;
use crate::system_packages::{Package, Proof};

/// Sees to it that the packages of these lists are there.
pub fn install(lists: &[&[Package]]) -> Result<()> {
    let wanted: Vec<&Package> = lists.iter().copied().flatten().collect();
    let debian = on_path("dpkg-query") && on_path("apt-get");
    let missing = if debian { missing_on_debian(&wanted) } else { missing_elsewhere(&wanted) };
    if missing.is_empty() {
        status::print("Fresh", format_args!("system packages ({})", wanted.len()));
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    match Way::here(debian) {
        Way::Ask => Err(anyhow!(advice(&missing, debian))),
        way => {
            status::print("Installing", format_args!("system packages: {}", names.join(" ")));
            apt_get(way, &names)
        }
    }
}

/// How packages get installed on this machine by this user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// We are root.
    Root,
    /// sudo asks for no password.
    Sudo,
    /// Only the user can.
    Ask,
}

impl Way {
    fn here(debian: bool) -> Self {
        let says = |program: &str, argument: &str, answer: &str| {
            read(command(program).arg(argument)).is_ok_and(|output| output.trim() == answer)
        };
        if !debian {
            Self::Ask
        } else if says("id", "-u", "0") {
            Self::Root
        } else if on_path("sudo") && read(command("sudo").args(["-n", "true"])).is_ok() {
            Self::Sudo
        } else {
            Self::Ask
        }
    }

    fn command(self) -> Command {
        let mut command = match self {
            Self::Sudo => {
                let mut sudo = command("sudo");
                sudo.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
                sudo
            }
            Self::Root | Self::Ask => command("apt-get"),
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// Installs. apt's lists are updated first where they do not know the packages, and once where that did not work out.
fn apt_get(way: Way, names: &[&str]) -> Result<()> {
    let update = || succeed(way.command().args(["update", "-qq"]));
    let mut updated = false;
    if read(command("apt-cache").args(["show", "--no-all-versions"]).args(names)).is_err() {
        update()?;
        updated = true;
    }
    loop {
        match read(way.command().args(["install", "-y", "-qq", "--no-install-recommends"]).args(names)) {
            Ok(_) => return Ok(()),
            Err(problem) if updated => return Err(anyhow!("{problem:#}; try `{}`", by_hand(names))),
            Err(_) => update()?,
        }
        updated = true;
    }
}

fn missing_on_debian<'a>(wanted: &[&'a Package]) -> Vec<&'a Package> {
    let names = wanted.iter().map(|package| package.name);
    let query = command("dpkg-query").args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"]).args(names).output();
    // It fails when any of them is unknown, and still lists the others.
    let known = query.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let installed = installed(&known);
    wanted.iter().copied().filter(|package| !installed.contains(&package.name) && !proven(package)).collect()
}

/// The packages that a dpkg-query list of states and names shows as installed.
fn installed(list: &str) -> Vec<&str> {
    list.lines().filter_map(|line| line.strip_prefix("ii")).map(str::trim).collect()
}

/// Without dpkg, what cannot be proven is taken to be there: the compiler will tell.
fn missing_elsewhere<'a>(wanted: &[&'a Package]) -> Vec<&'a Package> {
    wanted.iter().copied().filter(|package| !matches!(package.proof, Proof::None) && !proven(package)).collect()
}

fn proven(package: &Package) -> bool {
    match package.proof {
        Proof::Program(name) => on_path(name),
        Proof::Library(name) => read(command("pkg-config").args(["--exists", name])).is_ok(),
        Proof::None => false,
    }
}

/// The one sentence for whom we cannot install: what is missing, why, and the command.
fn advice(missing: &[&Package], debian: bool) -> String {
    let list =
        missing.iter().map(|package| format!("{} ({})", package.name, package.why)).collect::<Vec<_>>().join(", ");
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let command = by_hand(&names);
    if debian {
        format!("system packages are missing: {list}; install them with `{command}` and run this again")
    } else {
        format!(
            "this system lacks what Debian calls {list}; install them with its own package manager and run this again \
             (on Debian: `{command}`)"
        )
    }
}

/// The command that installs these packages, for the user to type.
fn by_hand(names: &[&str]) -> String {
    format!("sudo apt-get install -y --no-install-recommends {}", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_packages::{BUILD, TESTS, VULKAN, WINDOW};

    const CMAKE: Package = Package { name: "cmake", why: "to configure llama.cpp", proof: Proof::Program("cmake") };
    const CLANG: Package = Package { name: "libclang-dev", why: "to read its headers", proof: Proof::None };

    #[test]
    fn who_may_not_install_reads_the_exact_command() {
        assert_eq!(
            advice(&[&CMAKE, &CLANG], true),
            "system packages are missing: cmake (to configure llama.cpp), libclang-dev (to read its headers); install them with \
             `sudo apt-get install -y --no-install-recommends cmake libclang-dev` and run this again"
        );
    }

    #[test]
    fn other_systems_are_told_debians_names() {
        let advice = advice(&[&CMAKE], false);
        assert!(advice.starts_with("this system lacks what Debian calls cmake (to configure llama.cpp); "), "{advice}");
    }

    #[test]
    fn a_removed_package_with_its_settings_left_is_not_installed() {
        assert_eq!(installed("ii  cmake\nrc  xvfb\nii  xauth\nun  mold\n"), ["cmake", "xauth"]);
    }

    #[test]
    fn without_dpkg_only_what_has_a_proof_can_be_missing() {
        const NOWHERE: Package =
            Package { name: "nowhere", why: "", proof: Proof::Program("no-such-program-anywhere") };
        let missing = missing_elsewhere(&[&NOWHERE, &CLANG]);
        assert_eq!(missing.iter().map(|package| package.name).collect::<Vec<_>>(), ["nowhere"]);
    }

    #[test]
    fn no_package_is_listed_twice() {
        let mut names: Vec<_> =
            [BUILD, WINDOW, TESTS, VULKAN].iter().copied().flatten().map(|package| package.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
