//! Model loading: backends, weights, context, warm-up.

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

/// The warm-up ends after a step of this duration: such a device will not get larger steps.
const WARM_UP_LIMIT: Duration = Duration::from_secs(1);

/// The default folder of llama.cpp's backends: `llama` beside the executable, or one folder up, for cargo's test executables.
#[must_use]
pub fn default_backends() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let folders = executable.ancestors().skip(1).take(2).map(|folder| folder.join("llama"));
    folders.into_iter().find(|folder| folder.is_dir()).unwrap_or_else(|| executable.with_file_name("llama"))
}

/// A loaded model.
pub(super) struct Loaded {
    pub model: LlamaModel,
    pub info: Model,
    /// Context limit of one request in tokens, prompt and answer together.
    pub context_limit: u32,
    backend: &'static LlamaBackend,
    gpu_layers: u32,
    threads: i32,
}

/// Loads the model, and reports the progress to `state`.
pub(super) fn model(options: &Options, state: &watch::Sender<State>) -> Result<Loaded, LoadError> {
    let path = &options.model;
    gguf::read(path).map_err(|reason| LoadError::InvalidFile { path: path.clone(), reason })?;
    let backend = backend(&options.backends);
    let devices = ordered_devices();
    let Some(device) = devices.iter().find(|device| options.gpu_layers > 0 || !is_gpu(device)) else {
        return Err(LoadError::NoBackend { path: path.clone(), folder: options.backends.clone() });
    };
    let failed = |reason: String| LoadError::LoadFailed { path: path.clone(), reason };
    let state = state.clone();
    let params = params_for_device(device, options.gpu_layers).map_err(|error| failed(error.to_string()))?;
    let params = params.with_progress_callback(move |progress| {
        state.send_replace(State::Loading { progress });
        // `false` cancels the load, once all handles are dropped.
        !state.is_closed()
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
    // One thread per physical core: a second one on the same core would only compete for its cache.
    let cores = num_cpus::get_physical().min(num_cpus::get());
    let gpu_layers = if is_gpu(device) { options.gpu_layers } else { 0 };
    Ok(Loaded { model, info, context_limit, backend, gpu_layers, threads: i32::try_from(cores).unwrap_or(1) })
}

/// Parameters for a model on one device. Without layers on it, a GPU is not used at all. llama.cpp counts the output layer as one
/// more layer, and offloads it first.
fn params_for_device(device: &LlamaBackendDevice, layers: u32) -> Result<LlamaModelParams, LlamaCppError> {
    let params = LlamaModelParams::default();
    if is_gpu(device) {
        params.with_devices(&[device.index]).map(|params| params.with_n_gpu_layers(layers.saturating_add(1)))
    } else {
        params.with_devices(&[]).map(|params| params.with_n_gpu_layers(0))
    }
}

impl Loaded {
    /// Creates the context, with a unified KV cache for `sequences` sequences.
    pub(crate) fn context(&self, options: &Options, sequences: u32) -> Result<LlamaContext<'_>, LoadError> {
        let Options { kv_tokens, batch_size, kv_cache_type, .. } = *options;
        let failed = |reason: String| LoadError::Context { tokens: kv_tokens, reason };
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

    /// Warms the model up before the first request: the first steps page the weights in, and a GPU's driver compiles kernels for
    /// each step size. Returns the step-cost model with the measured times.
    pub(crate) fn warm_up(
        &self,
        context: &mut LlamaContext<'_>,
        options: &Options,
    ) -> Result<StepCostModel, LoadError> {
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
                let decoded = context.decode(&mut batch);
                decoded.map_err(|error| LoadError::Context { tokens: options.kv_tokens, reason: error.to_string() })?;
                // Waits for the GPU, which computes asynchronously until the logits are read.
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
    pub(crate) fn on_gpu(&self) -> bool {
        self.gpu_layers >= self.model.n_layer()
    }

    /// Whether the KV cache supports shifts. llama.cpp aborts if it does not, so this is a list of architectures with full
    /// attention and plain RoPE.
    pub(crate) fn supports_kv_shift(&self) -> bool {
        const SUPPORTED: [&str; 7] = ["llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "starcoder2", "granite"];
        let text = |key: &str| self.model.meta_val_str(key).ok();
        let Some(architecture) = text("general.architecture") else { return false };
        let special = ["attention.sliding_window", "rope.dimension_sections"];
        SUPPORTED.contains(&architecture.as_str())
            && special.iter().all(|key| text(&format!("{architecture}.{key}")).is_none())
    }

    /// The model's own chat template.
    pub(crate) fn template(&self) -> Template {
        let source = self.model.chat_template(None).ok().and_then(|template| template.to_string().ok());
        let vocab = self.model.vocab();
        let text = |token| vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        Template::new(source, text(vocab.bos()), text(vocab.eos()))
    }
}

/// The FIM tokens of a model, if it has them: prefix, suffix, middle.
pub(crate) fn fim_tokens(model: &LlamaModel) -> Option<[LlamaToken; 3]> {
    let vocab = model.vocab();
    let tokens = [vocab.fim_pre(), vocab.fim_suf(), vocab.fim_mid()];
    // llama.cpp returns -1 for a token that the model does not have.
    tokens.iter().all(|token| token.0 >= 0).then_some(tokens)
}

/// The FIM token that separates the files of a repository, if the model has it.
pub(crate) fn fim_separator(model: &LlamaModel) -> Option<LlamaToken> {
    Some(model.vocab().fim_sep()).filter(|token| token.0 >= 0)
}

/// A device that a backend provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// llama.cpp's name of the device, such as `CUDA0`.
    pub name: String,
    /// Its product name.
    pub description: String,
    /// Whether it is a GPU. The model is offloaded to the first one.
    pub gpu: bool,
    /// Whether it is an integrated GPU, which uses main memory.
    pub shares_memory: bool,
    /// Size of its memory in bytes.
    pub memory_bytes: u64,
    /// Free memory in bytes.
    pub free_bytes: u64,
}

/// The devices of this machine that the backends in a folder support, the preferred one first.
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

/// Discrete GPUs first, then integrated GPUs, then the CPU.
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

/// Describes a device; the CPU with the variant of its backend.
fn describe(device: &LlamaBackendDevice) -> String {
    let variant = if is_gpu(device) { None } else { cpu_variant() };
    let variant = variant.map(|variant| format!(", {variant}")).unwrap_or_default();
    format!("{} ({}{variant})", device.name, device.description.trim())
}

/// The variant of the CPU backend that was loaded for this machine, such as `zen4`, from the name of the mapped library:
/// llama.cpp only logs it.
fn cpu_variant() -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let (_, rest) = maps.split_once("libggml-cpu-")?;
    Some(rest.split_once(".so")?.0.to_owned())
}

/// llama.cpp with its backends, initialised once per process.
fn backend(folder: &Path) -> &'static LlamaBackend {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        load_backends_from_path(folder);
        for backend in skipped_backends(folder) {
            tracing::warn!(
                backend = %backend.display(),
                "the backend `{}` could not be loaded and is skipped: it is damaged, was built for another version of llama.cpp, \
                 or this machine lacks its driver",
                backend.display()
            );
        }
        if !kernels::install() {
            tracing::debug!("using llama.cpp's own CPU kernels");
        }
        LlamaBackend::init().expect("only here, and only once")
    })
}

/// Non-CPU backends in a folder that could not be loaded, which is not reported by llama.cpp: those that are not mapped.
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
