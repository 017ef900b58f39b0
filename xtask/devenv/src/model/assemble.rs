//! Joining a model from its parts in a partial file, which survives an interruption at any moment.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use sha2::{Digest, Sha256};

use super::catalog::Part;

/// A partial file that ends with its last verified part.
pub struct Assembly {
    parts: &'static [Part],
    path: PathBuf,
    file: File,
    verified: usize,
    whole: Sha256,
    damaged: bool,
}

impl Assembly {
    /// Goes on with the file at `path`: its leading parts that are true to their checksums are kept, the rest is cut off.
    pub fn resume(parts: &'static [Part], path: &Path) -> Result<Self> {
        let opening = || format!("could not open `{}`", path.display());
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).with_context(opening)?;
        let mut whole = Sha256::new();
        let mut verified = 0;
        for part in parts {
            let mut both = Both { whole: whole.clone(), part: Sha256::new() };
            let read = io::copy(&mut (&mut file).take(part.bytes), &mut both).with_context(opening)?;
            if read != part.bytes || hex::encode(both.part.finalize()) != part.sha256 {
                break;
            }
            whole = both.whole;
            verified += 1;
        }
        let mut assembly = Self { parts, path: path.to_path_buf(), file, verified, whole, damaged: false };
        assembly.cut()?;
        Ok(assembly)
    }

    /// How many parts are in the file.
    pub fn verified(&self) -> usize {
        self.verified
    }

    /// The bytes of those parts.
    pub fn written(&self) -> u64 {
        self.parts[..self.verified].iter().map(|part| part.bytes).sum()
    }

    /// The part to fetch now, `None` when all are there.
    pub fn next(&self) -> Option<&'static Part> {
        self.parts.get(self.verified)
    }

    /// Adds the content of `part`, the one that [`Self::next`] named. Content that is not the part is cut off again, and
    /// `next` names the part once more; the second time in a row it is a problem.
    pub fn add(&mut self, part: &Part, content: impl Read) -> Result<Added> {
        let mut both = Both { whole: self.whole.clone(), part: Sha256::new() };
        let mut tee = Tee { file: &mut self.file, both: &mut both };
        // One byte more than there should be shows a file that is too long.
        let copied = io::copy(&mut content.take(part.bytes + 1), &mut tee);
        let bytes = copied.with_context(|| format!("could not write `{}`", self.path.display()))?;
        if bytes == part.bytes && hex::encode(both.part.finalize()) == part.sha256 {
            self.whole = both.whole;
            self.verified += 1;
            self.damaged = false;
            return Ok(Added::Whole);
        }
        self.cut()?;
        if std::mem::replace(&mut self.damaged, true) {
            return Err(anyhow!("{} {} arrived damaged twice; run this again later", part.package, part.version));
        }
        Ok(Added::Damaged)
    }

    /// Makes sure that the file is on the disk, and tells its hex SHA-256.
    pub fn finish(self) -> Result<String> {
        self.file.sync_all().with_context(|| format!("could not write `{}`", self.path.display()))?;
        Ok(hex::encode(self.whole.finalize()))
    }

    /// Ends the file after its last verified part.
    fn cut(&mut self) -> Result<()> {
        let end = self.written();
        let cut = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
        cut.map(drop).with_context(|| format!("could not shorten `{}`", self.path.display()))
    }
}

/// How a part arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Added {
    /// True to its checksum: it is in the file.
    Whole,
    /// Not so: it has to be fetched again.
    Damaged,
}

/// The hex SHA-256 of a file.
pub fn hash_of(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
    copied.with_context(|| format!("could not read `{}`", path.display()))?;
    Ok(hex::encode(hash.finalize()))
}

/// The hash of a part and of all up to its end.
struct Both {
    whole: Sha256,
    part: Sha256,
}

impl Write for Both {
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
    both: &'a mut Both,
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.both.write(&bytes[..written])
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
    struct Partial(PathBuf);

    impl Partial {
        fn with(name: &str, content: &str) -> Self {
            let path = std::env::temp_dir().join(format!("xtask-{}-{name}.partial", std::process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }

        fn content(&self) -> String {
            fs::read_to_string(&self.0).unwrap()
        }
    }

    impl Drop for Partial {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn next(assembly: &Assembly) -> Option<&str> {
        assembly.next().map(|part| part.package)
    }

    #[test]
    fn parts_are_joined_in_order_and_hashed_together() {
        let partial = Partial::with("joined", "");
        let mut assembly = Assembly::resume(PARTS, &partial.0).unwrap();
        assert_eq!(next(&assembly), Some("one"));
        assembly.add(&PARTS[0], &b"foo"[..]).unwrap();
        assert_eq!(next(&assembly), Some("two"));
        assembly.add(&PARTS[1], &b"bar"[..]).unwrap();
        assert_eq!(next(&assembly), None);
        assert_eq!(assembly.finish().unwrap(), BOTH);
        assert_eq!(partial.content(), "foobar");
    }

    #[test]
    fn an_interruption_costs_no_more_than_the_part_it_struck() {
        let partial = Partial::with("interrupted", "fooba");
        let mut assembly = Assembly::resume(PARTS, &partial.0).unwrap();
        assert_eq!((assembly.written(), next(&assembly)), (3, Some("two")));
        assert_eq!(partial.content(), "foo");
        assembly.add(&PARTS[1], &b"bar"[..]).unwrap();
        assert_eq!(assembly.finish().unwrap(), BOTH);
    }

    #[test]
    fn nothing_after_a_damaged_part_is_trusted() {
        let partial = Partial::with("damaged", "fxobar");
        let assembly = Assembly::resume(PARTS, &partial.0).unwrap();
        assert_eq!((assembly.written(), next(&assembly)), (0, Some("one")));
        assert_eq!(partial.content(), "");
    }

    #[test]
    fn a_whole_file_needs_no_part() {
        let partial = Partial::with("whole", "foobar and more");
        let assembly = Assembly::resume(PARTS, &partial.0).unwrap();
        assert_eq!(next(&assembly), None);
        assert_eq!(assembly.finish().unwrap(), BOTH);
        assert_eq!(partial.content(), "foobar");
    }

    #[test]
    fn a_part_may_arrive_damaged_once() {
        let partial = Partial::with("twice", "");
        let mut assembly = Assembly::resume(PARTS, &partial.0).unwrap();
        for damaged in ["fxo", "fo", "fooo"] {
            assembly.damaged = false;
            assert_eq!(assembly.add(&PARTS[0], damaged.as_bytes()).unwrap(), Added::Damaged);
            assert_eq!((next(&assembly), partial.content().as_str()), (Some("one"), ""));
        }
        let problem = assembly.add(&PARTS[0], &b"fxo"[..]).unwrap_err();
        assert_eq!(problem.to_string(), "one 1 arrived damaged twice; run this again later");
    }
}
