//! Bringing a model into memory: backends, weights, context.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType as GgmlType, LlamaContextParams};
use llama_cpp_2::llama_backend::{LlamaBackend, load_backends_from_path};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::{
    LlamaBackendDevice, LlamaBackendDeviceType, LlamaCppError, LogOptions, list_llama_ggml_backend_devices,
    send_logs_to_tracing,
};
use llama_cpp_sys_2::{LLAMA_FLASH_ATTN_TYPE_AUTO, LLAMA_FLASH_ATTN_TYPE_DISABLED};
use tokio::sync::watch;

use super::Options;
use crate::gguf;
use crate::memory_plan::{Attention, KvCacheType};
use crate::scheduler::StepCostModel;
use crate::template::Template;
use crate::{LoadError, Model, State};

/// A device that takes so long for a step makes no larger ones, and need not be made ready for them.
const WARM_UP_LIMIT: Duration = Duration::from_secs(1);

/// The folder with llama.cpp's backends: `llama` beside the program, or one folder up, where cargo puts test programs.
#[must_use]
pub fn default_backends() -> PathBuf {
    let beside = std::env::current_exe().unwrap_or_default();
    let folders = beside.ancestors().skip(1).take(2).map(|folder| folder.join("llama"));
    folders.into_iter().find(|folder| folder.is_dir()).unwrap_or_else(|| beside.with_file_name("llama"))
}

/// A model in memory, and what is known about it.
pub(super) struct Loaded {
    pub model: LlamaModel,
    pub info: Model,
    /// Context limit of one request in tokens, prompt and answer together.
    pub context_limit: u32,
    backend: &'static LlamaBackend,
    gpu_layers: u32,
    threads: i32,
}

/// Reads the model, reporting progress.
pub(super) fn model(options: &Options, report: &watch::Sender<State>) -> Result<Loaded, LoadError> {
    let path = &options.model;
    gguf::read(path).map_err(|reason| LoadError::InvalidFile { path: path.clone(), reason })?;
    let backend = backend(&options.backends);
    let devices = ordered_devices();
    let Some(device) = devices.iter().find(|device| options.gpu_layers > 0 || !is_gpu(device)) else {
        return Err(LoadError::NoBackend { path: path.clone(), folder: options.backends.clone() });
    };
    let failed = |reason: String| LoadError::LoadFailed { path: path.clone(), reason };
    let progress = report.clone();
    let params = params_for_device(device, options.gpu_layers).map_err(|error| failed(error.to_string()))?;
    let params = params.with_progress_callback(move |progress_now| {
        progress.send_replace(State::Loading { progress: progress_now });
        // Nobody holds a handle any more: stop loading.
        !progress.is_closed()
    });
    let model = LlamaModel::load_from_file(backend, path, &params).map_err(|error| failed(error.to_string()))?;
    let context_limit = options.context.min(model.n_ctx_train());
    let info = Model {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        size_bytes: model.size(),
        context: Some(context_limit),
        device: describe(device),
        supports_fim: fim_tokens(&model).is_some(),
        supports_repo_context: fim_separator(&model).is_some(),
    };
    // One thread a core; a second thread on the same core only takes its cache away.
    let cores = num_cpus::get_physical().min(num_cpus::get());
    let gpu_layers = if is_gpu(device) { options.gpu_layers } else { 0 };
    Ok(Loaded { model, info, context_limit, backend, gpu_layers, threads: i32::try_from(cores).unwrap_or(1) })
}

/// A model on one device: with no layer on it, a GPU is not touched at all. llama.cpp counts what is behind the layers as one
/// more, and takes it first.
fn params_for_device(device: &LlamaBackendDevice, layers: u32) -> Result<LlamaModelParams, LlamaCppError> {
    let params = LlamaModelParams::default();
    if is_gpu(device) {
        params.with_devices(&[device.index]).map(|params| params.with_n_gpu_layers(layers.saturating_add(1)))
    } else {
        params.with_devices(&[]).map(|params| params.with_n_gpu_layers(0))
    }
}

