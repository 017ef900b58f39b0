//! The llama.cpp engine: loads a model on a thread of its own, and runs the decode loop there.

mod decode_loop;
mod kv_cache;
mod load;
mod prompt;
mod sampler;
mod sequence;

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use tokio::sync::watch;

use self::decode_loop::{ClearRequests, DecodeLoop, Limits, TokenizedJob};
pub use self::kv_cache::clear_disk_cache;
use self::kv_cache::disk_cache::{self, DiskKvCache};
use self::kv_cache::{CacheCapabilities, KvCache};
pub use self::load::{Device, default_backends, devices};
use self::prompt::PromptEncoder;
use crate::handle::{Job, WorkerEnd};
use crate::memory_plan::KvCacheType;
use crate::prefix_cache::PartialReuse;
use crate::thread_tracker::ThreadGuard;
use crate::{ChunkReuse, Engine, Event, LoadError, PromptAccepted, PromptTokens, State};

/// Options of [`Engine::start`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the GGUF file.
    pub model: PathBuf,
    /// Folder of llama.cpp's backends, of which the best one for this machine is loaded; see [`default_backends`].
    pub backends: PathBuf,
    /// Context limit of one request in tokens, prompt and answer together. The model's own limit applies if it is smaller.
    pub context: u32,
    /// Capacity of the KV cache in tokens (`n_ctx`), for running and cached sequences together.
    pub kv_tokens: u32,
    /// Maximum tokens of a step (`n_batch` and `n_ubatch`): a larger one speeds prefill up and takes larger compute buffers.
    pub batch_size: u32,
    /// Maximum number of running requests.
    pub slots: u32,
    /// Maximum number of queued and running requests together.
    pub queue_capacity: usize,
    /// Maximum bytes of main memory for offloaded KV states.
    pub host_cache_bytes: u64,
    /// Data type of the KV cache.
    pub kv_cache_type: KvCacheType,
    /// Layers to offload to the GPU, if there is one.
    pub gpu_layers: u32,
    /// Cache of KV states on disk, which outlives the process; `None` for none.
    pub disk_cache: Option<DiskCacheOptions>,
}

/// Options of the KV cache on disk.
#[derive(Debug, Clone)]
pub struct DiskCacheOptions {
    /// Its folder, which is created if it does not exist.
    pub folder: PathBuf,
    /// Maximum size of its files in bytes.
    pub max_bytes: u64,
}

impl Options {
    /// Defaults for a model file: 16,384 tokens, eight slots, 256 MiB for offloaded KV states, all layers on the GPU if there is
    /// one, no disk cache.
    #[must_use]
    pub fn for_model(model: PathBuf) -> Self {
        Self {
            model,
            backends: default_backends(),
            context: 16_384,
            kv_tokens: 16_384,
            batch_size: 512,
            slots: 8,
            queue_capacity: 32,
            host_cache_bytes: 256 * 1024 * 1024,
            kv_cache_type: KvCacheType::F16,
            gpu_layers: u32::MAX,
            disk_cache: None,
        }
    }
}

/// Idle sequences that stay in the context beside the running ones.
const CACHED_SEQUENCES: u32 = 16;

impl Engine {
    /// Starts a thread that loads a model and then serves requests. Returns at once; [`Engine::watch`] reports the load progress.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let (engine, worker) = Self::with_state(options.queue_capacity, State::Loading { progress: 0.0 });
        let guard = ThreadGuard::new();
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                let _guard = guard;
                let _panic_reporter = PanicReporter(worker.state.clone());
                run(&options, worker);
            })
            .expect("the system can start one more thread");
        engine
    }
}

/// Sets [`State::Failed`] if the thread panics.
struct PanicReporter(watch::Sender<State>);

impl Drop for PanicReporter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.send_replace(State::Failed { message: "the engine stopped unexpectedly; restart HAPA".into() });
        }
    }
}

fn run(options: &Options, worker: WorkerEnd) {
    let state = worker.state.clone();
    if let Err(error) = load_and_run(options, worker) {
        tracing::error!(%error, "{error}");
        state.send_replace(State::Failed { message: error.to_string() });
    }
}

