//! Texts that outlive the process: the model's state after reading them, in files that are checked before they are believed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SeqId;
use crate::memory_plan::KvCacheType;

/// Texts shorter than this are read again in little more time than their file takes.
pub(super) const MIN_TOKENS: usize = 512;

/// A folder of states, all of one model.
pub struct DiskKvCache {
    folder: PathBuf,
    /// What a state depends on beside its text: the model's file and the form of its memory.
    fingerprint: String,
    /// Bytes that all files together may take.
    max_bytes: u64,
    /// The texts that are there, by name.
    index: HashMap<String, Vec<LlamaToken>>,
}

/// A state in a file.
pub struct StateFile {
    file: PathBuf,
    sha256: String,
}

/// What lies beside a state and says what it is.
#[derive(Serialize, Deserialize)]
struct StateManifest {
    identity: String,
    sha256: String,
    tokens: Vec<i32>,
}

impl DiskKvCache {
    /// Of the model that `identity` names, in `folder`, which is made if it is not there. Files of other models stay until room
    /// is needed.
    pub fn open(folder: &Path, fingerprint: String, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), fingerprint, max_bytes, index: HashMap::new() })
    }

    /// All texts of this model whose manifest can be believed.
    pub fn load_index(&mut self) -> Vec<(Vec<LlamaToken>, StateFile)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut states = Vec::new();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let Some(manifest) =
                fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<StateManifest>(&bytes).ok())
            else {
                remove(&path);
                continue;
            };
            let tokens: Vec<LlamaToken> = manifest.tokens.iter().copied().map(LlamaToken).collect();
            let name = file_stem(&manifest.identity, &tokens);
            if path.file_stem().is_none_or(|stem| *stem != *name) {
                remove(&path);
            } else if manifest.identity == self.fingerprint {
                self.index.insert(name, tokens.clone());
                states.push((tokens, StateFile { file: path.with_extension("state"), sha256: manifest.sha256 }));
            }
        }
        states
    }

    /// Whether a text, or one that goes on from it, is there.
    pub fn contains(&self, tokens: &[LlamaToken]) -> bool {
        self.index.values().any(|known| known.starts_with(tokens))
    }

    /// Writes the state of `sequence`, in which `text` is. Those that it says all of are removed. `false` if it could not be
    /// written.
    pub fn persist(&mut self, context: &LlamaContext<'_>, seq_id: SeqId, tokens: &[LlamaToken]) -> bool {
        let name = file_stem(&self.fingerprint, tokens);
        let file = self.folder.join(&name).with_extension("state");
        let written = self.write(context, seq_id, tokens, &file);
        if let Err(error) = &written {
            tracing::warn!(%error, "could not write the state of a conversation to `{}`", file.display());
            remove(&file.with_extension("json"));
            return false;
        }
        let subsumed: Vec<String> =
            self.index.iter().filter(|(_, known)| tokens.starts_with(known)).map(|(name, _)| name.clone()).collect();
        for shorter in subsumed {
            self.index.remove(&shorter);
            remove(&self.folder.join(shorter).with_extension("json"));
        }
        self.index.insert(name, tokens.to_vec());
        self.prune();
        true
    }

    /// Removes every file, of other models too.
    pub fn clear(&mut self) {
        self.index.clear();
        clear(&self.folder);
    }

    fn write(&self, context: &LlamaContext<'_>, seq_id: SeqId, tokens: &[LlamaToken], file: &Path) -> io::Result<()> {
        let temporary = file.with_extension("new");
        context.state_seq_save_file(&temporary, seq_id, tokens).map_err(io::Error::other)?;
        let sha256 = hash(&temporary)?;
        fs::rename(&temporary, file)?;
        let tokens = tokens.iter().map(|token| token.0).collect();
        let manifest = serde_json::to_vec(&StateManifest { identity: self.fingerprint.clone(), sha256, tokens })?;
        fs::write(&temporary, manifest)?;
        fs::rename(&temporary, file.with_extension("json"))
    }

    /// Removes the oldest files until all fit.
    fn prune(&mut self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let metadata = entry.metadata().ok()?;
                let is_state = entry.path().extension()? == "state";
                is_state.then_some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, file) in files {
            if total <= self.max_bytes {
                return;
            }
            total -= size;
            if let Some(name) = file.file_stem().and_then(|stem| stem.to_str()) {
                self.index.remove(name);
            }
            remove(&file.with_extension("json"));
        }
    }
}

impl StateFile {
    /// Puts the state into `sequence`, if the file is what was written, and of the text that it is said to be of.
    pub fn load(&self, context: &mut LlamaContext<'_>, seq_id: SeqId, tokens: &[LlamaToken]) -> bool {
        let intact = hash(&self.file).is_ok_and(|hash| hash == self.sha256);
        let loaded = intact
            && context
                .state_seq_load_file(&self.file, seq_id, tokens.len())
                .is_ok_and(|(stored, _)| stored.as_slice() == tokens);
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
        let is_ours = path.extension().is_some_and(|ending| ["json", "state", "new"].iter().any(|own| ending == *own));
        if is_ours && let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, "could not remove `{}`", path.display());
        }
    }
}

/// Of a text and what its state depends on: a manifest whose name is another one was changed.
fn file_stem(fingerprint: &str, tokens: &[LlamaToken]) -> String {
    let mut hash = Sha256::new();
    hash.update(fingerprint);
    for token in tokens {
        hash.update(token.0.to_le_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}

fn hash(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

/// Removes a manifest and its state. What cannot be removed is found again, and is then not believed either.
fn remove(manifest: &Path) {
    let _ = fs::remove_file(manifest);
    let _ = fs::remove_file(manifest.with_extension("state"));
}

/// What a state depends on: the model, told from others by its size and sixteen samples of what is in its file, and the form of
/// its memory.
pub fn model_fingerprint(model: &Path, kv_cache_type: KvCacheType) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    // As earlier versions wrote it, so that their files stay valid.
    let kv_cache_type = match kv_cache_type {
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
    Ok(format!("{size} {} {kv_cache_type} {}", hex::encode(hash.finalize()), env!("CARGO_PKG_VERSION")))
}