impl Loaded {
    /// The model's memory, shared by `sequences` texts.
    pub fn context(&self, options: &Options, sequences: u32) -> Result<LlamaContext<'_>, LoadError> {
        let Options { kv_tokens, batch_size, kv_cache_type, .. } = *options;
        let failed = |reason: String| LoadError::Context { context: kv_tokens, reason };
        let attention = match Attention::of(self.gpu_layers, kv_cache_type) {
            Attention::Eager => LLAMA_FLASH_ATTN_TYPE_DISABLED,
            Attention::Flash => LLAMA_FLASH_ATTN_TYPE_AUTO,
        };
        let ggml_type = match kv_cache_type {
            KvCacheType::F16 => GgmlType::F16,
            KvCacheType::Q8_0 => GgmlType::Q8_0,
        };
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(kv_tokens.max(self.context_limit)))
            .with_n_seq_max(sequences)
            .with_kv_unified(true)
            .with_flash_attention_policy(attention)
            .with_type_k(ggml_type)
            .with_type_v(ggml_type)
            .with_n_batch(batch_size)
            .with_n_ubatch(batch_size)
            .with_n_threads(self.threads)
            .with_n_threads_batch(self.threads)
            .with_no_perf(true);
        self.model.new_context(self.backend, params).map_err(|error| failed(error.to_string()))
    }

    /// Makes the first steps before anybody waits for them, which takes longer than all later ones: weights come into memory, and a
    /// GPU's driver compiles what it needs for steps of each size that will be made. Tells what was learnt of the model's pace.
    pub fn warm_up(&self, context: &mut LlamaContext<'_>, options: &Options) -> Result<StepCostModel, LoadError> {
        let mut step_cost = StepCostModel::default();
        let max_batch = options.batch_size as usize;
        let sizes = if self.on_gpu() { vec![1, 2, 4, 8, 16, 64, max_batch] } else { vec![1] };
        let mut batch = LlamaBatch::new(max_batch, 1);
        for size in sizes.into_iter().filter(|size| *size <= max_batch) {
            for again in [false, true] {
                batch.clear();
                let position = |token: usize| i32::try_from(token).expect("a step has fewer than 2^31 tokens");
                for token in 0..size {
                    let added = batch.add(self.model.vocab().nl(), position(token), &[0], token + 1 == size);
                    added.expect("the batch was made for the largest step");
                }
                let started = Instant::now();
                let done = context.decode(&mut batch);
                done.map_err(|error| LoadError::Context { context: options.kv_tokens, reason: error.to_string() })?;
                // A GPU's step is over when somebody looks at what came of it.
                let _ = context.get_logits_ith(position(size - 1));
                context.clear_kv_cache();
                if again {
                    let took = started.elapsed();
                    step_cost.observe(size, took);
                    if took > WARM_UP_LIMIT {
                        return Ok(step_cost);
                    }
                }
            }
        }
        Ok(step_cost)
    }

    /// Whether all layers are on a GPU.
    pub fn on_gpu(&self) -> bool {
        self.gpu_layers >= self.model.n_layer()
    }

    /// Whether what was read can be moved to another place of a text: llama.cpp aborts where it cannot, so only architectures are
    /// named whose memory is plain and whose positions are single numbers turned in one way.
    pub fn supports_kv_shift(&self) -> bool {
        const SUPPORTED: [&str; 7] = ["llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "starcoder2", "granite"];
        let text = |key: &str| self.model.meta_val_str(key).ok();
        let Some(architecture) = text("general.architecture") else { return false };
        let special = ["attention.sliding_window", "rope.dimension_sections"];
        SUPPORTED.contains(&architecture.as_str())
            && special.iter().all(|key| text(&format!("{architecture}.{key}")).is_none())
    }

    /// The model's own chat template.
    pub fn template(&self) -> Template {
        let source = self.model.chat_template(None).ok().and_then(|template| template.to_string().ok());
        let vocab = self.model.vocab();
        let text = |token| vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        Template::new(source, text(vocab.bos()), text(vocab.eos()))
    }
}

/// The tokens that a model which can fill gaps knows: before the text, after it, and where the gap is.
pub fn fim_tokens(model: &LlamaModel) -> Option<[LlamaToken; 3]> {
    let vocab = model.vocab();
    let tokens = [vocab.fim_pre(), vocab.fim_suf(), vocab.fim_mid()];
    // llama.cpp's word for a token that the model does not have is -1.
    tokens.iter().all(|token| token.0 >= 0).then_some(tokens)
}