fn load_and_run(options: &Options, worker: WorkerEnd) -> Result<(), LoadError> {
    let loaded = load::model(options, &worker.state)?;
    let sequences = options.slots + CACHED_SEQUENCES;
    let mut context = loaded.context(options, sequences)?;
    let step_cost = loaded.warm_up(&mut context, options)?;
    let partial_reuse = if loaded.model.is_recurrent() || loaded.model.is_hybrid() {
        PartialReuse::Unsupported
    } else {
        PartialReuse::Allowed
    };
    let supports_shift = partial_reuse == PartialReuse::Allowed && loaded.supports_kv_shift();
    let capabilities = CacheCapabilities { partial_reuse, supports_shift, on_gpu: loaded.on_gpu() };
    let kv_cache = KvCache::new(context, sequences, capabilities, options.host_cache_bytes, open_disk_cache(options));
    let info = &loaded.info;
    tracing::info!(model.name = %info.name, device = %info.device, "loaded model {}", info.name);
    worker.state.send_replace(State::Ready(info.clone()));
    let (model, limit) = (&loaded.model, loaded.context_limit as usize);
    let limits = Limits { slots: options.slots as usize, context: limit, batch_size: options.batch_size as usize };
    let (tokenized, incoming) = mpsc::channel();
    let WorkerEnd { jobs, offloaded_bytes, state, clear_requests } = worker;
    // Prompts are tokenized on a thread of their own, while the decode loop runs.
    std::thread::scope(|scope| {
        let encoder = PromptEncoder { model, template: loaded.template(), limit };
        let name: Arc<str> = info.name.as_str().into();
        let tokenizer = std::thread::Builder::new().name("engine-reader".into());
        tokenizer
            .spawn_scoped(scope, move || tokenize_loop(&encoder, &name, jobs, &tokenized))
            .expect("the system can start one more thread");
        let clear_requests = ClearRequests { requested: clear_requests, handled: 0 };
        DecodeLoop::new(model, kv_cache, (limits, step_cost), incoming, (offloaded_bytes, clear_requests)).run();
    });
    drop(state);
    Ok(())
}

/// Tokenizes the prompt of each job and reports at once whether it fits; requests then go to the decode loop. Ends with the last
/// handle.
fn tokenize_loop(
    encoder: &PromptEncoder<'_>,
    model: &Arc<str>,
    mut jobs: tokio::sync::mpsc::Receiver<Job>,
    tokenized: &mpsc::Sender<TokenizedJob>,
) {
    while let Some(job) = jobs.blocking_recv() {
        let job = match job {
            Job::Generate(job) if job.responder.is_cancelled() => continue,
            Job::Generate(job) => job,
            Job::CountTokens(job) => {
                if !job.reply.is_closed() {
                    let prompt = encoder.encode(&job.prompt, ChunkReuse::Off);
                    let counted =
                        prompt.map(|prompt| PromptTokens { tokens: prompt.tokens.len(), dropped: prompt.dropped });
                    let _ = job.reply.send(counted);
                }
                continue;
            }
        };
        match encoder.encode(&job.request.prompt, job.request.chunk_reuse) {
            Ok(prompt) => {
                job.responder.send(Ok(Event::PromptAccepted(PromptAccepted {
                    model: Arc::clone(model),
                    prompt_tokens: Some(prompt.tokens.len()),
                    limit: Some(encoder.limit),
                    dropped: prompt.dropped,
                })));
                let _ = tokenized.send((job, prompt.tokens, prompt.allowed_reuse));
            }
            Err(error) => job.responder.send(Err(error)),
        }
    }
}

/// Opens the disk cache, if one is configured. A failure is logged, and the engine runs without it.
fn open_disk_cache(options: &Options) -> Option<DiskKvCache> {
    let disk_cache = options.disk_cache.as_ref()?;
    let opened = disk_cache::model_fingerprint(&options.model, options.kv_cache_type)
        .and_then(|fingerprint| DiskKvCache::open(&disk_cache.folder, fingerprint, disk_cache.max_bytes));
    opened
        .inspect_err(
            |error| tracing::warn!(%error, "could not open the KV disk cache `{}`", disk_cache.folder.display()),
        )
        .ok()
}
