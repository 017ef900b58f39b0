//! Disk cache: KV states that outlive the process, in files whose checksum is verified before they are loaded.

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

/// Sequences with fewer tokens are not written: their prefill takes little longer than loading the file.
pub(super) const MIN_TOKENS: usize = 512;

/// KV states of one model in a folder, which may have files of other models too.
pub(crate) struct DiskKvCache {
    folder: PathBuf,
    /// What a state depends on beside its tokens, see [`model_fingerprint`].
    fingerprint: String,
    /// Maximum size of all state files together, those of other models included.
    max_bytes: u64,
    /// Token sequences of the states of this model, by file stem.
    index: HashMap<String, Vec<LlamaToken>>,
}

/// A state file with its checksum.
pub(crate) struct StateFile {
    file: PathBuf,
    sha256: String,
}

/// The JSON file beside a state file that describes it.
#[derive(Serialize, Deserialize)]
struct StateManifest {
    /// The model's fingerprint.
    identity: String,
    sha256: String,
    tokens: Vec<i32>,
}

impl DiskKvCache {
    /// Opens the cache of the model with this fingerprint; `folder` is created if it does not exist. Files of other models are
    /// removed only if the space is needed.
    pub(crate) fn open(folder: &Path, fingerprint: String, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), fingerprint, max_bytes, index: HashMap::new() })
    }

    /// Reads the manifests of this model. Those that are invalid are removed, with their states.
    pub(crate) fn load_index(&mut self) -> Vec<(Vec<LlamaToken>, StateFile)> {
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

    /// Whether a state begins with these tokens.
    pub(crate) fn contains(&self, tokens: &[LlamaToken]) -> bool {
        self.index.values().any(|known| known.starts_with(tokens))
    }

    /// Writes the state of a sequence with these tokens, and removes the states that are a prefix of it. Returns `false` if it
    /// could not be written.
    pub(crate) fn persist(&mut self, context: &LlamaContext<'_>, seq_id: SeqId, tokens: &[LlamaToken]) -> bool {
        let name = file_stem(&self.fingerprint, tokens);
        let file = self.folder.join(&name).with_extension("state");
        let written = self.write(context, seq_id, tokens, &file);
        if let Err(error) = &written {
            tracing::warn!(%error, "could not write a KV state to `{}`", file.display());
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

    /// Removes all states, of other models too.
    pub(crate) fn clear(&mut self) {
        self.index.clear();
        clear(&self.folder);
    }

    fn write(&self, context: &LlamaContext<'_>, seq_id: SeqId, tokens: &[LlamaToken], file: &Path) -> io::Result<()> {
        let temporary = file.with_extension("new");
        context.state_seq_save_file(&temporary, seq_id, tokens).map_err(io::Error::other)?;
        let sha256 = sha256(&temporary)?;
        fs::rename(&temporary, file)?;
        let tokens = tokens.iter().map(|token| token.0).collect();
        let manifest = serde_json::to_vec(&StateManifest { identity: self.fingerprint.clone(), sha256, tokens })?;
        fs::write(&temporary, manifest)?;
        fs::rename(&temporary, file.with_extension("json"))
    }

    /// Removes the oldest states until the rest fits into `max_bytes`.
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
    /// Loads the state into a sequence, if its checksum and tokens are those of the manifest. Returns `false` otherwise, and
    /// removes the file.
    pub(crate) fn load(&self, context: &mut LlamaContext<'_>, seq_id: SeqId, tokens: &[LlamaToken]) -> bool {
        let is_intact = sha256(&self.file).is_ok_and(|hash| hash == self.sha256);
        let loaded = is_intact
            && context
                .state_seq_load_file(&self.file, seq_id, tokens.len())
                .is_ok_and(|(stored, _)| stored.as_slice() == tokens);
        if !loaded {
            tracing::warn!("a KV state on disk is damaged and was removed; its prompt needs a full prefill");
            remove(&self.file.with_extension("json"));
        }
        loaded
    }
}

/// Removes the KV states of all models in a folder, see [`crate::DiskCacheOptions`].
pub fn clear(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let is_ours = path.extension().is_some_and(|ending| ["json", "state", "new"].iter().any(|own| ending == *own));
        if is_ours && let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, "could not remove `{}` from the KV disk cache", path.display());
        }
    }
}

/// File stem of a state: a hash of the fingerprint and the tokens, so that a manifest that was changed no longer matches its name.
fn file_stem(fingerprint: &str, tokens: &[LlamaToken]) -> String {
    let mut hash = Sha256::new();
    hash.update(fingerprint);
    for token in tokens {
        hash.update(token.0.to_le_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}

fn sha256(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

/// Removes a manifest and its state. If that fails, the checks reject them again next time.
fn remove(manifest: &Path) {
    let _ = fs::remove_file(manifest);
    let _ = fs::remove_file(manifest.with_extension("state"));
}

/// What a KV state depends on: the model file, identified by its size and a hash of sixteen samples, the type of the KV cache,
/// and the version of HAPA.
pub(crate) fn model_fingerprint(model: &Path, kv_cache_type: KvCacheType) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    // These words are on disk, in the files of earlier versions.
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
