//! `cargo xtask queries`: renews what the checked SQL queries are compiled against.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use devenv::paths::Paths;
use devenv::process::{cargo, command, succeed};

/// Makes a database from the migrations in the order of their numbers. Python's SQLite knows the full-text index that they use.
const MIGRATE: &str = "
import pathlib, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
for migration in sorted(pathlib.Path(sys.argv[2]).glob('*.sql')):
    database.executescript(migration.read_text(encoding='utf-8'))
database.commit()
";

/// Checks every query against a database made from the migrations, and replaces `sidecar/.sqlx` by what came of it.
pub fn sqlx_prepare(paths: &Paths) -> Result<()> {
    let sidecar = paths.checkout.join("sidecar");
    let scratch = paths.cache.join("queries");
    let found = scratch.join("found");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("could not empty `{}`", scratch.display()))?;
    }
    fs::create_dir_all(&found).with_context(|| format!("could not create `{}`", found.display()))?;
    let database = scratch.join("hapa.db");
    succeed(command("python3").args(["-c", MIGRATE]).arg(&database).arg(sidecar.join("migrations")))?;
    // Cargo does not see that the database is another one.
    touch(&sidecar.join("src").join("store.rs"))?;
    let mut check = cargo(paths);
    check.args(["check", "--workspace", "--lib"]).env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", &found);
    check.env("DATABASE_URL", format!("sqlite://{}", database.display()));
    succeed(&mut check)?;
    let kept = sidecar.join(".sqlx");
    fs::remove_dir_all(&kept).with_context(|| format!("could not empty `{}`", kept.display()))?;
    fs::create_dir_all(&kept).with_context(|| format!("could not create `{}`", kept.display()))?;
    for entry in fs::read_dir(&found).with_context(|| format!("could not read `{}`", found.display()))? {
        let file = entry.with_context(|| format!("could not read `{}`", found.display()))?.path();
        let name = file.file_name().expect("a file in a folder has a name");
        fs::copy(&file, kept.join(name)).with_context(|| format!("could not copy `{}`", file.display()))?;
    }
    fs::remove_dir_all(&scratch).with_context(|| format!("could not empty `{}`", scratch.display()))
}

fn touch(file: &Path) -> Result<()> {
    let now = std::time::SystemTime::now();
    let opened = fs::File::options().append(true).open(file);
    opened.and_then(|file| file.set_modified(now)).with_context(|| format!("could not touch `{}`", file.display()))
}
