//! The model files in the models folder, with the metadata of their GGUF headers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::State;
use engine::gguf::ModelMetadata;
use engine::memory_plan::{AvailableMemory, DoesNotFit, MemoryPlan};

use super::roles::{Assignment, LoadState};
use super::{Models, Role, memory_budget};
use crate::base::model_id::ModelId;
use crate::config::Config;

/// The file name of the default model, which HAPA ships with.
pub(crate) const DEFAULT_MODEL: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf";

/// A model in the list.
#[derive(Debug, Clone)]
pub struct ModelEntry {
    /// Its id.
    pub id: ModelId,
    /// Size of its file, in bytes.
    pub bytes: u64,
    /// Metadata of its GGUF header, or what is wrong with the file.
    pub metadata: Result<ModelMetadata, String>,
    /// The roles that it is assigned to.
    pub roles: Vec<Role>,
    /// Its load state; [`State::NoModel`] if it is not assigned.
    pub state: State,
    /// Its memory plan, or what it would be if it were the only model.
    pub plan: Option<Result<MemoryPlan, DoesNotFit>>,
}

/// The model file to use if no setting selects one: that of `HAPA_MODEL`, the default model, or the first file.
#[must_use]
pub fn configured(config: &Config) -> Option<PathBuf> {
    config.model.clone().or_else(|| default_model(&config.models()))
}

/// The default model in `folder`, or the first one by name.
pub(crate) fn default_model(folder: &Path) -> Option<PathBuf> {
    let default = folder.join(DEFAULT_MODEL);
    if default.is_file() { Some(default) } else { scan(folder).into_values().next() }
}

/// The file of a model; `None` if there is none with this id.
pub(crate) fn find(folder: &Path, env_model: Option<&Path>, id: &ModelId) -> Option<PathBuf> {
    let env_model = env_model.filter(|file| id_of(file).as_ref() == Some(id)).map(Path::to_owned);
    env_model.or_else(|| scan(folder).remove(id))
}

/// All models, assigned ones first.
pub(crate) fn list(models: &Models, memory: &AvailableMemory) -> Vec<ModelEntry> {
    let inner = &models.0;
    if inner.scripted {
        return scripted(models).into_iter().collect();
    }
    let mut files = scan(&inner.folder);
    if let Some(env_model) = &inner.env_model
        && let Some(id) = id_of(env_model)
    {
        files.insert(id, env_model.clone());
    }
    let mut entries: Vec<ModelEntry> = files.into_iter().map(|(id, file)| entry(models, id, &file, memory)).collect();
    entries.sort_by_key(|model| model.roles.is_empty());
    entries
}

/// The memory that is available to models, counted as if none were loaded.
pub(crate) fn available_memory(models: &Models) -> AvailableMemory {
    let mut memory = memory_budget::available(memory_budget::total(&models.0.settings.current()));
    memory.gpu = memory.gpu.map(|free| free + models.0.roles.memory(0).gpu_bytes);
    memory
}

fn entry(models: &Models, id: ModelId, file: &Path, memory: &AvailableMemory) -> ModelEntry {
    let (roles, assignment) = models.0.roles.roles_for(file);
    let metadata = engine::gguf::read(file).map_err(|error| error.to_string());
    let plan = match assignment.as_ref().map(|assignment| &assignment.load_state) {
        Some(LoadState::Loaded(_, Some(plan))) => Some(Ok(*plan)),
        _ => metadata.as_ref().ok().map(|metadata| memory_budget::plan_chat(&metadata.model_size(), memory)),
    };
    let bytes = file.metadata().map_or(0, |file| file.len());
    ModelEntry {
        id,
        bytes,
        metadata,
        roles,
        state: assignment.as_ref().map_or(State::NoModel, Assignment::state),
        plan,
    }
}

/// The test script, listed as a model.
fn scripted(models: &Models) -> Option<ModelEntry> {
    let assignment = models.0.roles.get(Role::Chat)?;
    let name = assignment.engine()?.model().map_or_else(|_| "scripted".into(), |model| model.name);
    Some(ModelEntry {
        id: ModelId(name),
        bytes: 0,
        metadata: Err("a test script replaces the model".into()),
        roles: vec![Role::Chat, Role::Completion],
        state: assignment.state(),
        plan: None,
    })
}

/// The model files in a folder, by model id. A split model is listed by its first part.
fn scan(folder: &Path) -> BTreeMap<ModelId, PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path()).filter(|path| {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf")) && path.is_file()
    });
    files.filter_map(|file| Some((id_of(&file)?, file))).filter(|(id, _)| id.is_first_part()).collect()
}

fn id_of(file: &Path) -> Option<ModelId> {
    Some(ModelId(file.file_stem()?.to_str()?.to_owned()))
}
