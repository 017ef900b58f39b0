//! Vulkan's headers: the system's where they are new enough, otherwise those of a newer Debian, unpacked in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::fingerprint::Fingerprint;
use crate::paths::Paths;
use crate::process::{command, line, on_path, read, succeed};
use crate::status;

/// The oldest that llama.cpp is known to be built with here; 1.3.239 of Debian 12 lacks `vk::LayerSettingEXT`.
const OLDEST: &str = "1.4.309";

/// The Debian that has them, by the name of its suite.
const SUITE: &str = "trixie";

/// Its packages that carry them.
const PACKAGES: &[&str] = &["libvulkan-dev", "spirv-headers"];

/// The folder with `include` and `share` in it, or `None` where the compiler finds good ones by itself.
pub fn install(paths: &Paths) -> Result<Option<PathBuf>> {
    if read(command("pkg-config").arg(format!("--atleast-version={OLDEST}")).arg("vulkan")).is_ok() {
        return Ok(None);
    }
    let folder = paths.cache.join("vulkan").join("headers");
    let unpacked = folder.join("unpacked");
    let fingerprint = Fingerprint::at(folder.join("unpacked.from"));
    if fingerprint.says(SUITE) {
        status::print("Fresh", format_args!("Vulkan's headers of {SUITE}"));
        return Ok(Some(unpacked.join("usr")));
    }
    if !on_path("apt-get") || !on_path("dpkg") {
        return Err(anyhow!(
            "this system's Vulkan headers are older than {OLDEST}; install newer ones, with those of SPIR-V, and run this again"
        ));
    }
    status::print("Fetching", format_args!("Vulkan's headers of {SUITE}, which are unpacked and not installed"));
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("could not empty `{}`", folder.display()))?;
    }
    let apt = Apt::open(&folder)?;
    apt.run(&["update", "-qq"], &[])?;
    apt.run(&["download", "-qq"], PACKAGES)?;
    for package in apt.downloaded()? {
        succeed(command("dpkg").arg("-x").arg(&package).arg(&unpacked))?;
    }
    fingerprint.write(SUITE)?;
    Ok(Some(unpacked.join("usr")))
}

/// An apt that knows nothing but the newer suite, of the mirror that this machine's own apt asks, and keeps all that it has in a
/// folder.
struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    fn open(folder: &'a Path) -> Result<Self> {
        for part in ["lists/partial", "archives/partial"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).with_context(|| format!("could not create `{}`", part.display()))?;
        }
        let format = "$(CREATED_BY) $(LABEL) $(COMPONENT) $(REPO_URI)";
        let targets = read(command("apt-get").args(["indextargets", "--format", format]))?;
        let mirror = mirror(&targets)
            .ok_or_else(|| anyhow!("apt here knows no mirror of Debian, which has newer Vulkan headers"))?;
        let list = folder.join("sources.list");
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let source = format!("deb [target=Packages signed-by={keys}] {mirror} {SUITE} main\n");
        fs::write(&list, source).with_context(|| format!("could not write `{}`", list.display()))?;
        Ok(Self { folder })
    }

    /// Runs `verb`, on packages of the suite. What it downloads comes into the folder.
    fn run(&self, verb: &[&str], packages: &[&str]) -> Result<()> {
        let mut apt = command("apt-get");
        apt.current_dir(self.folder).args(verb);
        let place = |option: &str, name: &str| format!("{option}={}", self.folder.join(name).display());
        for option in [
            place("Dir::Etc::SourceList", "sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            place("Dir::State::Lists", "lists"),
            place("Dir::Cache", ""),
            // The folder is the user's, whose home other users may not enter.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            apt.arg("-o").arg(option);
        }
        apt.args(packages.iter().map(|package| format!("{package}/{SUITE}")));
        let shown = line(&apt);
        read(&mut apt)
            .map(drop)
            .map_err(|problem| anyhow!("could not fetch Vulkan's headers: {problem:#}; run this again (`{shown}`)"))
    }

    fn downloaded(&self) -> Result<Vec<PathBuf>> {
        let reading = || format!("could not read the folder `{}`", self.folder.display());
        let files = fs::read_dir(self.folder).with_context(reading)?.map(|file| file.map(|file| file.path()));
        let files = files.collect::<Result<Vec<_>, _>>().with_context(reading)?;
        Ok(files.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "deb")).collect())
    }
}

/// Debian's mirror among apt's lists of packages, each a line of what made it, label, component and address.
fn mirror(targets: &str) -> Option<&str> {
    targets.lines().find_map(|target| target.strip_prefix("Packages Debian main ")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_debians_own_and_not_that_of_its_updates_or_of_others() {
        let targets = "Contents-deb Debian main http://one.example/debian/\n\
                       Packages Node Source main https://two.example/node/\n\
                       Packages Debian-Security main http://one.example/debian-security/\n\
                       Packages Debian main http://one.example/debian/\n";
        assert_eq!(mirror(targets), Some("http://one.example/debian/"));
        assert_eq!(mirror("Packages Ubuntu main http://one.example/ubuntu/\n"), None);
    }
}
