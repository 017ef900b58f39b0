//! A partially downloaded model: verified parts are appended to a file that survives an interruption at any time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::catalog::Part;

/// A partial file that ends after its last verified part.
pub(crate) struct PartialModel {
    parts: &'static [Part],
    path: PathBuf,
    file: File,
    verified: usize,
    /// The hash of all verified parts.
    whole: Sha256,
    /// Whether the last appended part was rejected.
    rejected: bool,
}

impl PartialModel {
    /// Opens or creates the file at `path`, keeps its leading parts with the right checksums and truncates the rest.
    pub(crate) fn resume(parts: &'static [Part], path: &Path) -> Result<Self> {
        let opening = || format!("could not open `{}`", path.display());
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).with_context(opening)?;
        let mut whole = Sha256::new();
        let mut verified = 0;
        for part in parts {
            let mut hashes = Hashes { whole: whole.clone(), part: Sha256::new() };
            let read = io::copy(&mut (&mut file).take(part.bytes), &mut hashes).with_context(opening)?;
            if read != part.bytes || hex::encode(hashes.part.finalize()) != part.sha256 {
                break;
            }
            whole = hashes.whole;
            verified += 1;
        }
        let mut partial = Self { parts, path: path.to_path_buf(), file, verified, whole, rejected: false };
        partial.truncate()?;
        Ok(partial)
    }

    /// The number of verified parts.
    pub(crate) fn verified_parts(&self) -> usize {
        self.verified
    }

    /// The size of the verified parts in bytes.
    pub(crate) fn verified_bytes(&self) -> u64 {
        self.parts[..self.verified].iter().map(|part| part.bytes).sum()
    }

    /// The part to append next; `None` if all are there.
    pub(crate) fn next_part(&self) -> Option<&'static Part> {
        self.parts.get(self.verified)
    }

    /// Appends the content of `part`, which must be [`Self::next_part`]. Content with a wrong checksum is rejected: it is truncated
    /// again and the part has to be downloaded once more.
    ///
    /// # Errors
    /// The file could not be written, or the part was rejected twice in a row.
    pub(crate) fn append(&mut self, part: &Part, content: impl Read) -> Result<Appended> {
        let mut hashes = Hashes { whole: self.whole.clone(), part: Sha256::new() };
        let mut tee = Tee { file: &mut self.file, hashes: &mut hashes };
        // One byte more than expected reveals content that is too long.
        let copied = io::copy(&mut content.take(part.bytes + 1), &mut tee);
        let bytes = copied.with_context(|| format!("could not write `{}`", self.path.display()))?;
        if bytes == part.bytes && hex::encode(hashes.part.finalize()) == part.sha256 {
            self.whole = hashes.whole;
            self.verified += 1;
            self.rejected = false;
            return Ok(Appended::Verified);
        }
        self.truncate()?;
        if std::mem::replace(&mut self.rejected, true) {
            bail!("{} {} arrived damaged twice; run this again later", part.package, part.version);
        }
        Ok(Appended::Rejected)
    }

    /// Flushes the file to disk and returns the hex SHA-256 of the whole.
    pub(crate) fn finish(self) -> Result<String> {
        self.file.sync_all().with_context(|| format!("could not write `{}`", self.path.display()))?;
        Ok(hex::encode(self.whole.finalize()))
    }

    /// Ends the file after its last verified part.
    fn truncate(&mut self) -> Result<()> {
        let end = self.verified_bytes();
        let truncated = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
        truncated.map(drop).with_context(|| format!("could not truncate `{}`", self.path.display()))
    }
}

/// The result of appending a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The checksum is right: the part is in the file.
    Verified,
    /// The checksum is wrong: the part has to be downloaded again.
    Rejected,
}

/// The hex SHA-256 of a file.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
    copied.with_context(|| format!("could not read `{}`", path.display()))?;
    Ok(hex::encode(hash.finalize()))
}

/// The hash of one part, and of the whole up to its end.
struct Hashes {
    whole: Sha256,
    part: Sha256,
}

impl Write for Hashes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.whole.update(bytes);
        self.part.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to the file and hashes what was written.
struct Tee<'a> {
    file: &'a mut File,
    hashes: &'a mut Hashes,
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hashes.write(&bytes[..written])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ONE: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    const TWO: &str = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";
    const BOTH: &str = "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2";
    const PARTS: &[Part] = &[
        Part { package: "one", version: "1", member: "one.bin", bytes: 3, sha256: ONE },
        Part { package: "two", version: "1", member: "two.bin", bytes: 3, sha256: TWO },
    ];

    /// A partial file with this content, removed at the end of the test.
    struct TempFile(PathBuf);

    impl TempFile {
        fn with(name: &str, content: &str) -> Self {
            let path = std::env::temp_dir().join(format!("devenv-{}-{name}.partial", std::process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }

        fn content(&self) -> String {
            fs::read_to_string(&self.0).unwrap()
        }
    }

    impl Drop for TempFile {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn next_package(model: &PartialModel) -> Option<&str> {
        model.next_part().map(|part| part.package)
    }

    #[test]
    fn parts_are_concatenated_in_order_and_hashed_together() {
        let file = TempFile::with("joined", "");
        let mut model = PartialModel::resume(PARTS, &file.0).unwrap();
        assert_eq!(next_package(&model), Some("one"));
        model.append(&PARTS[0], &b"foo"[..]).unwrap();
        assert_eq!(next_package(&model), Some("two"));
        model.append(&PARTS[1], &b"bar"[..]).unwrap();
        assert_eq!(next_package(&model), None);
        assert_eq!(model.finish().unwrap(), BOTH);
        assert_eq!(file.content(), "foobar");
    }

    #[test]
    fn an_interruption_loses_only_the_part_being_written() {
        let file = TempFile::with("interrupted", "fooba");
        let mut model = PartialModel::resume(PARTS, &file.0).unwrap();
        assert_eq!((model.verified_bytes(), next_package(&model)), (3, Some("two")));
        assert_eq!(file.content(), "foo");
        model.append(&PARTS[1], &b"bar"[..]).unwrap();
        assert_eq!(model.finish().unwrap(), BOTH);
    }

    #[test]
    fn everything_after_a_damaged_part_is_discarded() {
        let file = TempFile::with("damaged", "fxobar");
        let model = PartialModel::resume(PARTS, &file.0).unwrap();
        assert_eq!((model.verified_bytes(), next_package(&model)), (0, Some("one")));
        assert_eq!(file.content(), "");
    }

    #[test]
    fn a_complete_file_needs_no_part_and_loses_its_surplus() {
        let file = TempFile::with("whole", "foobar and more");
        let model = PartialModel::resume(PARTS, &file.0).unwrap();
        assert_eq!(next_package(&model), None);
        assert_eq!(model.finish().unwrap(), BOTH);
        assert_eq!(file.content(), "foobar");
    }

    #[test]
    fn a_part_that_is_damaged_twice_in_a_row_is_an_error() {
        let file = TempFile::with("twice", "");
        let mut model = PartialModel::resume(PARTS, &file.0).unwrap();
        for damaged in ["fxo", "fo", "fooo"] {
            model.rejected = false;
            assert_eq!(model.append(&PARTS[0], damaged.as_bytes()).unwrap(), Appended::Rejected);
            assert_eq!((next_package(&model), file.content().as_str()), (Some("one"), ""));
        }
        let error = model.append(&PARTS[0], &b"fxo"[..]).unwrap_err();
        assert_eq!(error.to_string(), "one 1 arrived damaged twice; run this again later");
    }
}
