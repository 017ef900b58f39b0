//! Texts that outlive the process: the model's state after reading them, in files that are checked before they are believed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::memory_plan::KvCacheType;

/// Texts shorter than this are read again in little more time than their file takes.
pub(super) const WORTH_STORING: usize = 512;

/// A folder of states, all of one model.
pub(super) struct States {
    folder: PathBuf,
    /// What a state depends on beside its text: the model's file and the form of its memory.
    identity: String,
    /// Bytes that all files together may take.
    limit: u64,
    /// The texts that are there, by name.
    known: HashMap<String, Vec<LlamaToken>>,
}

/// A state in a file.
pub(super) struct Stored {
    file: PathBuf,
    sha256: String,
}

/// What lies beside a state and says what it is.
#[derive(Serialize, Deserialize)]
struct Label {
    identity: String,
    sha256: String,
    tokens: Vec<i32>,
}

impl States {
    /// Of the model that `identity` names, in `folder`, which is made if it is not there. Files of other models stay until room
    /// is needed.
    pub fn open(folder: &Path, identity: String, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), identity, limit, known: HashMap::new() })
    }

    /// All texts of this model whose label can be believed.
    pub fn all(&mut self) -> Vec<(Vec<LlamaToken>, Stored)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut found = Vec::new();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let Some(label) = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Label>(&bytes).ok())
            else {
                remove(&path);
                continue;
            };
            let text: Vec<LlamaToken> = label.tokens.iter().copied().map(LlamaToken).collect();
            let name = name(&label.identity, &text);
            if path.file_stem().is_none_or(|stem| *stem != *name) {
                remove(&path);
            } else if label.identity == self.identity {
                self.known.insert(name, text.clone());
                found.push((text, Stored { file: path.with_extension("state"), sha256: label.sha256 }));
            }
        }
        found
    }

    /// Whether a text, or one that goes on from it, is there.
    pub fn has(&self, text: &[LlamaToken]) -> bool {
        self.known.values().any(|known| known.starts_with(text))
    }

    /// Writes the state of `sequence`, in which `text` is. Those that it says all of are removed. `false` if it could not be
    /// written.
    pub fn store(&mut self, context: &LlamaContext<'_>, sequence: i32, text: &[LlamaToken]) -> bool {
        let name = name(&self.identity, text);
        let file = self.folder.join(&name).with_extension("state");
        let written = self.write(context, sequence, text, &file);
        if let Err(error) = &written {
            tracing::warn!(%error, "could not write the state of a conversation to `{}`", file.display());
            remove(&file.with_extension("json"));
            return false;
        }
        let covered: Vec<String> =
            self.known.iter().filter(|(_, known)| text.starts_with(known)).map(|(name, _)| name.clone()).collect();
        for shorter in covered {
            self.known.remove(&shorter);
            remove(&self.folder.join(shorter).with_extension("json"));
        }
        self.known.insert(name, text.to_vec());
        self.prune();
        true
    }

    /// Removes every file, of other models too.
    pub fn clear(&mut self) {
        self.known.clear();
        clear(&self.folder);
    }

    fn write(&self, context: &LlamaContext<'_>, sequence: i32, text: &[LlamaToken], file: &Path) -> io::Result<()> {
        let fresh = file.with_extension("new");
        context.state_seq_save_file(&fresh, sequence, text).map_err(io::Error::other)?;
        let sha256 = hash(&fresh)?;
        fs::rename(&fresh, file)?;
        let tokens = text.iter().map(|token| token.0).collect();
        let label = serde_json::to_vec(&Label { identity: self.identity.clone(), sha256, tokens })?;
        fs::write(&fresh, label)?;
        fs::rename(&fresh, file.with_extension("json"))
    }

    /// Removes the oldest files until all fit.
    fn prune(&mut self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let facts = entry.metadata().ok()?;
                let is_state = entry.path().extension()? == "state";
                is_state.then_some((facts.modified().ok()?, facts.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, file) in files {
            if total <= self.limit {
                return;
            }
            total -= size;
            if let Some(name) = file.file_stem().and_then(|stem| stem.to_str()) {
                self.known.remove(name);
            }
            remove(&file.with_extension("json"));
        }
    }
}

impl Stored {
    /// Puts the state into `sequence`, if the file is what was written, and of the text that it is said to be of.
    pub fn load(&self, context: &mut LlamaContext<'_>, sequence: i32, text: &[LlamaToken]) -> bool {
        let intact = hash(&self.file).is_ok_and(|hash| hash == self.sha256);
        let loaded = intact
            && context
                .state_seq_load_file(&self.file, sequence, text.len())
                .is_ok_and(|(tokens, _)| tokens.as_slice() == text);
        if !loaded {
            tracing::warn!("a saved state of a conversation is damaged; the conversation is read again");
            remove(&self.file.with_extension("json"));
        }
        loaded
    }
}

/// Removes the states of all models in a folder.
pub fn clear(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let ours = path.extension().is_some_and(|ending| ["json", "state", "new"].iter().any(|own| ending == *own));
        if ours && let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, "could not remove `{}`", path.display());
        }
    }
}

/// Of a text and what its state depends on: a label whose name is another one was changed.
fn name(identity: &str, text: &[LlamaToken]) -> String {
    let mut hash = Sha256::new();
    hash.update(identity);
    for token in text {
        hash.update(token.0.to_le_bytes());
    }
    hex(&hash.finalize()[..16])
}

fn hash(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes a label and its state. What cannot be removed is found again, and is then not believed either.
fn remove(label: &Path) {
    let _ = fs::remove_file(label);
    let _ = fs::remove_file(label.with_extension("state"));
}

/// What a state depends on: the model, told from others by its size and sixteen samples of what is in its file, and the form of
/// its memory.
pub(super) fn identity(model: &Path, cells: KvCacheType) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    // As earlier versions wrote it, so that their files stay valid.
    let cells = match cells {
        KvCacheType::F16 => "Exact",
        KvCacheType::Q8_0 => "Small",
    };
    let mut file = File::open(model)?;
    let size = file.metadata()?.len();
    let mut hash = Sha256::new();
    let mut sample = vec![0; 64 * 1024];
    for part in 0..16 {
        file.seek(SeekFrom::Start(size / 16 * part))?;
        let count = file.read(&mut sample)?;
        hash.update(&sample[..count]);
    }
    Ok(format!("{size} {} {cells} {}", hex(&hash.finalize()), env!("CARGO_PKG_VERSION")))
}