/// The token at which a file begins, where several are shown.
pub fn fim_separator(model: &LlamaModel) -> Option<LlamaToken> {
    Some(model.vocab().fim_sep()).filter(|token| token.0 >= 0)
}

/// A device that models can run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// What llama.cpp calls it, such as `CUDA0`.
    pub name: String,
    /// What its maker calls it.
    pub description: String,
    /// Whether it is a GPU. A model goes to the first one that there is.
    pub gpu: bool,
    /// Whether it is a GPU that takes main memory, as one that is part of the processor.
    pub shares_memory: bool,
    /// Bytes of its memory.
    pub memory_bytes: u64,
    /// Of those, bytes that are free.
    pub free_bytes: u64,
}

/// The devices of this machine that the backends in a folder are for, the best first.
#[must_use]
pub fn devices(backends: &Path) -> Vec<Device> {
    backend(backends);
    let device = |device: LlamaBackendDevice| Device {
        gpu: is_gpu(&device),
        shares_memory: device.device_type == LlamaBackendDeviceType::IntegratedGpu,
        name: device.name,
        description: device.description.trim().into(),
        memory_bytes: device.memory_total as u64,
        free_bytes: device.memory_free as u64,
    };
    ordered_devices().into_iter().map(device).collect()
}

/// A GPU with memory of its own goes before one that shares the processor's, and that before the processor.
fn ordered_devices() -> Vec<LlamaBackendDevice> {
    let mut devices = list_llama_ggml_backend_devices();
    devices.sort_by_key(|device| match device.device_type {
        LlamaBackendDeviceType::Gpu => 0,
        LlamaBackendDeviceType::IntegratedGpu => 1,
        LlamaBackendDeviceType::Cpu => 2,
        _ => 3,
    });
    devices
}

fn is_gpu(device: &LlamaBackendDevice) -> bool {
    matches!(device.device_type, LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu)
}

/// A device in words: the processor with the variant of the code for it.
fn describe(device: &LlamaBackendDevice) -> String {
    let variant = if is_gpu(device) { None } else { cpu_variant() };
    let variant = variant.map(|variant| format!(", {variant}")).unwrap_or_default();
    format!("{} ({}{variant})", device.name, device.description.trim())
}

/// The variant of the CPU backend that was picked for this machine, such as `zen4`: the name of the library that is mapped.
/// llama.cpp itself only logs it.
fn cpu_variant() -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let (_, rest) = maps.split_once("libggml-cpu-")?;
    Some(rest.split_once(".so")?.0.to_owned())
}

/// llama.cpp, initialised once a process, with the best of its backends for this machine.
fn backend(folder: &Path) -> &'static LlamaBackend {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        load_backends_from_path(folder);
        for backend in skipped_backends(folder) {
            tracing::warn!(
                backend = %backend.display(),
                "the backend `{}` cannot be used, so HAPA does without it: it is damaged, was built for another llama.cpp, or this \
                 machine lacks its driver",
                backend.display()
            );
        }
        if !kernels::install() {
            tracing::debug!("the processor multiplies with llama.cpp's own kernels");
        }
        LlamaBackend::init().expect("only here, and only once")
    })
}

/// Backends for other devices than the processor that lie in a folder and were not taken: they are not mapped. llama.cpp keeps
/// silent about them.
fn skipped_backends(folder: &Path) -> Vec<PathBuf> {
    let (Ok(maps), Ok(files)) = (std::fs::read_to_string("/proc/self/maps"), std::fs::read_dir(folder)) else {
        return Vec::new();
    };
    let backend = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix("libggml-")
            .and_then(|name| name.strip_suffix(".so"))
            .is_some_and(|name| !name.starts_with("cpu"))
    };
    let mapped = |path: &Path| path.canonicalize().is_ok_and(|path| maps.contains(&*path.to_string_lossy()));
    files.flatten().map(|file| file.path()).filter(|path| backend(path) && !mapped(path)).collect()
}
