//! Installs system packages with apt, or reports what to install where the user's privileges do not suffice.

use std::process::Command;

use anyhow::{Result, anyhow, bail};

use crate::process::{capture, command, on_path, run};
use crate::status;
use crate::system_packages::{Package, Probe};

/// Installs the packages of these lists that are missing.
pub(crate) fn install(lists: &[&[Package]]) -> Result<()> {
    let required: Vec<&Package> = lists.iter().copied().flatten().collect();
    let debian = on_path("dpkg-query") && on_path("apt-get");
    let missing = if debian { missing_on_debian(&required) } else { missing_by_probe(&required) };
    if missing.is_empty() {
        status::print("Fresh", format_args!("system packages ({})", required.len()));
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let Some(privilege) = Privilege::detect().filter(|_| debian) else { bail!(advice(&missing, debian)) };
    status::print("Installing", format_args!("system packages: {}", names.join(" ")));
    apt_install(privilege, &names)
}

/// How this user may run apt-get.
#[derive(Clone, Copy)]
enum Privilege {
    Root,
    /// Through sudo, which asks for no password.
    Sudo,
}

impl Privilege {
    fn detect() -> Option<Self> {
        if capture(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
            Some(Self::Root)
        } else if on_path("sudo") && capture(command("sudo").args(["-n", "true"])).is_ok() {
            Some(Self::Sudo)
        } else {
            None
        }
    }

    fn apt_get(self) -> Command {
        let mut command = match self {
            Self::Root => command("apt-get"),
            Self::Sudo => {
                let mut sudo = command("sudo");
                sudo.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
                sudo
            }
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// Installs packages. The package lists are updated first if they lack one of the packages, and once after a failed installation.
fn apt_install(privilege: Privilege, names: &[&str]) -> Result<()> {
    let update = || run(privilege.apt_get().args(["update", "-qq"]));
    let mut updated = false;
    if capture(command("apt-cache").args(["show", "--no-all-versions"]).args(names)).is_err() {
        update()?;
        updated = true;
    }
    loop {
        match capture(privilege.apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(names)) {
            Ok(_) => return Ok(()),
            Err(error) if updated => return Err(anyhow!("{error:#}; try `{}`", install_command(names))),
            Err(_) => update()?,
        }
        updated = true;
    }
}

fn missing_on_debian<'a>(required: &[&'a Package]) -> Vec<&'a Package> {
    let names = required.iter().map(|package| package.name);
    let query = command("dpkg-query").args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"]).args(names).output();
    // dpkg-query fails if one of the packages is unknown, and still lists the others.
    let known = query.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let installed = installed(&known);
    required.iter().copied().filter(|package| !installed.contains(&package.name) && !is_found(package)).collect()
}

/// The packages whose state is "installed" in dpkg-query's list of states and names.
fn installed(list: &str) -> Vec<&str> {
    list.lines().filter_map(|line| line.strip_prefix("ii")).map(str::trim).collect()
}

/// Without dpkg, a package that has no probe is assumed to be installed; the compiler reports it otherwise.
fn missing_by_probe<'a>(required: &[&'a Package]) -> Vec<&'a Package> {
    required.iter().copied().filter(|package| !matches!(package.probe, Probe::None) && !is_found(package)).collect()
}

fn is_found(package: &Package) -> bool {
    match package.probe {
        Probe::Program(name) => on_path(name),
        Probe::Library(name) => capture(command("pkg-config").args(["--exists", name])).is_ok(),
        Probe::None => false,
    }
}

/// The error for a user who must install the packages: what is missing, why, and the command.
fn advice(missing: &[&Package], debian: bool) -> String {
    let list =
        missing.iter().map(|package| format!("{} ({})", package.name, package.why)).collect::<Vec<_>>().join(", ");
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let command = install_command(&names);
    if debian {
        format!("system packages are missing: {list}; install them with `{command}` and run this again")
    } else {
        format!(
            "this system lacks what Debian calls {list}; install them with its own package manager and run this again \
             (on Debian: `{command}`)"
        )
    }
}

/// The command with which the user installs these packages.
fn install_command(names: &[&str]) -> String {
    format!("sudo apt-get install -y --no-install-recommends {}", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_packages::{BUILD, TESTS, VULKAN, WINDOW};

    const CMAKE: Package = Package { name: "cmake", why: "to configure llama.cpp", probe: Probe::Program("cmake") };
    const CLANG: Package = Package { name: "libclang-dev", why: "to read its headers", probe: Probe::None };

    #[test]
    fn a_user_without_privileges_gets_the_exact_command() {
        assert_eq!(
            advice(&[&CMAKE, &CLANG], true),
            "system packages are missing: cmake (to configure llama.cpp), libclang-dev (to read its headers); install them with \
             `sudo apt-get install -y --no-install-recommends cmake libclang-dev` and run this again"
        );
    }

    #[test]
    fn other_systems_get_debians_package_names() {
        let advice = advice(&[&CMAKE], false);
        assert!(advice.starts_with("this system lacks what Debian calls cmake (to configure llama.cpp); "), "{advice}");
    }

    #[test]
    fn a_removed_package_whose_configuration_remains_is_not_installed() {
        assert_eq!(installed("ii  cmake\nrc  xvfb\nii  xauth\nun  mold\n"), ["cmake", "xauth"]);
    }

    #[test]
    fn without_dpkg_only_packages_with_a_probe_can_be_missing() {
        const NOWHERE: Package =
            Package { name: "nowhere", why: "", probe: Probe::Program("no-such-program-anywhere") };
        let missing = missing_by_probe(&[&NOWHERE, &CLANG]);
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
