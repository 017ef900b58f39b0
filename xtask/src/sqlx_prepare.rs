//! `cargo xtask queries`: regenerates `sidecar/.sqlx`, the metadata against which sqlx checks the SQL queries offline.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use devenv::Paths;
use devenv::files::{empty_folder, remove_folder};
use devenv::process::{cargo, command, run};

/// Creates a database from the migrations in the order of their numbers. Python's SQLite includes the full-text index that they use.
const MIGRATE: &str = "
import pathlib, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
for migration in sorted(pathlib.Path(sys.argv[2]).glob('*.sql')):
    database.executescript(migration.read_text(encoding='utf-8'))
database.commit()
";

/// Compiles all queries against a database made from the migrations, and replaces `sidecar/.sqlx` with the resulting metadata.
pub(crate) fn sqlx_prepare(paths: &Paths) -> Result<()> {
    let sidecar = paths.checkout.join("sidecar");
    let scratch = paths.cache.join("queries");
    let prepared = scratch.join("found");
    empty_folder(&scratch)?;
    empty_folder(&prepared)?;
    let database = scratch.join("hapa.db");
    run(command("python3").args(["-c", MIGRATE]).arg(&database).arg(sidecar.join("migrations")))?;
    // Cargo does not notice that the database has changed.
    touch(&sidecar.join("src").join("store.rs"))?;
    let mut check = cargo(paths);
    check.args(["check", "--workspace", "--lib"]).env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", &prepared);
    check.env("DATABASE_URL", format!("sqlite://{}", database.display()));
    run(&mut check)?;
    replace_files(&prepared, &sidecar.join(".sqlx"))?;
    remove_folder(&scratch)
}

/// Replaces the content of the folder `to` with copies of the files in `from`.
fn replace_files(from: &Path, to: &Path) -> Result<()> {
    empty_folder(to)?;
    let reading = || format!("could not read `{}`", from.display());
    for entry in fs::read_dir(from).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let copied = fs::copy(entry.path(), to.join(entry.file_name()));
        copied.with_context(|| format!("could not copy `{}`", entry.path().display()))?;
    }
    Ok(())
}

fn touch(file: &Path) -> Result<()> {
    let touched = File::options().append(true).open(file).and_then(|file| file.set_modified(SystemTime::now()));
    touched.with_context(|| format!("could not touch `{}`", file.display()))
}
