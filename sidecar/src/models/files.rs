//! Which model files there are, and what is in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::State;
use engine::gguf::ModelMetadata;
use engine::memory_plan::{AvailableMemory, DoesNotFit, MemoryPlan};

use super::seat::{Seat, Sitter};
use super::{Models, Role, budget};
use crate::config::Config;
use crate::settings::ModelId;

/// The file name of the model that HAPA comes with.
pub const DEFAULT_MODEL: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf";

/// A model in the list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its id.
    pub id: ModelId,
    /// Bytes of its file.
    pub bytes: u64,
    /// What its file says about it, or what is wrong with the file.
    pub facts: Result<ModelMetadata, String>,
    /// The roles that it was chosen for.
    pub roles: Vec<Role>,
    /// What it is doing; [`State::NoModel`] where it was not chosen.
    pub state: State,
    /// How it fits, or would fit if it were the only one.
    pub fit: Option<Result<MemoryPlan, DoesNotFit>>,
}

/// The model file to run where no setting says otherwise: the one that was asked for, the default one, or the first one there is.
#[must_use]
pub fn chosen(config: &Config) -> Option<PathBuf> {
    config.model.clone().or_else(|| usual(&config.models()))
}

/// The default model in `folder`, or the first one by name.
pub fn usual(folder: &Path) -> Option<PathBuf> {
    let default = folder.join(DEFAULT_MODEL);
    if default.is_file() { Some(default) } else { all(folder).into_values().next() }
}

/// The file of a model, if there is one by this id.
pub fn find(folder: &Path, named: Option<&Path>, id: &ModelId) -> Option<PathBuf> {
    let named = named.filter(|file| id_of(file).as_ref() == Some(id)).map(Path::to_owned);
    named.or_else(|| all(folder).remove(id))
}

/// All models, those that were chosen first.
pub fn list(models: &Models, room: &AvailableMemory) -> Vec<Listed> {
    let inner = &models.0;
    if inner.scripted {
        return scripted(models).into_iter().collect();
    }
    let mut files = all(&inner.folder);
    if let Some(named) = &inner.named
        && let Some(id) = id_of(named)
    {
        files.insert(id, named.clone());
    }
    let mut listed: Vec<Listed> = files.into_iter().map(|(id, file)| look(models, id, &file, room)).collect();
    listed.sort_by_key(|model| model.roles.is_empty());
    listed
}

/// The room that there is for models, were none in memory.
pub fn room(models: &Models) -> AvailableMemory {
    let mut room = budget::room(budget::of(&models.0.settings.current()));
    room.gpu = room.gpu.map(|free| free + models.0.seats.memory(0).gpu_bytes);
    room
}

fn look(models: &Models, id: ModelId, file: &Path, room: &AvailableMemory) -> Listed {
    let (roles, seat) = models.0.seats.roles_of(file);
    let facts = engine::gguf::read(file).map_err(|error| error.to_string());
    let fit = match seat.as_ref().map(|seat| &seat.sitter) {
        Some(Sitter::Engine(_, Some(fit))) => Some(Ok(*fit)),
        _ => facts.as_ref().ok().map(|facts| budget::chat(&facts.model_size(), room)),
    };
    let bytes = file.metadata().map_or(0, |facts| facts.len());
    Listed { id, bytes, facts, roles, state: seat.as_ref().map_or(State::NoModel, Seat::state), fit }
}

/// The script, as if it were a model.
fn scripted(models: &Models) -> Option<Listed> {
    let seat = models.0.seats.seat(Role::Chat)?;
    let name = seat.engine()?.model().map_or_else(|_| "scripted".into(), |model| model.name);
    Some(Listed {
        id: ModelId(name),
        bytes: 0,
        facts: Err("a script is followed instead of a model".into()),
        roles: vec![Role::Chat, Role::Completion],
        state: seat.state(),
        fit: None,
    })
}

/// The model files in a folder by their ids. Of a model in several files, the first one stands for all.
fn all(folder: &Path) -> BTreeMap<ModelId, PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf")) && path.is_file());
    files.filter_map(|file| Some((id_of(&file)?, file))).filter(|(id, _)| is_first_part(&id.0)).collect()
}

/// Whether a model is one of several files.
#[must_use]
pub fn is_in_parts(id: &ModelId) -> bool {
    part(&id.0).is_some()
}

/// Whether the name is not that of a later part, such as `large-00002-of-00003`.
fn is_first_part(name: &str) -> bool {
    part(name).is_none_or(|number| number == "00001")
}

/// The number of the part that a name says its file is.
fn part(name: &str) -> Option<&str> {
    let (rest, of) = name.rsplit_once("-of-")?;
    let number = rest.rsplit_once('-')?.1;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(of) && digits(number)).then_some(number)
}

fn id_of(file: &Path) -> Option<ModelId> {
    Some(ModelId(file.file_stem()?.to_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_in_several_files_is_one_model() {
        for (name, first) in [
            ("large", true),
            ("large-00001-of-00003", true),
            ("large-00002-of-00003", false),
            ("one-of-many", true),
            ("a-2-of-3", true),
        ] {
            assert_eq!(is_first_part(name), first, "{name}");
        }
    }
}
