//! The thread that owns the model: it loads it, and then works for those who ask.

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

/// Which model to load, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The GGUF file.
    pub model: PathBuf,
    /// The folder with llama.cpp's backends, of which the best for this machine is picked; see [`default_backends`].
    pub backends: PathBuf,
    /// Tokens that one request may have, prompt and answer together; the model's own limit if that is smaller.
    pub context: u32,
    /// Tokens of all requests together, and of what is remembered of earlier ones, that the model's memory holds.
    pub kv_tokens: u32,
    /// Tokens of the largest step: more are read faster, and take more room to calculate in.
    pub batch_size: u32,
    /// Requests that are worked on at a time.
    pub slots: u32,
    /// Requests that may be in the house at a time.
    pub queue_capacity: usize,
    /// Bytes of main memory for texts that had to leave the model's memory.
    pub host_cache_bytes: u64,
    /// How the model's memory keeps its numbers.
    pub kv_cache_type: KvCacheType,
    /// Layers that go to the GPU, if there is one.
    pub gpu_layers: u32,
    /// Where states outlive the process, if they do.
    pub disk_cache: Option<DiskCacheOptions>,
}

/// A place for states on disk.
#[derive(Debug, Clone)]
pub struct DiskCacheOptions {
    /// The folder; it is made if it is not there.
    pub folder: PathBuf,
    /// Bytes that its files may take.
    pub max_bytes: u64,
}

impl Options {
    /// The usual ones for a model file: 16,384 tokens, eight requests at a time, 256 MiB beside the model's memory, all layers on
    /// the GPU if there is one, nothing on disk.
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

/// Texts of earlier requests that stay in the model's memory beside those at work.
const CACHED_SEQUENCES: u32 = 16;

impl Engine {
    /// Starts a thread that loads a model and then answers requests. The handle is there at once; [`Engine::watch`] tells how
    /// the load goes.
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

/// Tells everyone who watches that the thread died of a panic.
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
    // Prompts are laid out beside the model's thread, which goes on with its step meanwhile.
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

/// Lays out the prompt of each request, and answers at once whether it fits. Ends with the last handle.
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

/// The states of this model on disk, if there is a place for them. Without one, conversations are read again after a restart.
fn open_disk_cache(options: &Options) -> Option<DiskKvCache> {
    let disk_cache = options.disk_cache.as_ref()?;
    let opened = disk_cache::model_fingerprint(&options.model, options.kv_cache_type)
        .and_then(|fingerprint| DiskKvCache::open(&disk_cache.folder, fingerprint, disk_cache.max_bytes));
    opened.inspect_err(|error| tracing::warn!(%error, "could not open `{}`", disk_cache.folder.display())).ok()
}
