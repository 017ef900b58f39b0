//! Vulkan's headers: the system's if they are recent enough, else those of a newer Debian, unpacked in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::files::{create_folder, remove_folder};
use crate::fingerprint::Fingerprint;
use crate::process::{capture, command, command_line, on_path, run};
use crate::{Paths, status};

/// The oldest version that is known to build llama.cpp; 1.3.239 of Debian 12 lacks `vk::LayerSettingEXT`.
const MIN_VERSION: &str = "1.4.309";

/// The Debian suite with recent headers.
const SUITE: &str = "trixie";

/// The suite's packages that contain them.
const PACKAGES: &[&str] = &["libvulkan-dev", "spirv-headers"];

/// Returns the folder that contains `include` and `share`, or `None` if the compiler finds recent headers by itself.
pub(crate) fn install(paths: &Paths) -> Result<Option<PathBuf>> {
    if capture(command("pkg-config").arg(format!("--atleast-version={MIN_VERSION}")).arg("vulkan")).is_ok() {
        return Ok(None);
    }
    let folder = paths.cache.join("vulkan").join("headers");
    let unpacked = folder.join("unpacked");
    let fingerprint = Fingerprint::at(folder.join("unpacked.from"));
    if fingerprint.matches(SUITE) {
        status::print("Fresh", format_args!("Vulkan headers of {SUITE}"));
        return Ok(Some(unpacked.join("usr")));
    }
    if !on_path("apt-get") || !on_path("dpkg") {
        bail!(
            "this system's Vulkan headers are older than {MIN_VERSION}; install newer ones, with those of SPIR-V, and run this again"
        );
    }
    status::print("Fetching", format_args!("Vulkan headers of {SUITE} (unpacked into the cache, not installed)"));
    remove_folder(&folder)?;
    let apt = Apt::open(&folder)?;
    apt.run(&["update", "-qq"], &[])?;
    apt.run(&["download", "-qq"], PACKAGES)?;
    for package in apt.downloaded()? {
        run(command("dpkg").arg("-x").arg(&package).arg(&unpacked))?;
    }
    fingerprint.write(SUITE)?;
    Ok(Some(unpacked.join("usr")))
}

/// An apt whose only source is the newer suite, from the mirror that this machine uses, and whose state is in a folder of the cache.
struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    fn open(folder: &'a Path) -> Result<Self> {
        for part in ["lists/partial", "archives/partial"] {
            create_folder(&folder.join(part))?;
        }
        let format = "$(CREATED_BY) $(LABEL) $(COMPONENT) $(REPO_URI)";
        let targets = capture(command("apt-get").args(["indextargets", "--format", format]))?;
        let mirror = mirror(&targets)
            .context("apt has no Debian mirror configured, from which newer Vulkan headers could be downloaded")?;
        let list = folder.join("sources.list");
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let source = format!("deb [target=Packages signed-by={keys}] {mirror} {SUITE} main\n");
        fs::write(&list, source).with_context(|| format!("could not write `{}`", list.display()))?;
        Ok(Self { folder })
    }

    /// Runs an apt command on packages of the suite. Downloads are written into the folder.
    fn run(&self, subcommand: &[&str], packages: &[&str]) -> Result<()> {
        let mut apt = command("apt-get");
        apt.current_dir(self.folder).args(subcommand);
        let path = |option: &str, name: &str| format!("{option}={}", self.folder.join(name).display());
        for option in [
            path("Dir::Etc::SourceList", "sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            path("Dir::State::Lists", "lists"),
            path("Dir::Cache", ""),
            // apt's sandbox user cannot enter the user's home folder.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            apt.arg("-o").arg(option);
        }
        apt.args(packages.iter().map(|package| format!("{package}/{SUITE}")));
        let line = command_line(&apt);
        capture(&mut apt)
            .map(drop)
            .map_err(|error| anyhow!("could not download Vulkan headers: {error:#}; run this again (`{line}`)"))
    }

    fn downloaded(&self) -> Result<Vec<PathBuf>> {
        let reading = || format!("could not read the folder `{}`", self.folder.display());
        let files = fs::read_dir(self.folder).with_context(reading)?.map(|file| file.map(|file| file.path()));
        let files = files.collect::<Result<Vec<_>, _>>().with_context(reading)?;
        Ok(files.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "deb")).collect())
    }
}

/// Debian's mirror in apt's index targets; each line holds creator, label, component and URL.
fn mirror(targets: &str) -> Option<&str> {
    targets.lines().find_map(|target| target.strip_prefix("Packages Debian main ")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_that_of_debian_itself_not_of_its_updates_or_of_other_vendors() {
        let targets = "Contents-deb Debian main http://one.example/debian/\n\
                       Packages Node Source main https://two.example/node/\n\
                       Packages Debian-Security main http://one.example/debian-security/\n\
                       Packages Debian main http://one.example/debian/\n";
        assert_eq!(mirror(targets), Some("http://one.example/debian/"));
        assert_eq!(mirror("Packages Ubuntu main http://one.example/ubuntu/\n"), None);
    }
}
