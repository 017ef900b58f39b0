//! `/api/v1/models`: the models of this machine, and which of them answer.

use axum::Json;
use axum::extract::State;
use engine::State as ModelState;
use engine::memory_plan::DoesNotFit;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::i18n::{Language, LocalizedText};
use crate::base::model_id::ModelId;
use crate::http::error::{ApiError, ClientErrors};
use crate::http::extract::{OptionalJsonBody, PathId};
use crate::http::state::AppState;
use crate::hub;
use crate::hub::{FileName, Repository};
use crate::models::{Memory, ModelEntry, Role, plan_summary};

/// All models.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// Those that were chosen come first.
    models: Vec<ModelItem>,
    memory: Memory,
    /// Models that are worth a download, smallest first.
    catalogue: Vec<CatalogueItem>,
}

/// A model that is worth a download.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueItem {
    /// Its id, once it is here.
    #[schema(value_type = String, example = "qwen2.5-coder-1.5b-instruct-q4_k_m")]
    id: ModelId,
    #[schema(example = "Qwen2.5 Coder 1.5B")]
    name: &'static str,
    repository: Repository,
    file: FileName,
    /// Bytes of its file, roughly.
    size_bytes: u64,
    #[schema(example = "apache-2.0")]
    license: &'static str,
    /// Whether the licence lets everybody use it for everything, work included.
    free: bool,
    fit: ModelFit,
    /// Whether it is here.
    installed: bool,
    /// Whether it is the one that suits this machine best.
    suggested: bool,
}

/// RequestFacts a model's file consists of.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifyResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The SHA-256 of its bytes.
    sha256: String,
    /// The SHA-256 that they must have; null where nobody said.
    expected: Option<String>,
    /// Whether they are the same; null where nobody said.
    matches: Option<bool>,
    /// Where it was downloaded from; null if it was not.
    repository: Option<Repository>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelItem {
    #[schema(value_type = String, example = "qwen2.5-coder-0.5b-instruct-q4_k_m")]
    id: ModelId,
    /// RequestFacts its file calls it.
    name: Option<String>,
    /// `available` where it was not chosen, or `loading`, `ready`, `asleep` or `failed`.
    state: &'static str,
    /// While it loads, the share that is in memory, 0 to 1.
    progress: Option<f32>,
    /// Why it cannot be used.
    message: Option<String>,
    /// RequestFacts it was chosen for.
    roles: Vec<Role>,
    /// Bytes of its file.
    size_bytes: u64,
    /// Its kind, such as `qwen2`.
    architecture: Option<String>,
    /// How its weights are kept, such as `Q4_K_M`.
    quantization: Option<String>,
    license: Option<String>,
    /// Tokens of the longest text that it was trained on.
    context: Option<u32>,
    /// Whether it can fill a gap in a text, which completions are best made with.
    fills: Option<bool>,
    fit: Option<ModelFit>,
}

/// Whether a model fits into the memory budget, and how.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelFit {
    fits: bool,
    /// Bytes of main memory that it takes, or needs at least if it does not fit.
    memory_bytes: u64,
    layers: Option<u32>,
    /// Of those, layers on the GPU.
    gpu_layers: Option<u32>,
    /// Tokens of one conversation.
    context: Option<u32>,
    /// The same in one sentence, in the language of `Accept-Language`.
    #[schema(example = "24 of 24 layers on the processor")]
    explanation: String,
}

/// RequestFacts to load a model for.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct LoadRequest {
    /// `chat` if absent.
    role: Option<Role>,
}

/// Lists the models that there are.
#[utoipa::path(
    get, path = "/api/v1/models", tag = "models",
    responses(
        (status = 200, description = "The models", body = ModelsResponse),
        ClientErrors,
    )
)]
pub async fn models(State(app): State<AppState>, language: Language) -> Json<ModelsResponse> {
    Json(all(&app, language).await)
}

/// Chooses a model for chats or completions, and begins to load it. The one before finishes what it is at.
#[utoipa::path(
    post, path = "/api/v1/models/{id}/load", tag = "models", request_body = Option<LoadRequest>,
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "It loads; the list tells how far", body = ModelsResponse),
        ClientErrors,
    )
)]
pub async fn load_model(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
    OptionalJsonBody(request): OptionalJsonBody<LoadRequest>,
) -> Result<Json<ModelsResponse>, ApiError> {
    let role = request.role.unwrap_or(Role::Chat);
    app.models.select(&ModelId(id), role).await?;
    Ok(Json(all(&app, language).await))
}

/// ExpectedBody a model out of memory. The next request that needs it brings it back.
#[utoipa::path(
    post, path = "/api/v1/models/{id}/unload", tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "It leaves memory when it has finished what it is at", body = ModelsResponse),
        ClientErrors,
    )
)]
pub async fn unload_model(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<ModelsResponse>, ApiError> {
    app.models.unload(&ModelId(id))?;
    Ok(Json(all(&app, language).await))
}

/// Removes a model's file from the disk. One that is in memory has to be unloaded first.
#[utoipa::path(
    delete, path = "/api/v1/models/{id}", tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "It is gone", body = ModelsResponse),
        ClientErrors,
    )
)]
pub async fn remove_model(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<ModelsResponse>, ApiError> {
    app.models.remove(&ModelId(id)).await?;
    Ok(Json(all(&app, language).await))
}

/// Reads a model's whole file, and compares its bytes with what they were when it was downloaded. ExpectedBody some seconds for each GiB.
#[utoipa::path(
    post, path = "/api/v1/models/{id}/verify", tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "RequestFacts it consists of", body = VerifyResponse),
        ClientErrors,
    )
)]
pub async fn verify_model(State(app): State<AppState>, PathId(id): PathId) -> Result<Json<VerifyResponse>, ApiError> {
    let id = ModelId(id);
    let file = app.models.file(&id)?;
    let hashed = tokio::task::spawn_blocking(move || hub::hash(&file, |_| {})).await;
    let hashed = hashed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let unreadable = |error| ApiError::internal(format!("could not read the model `{}`", id.0), error);
    let sha256 = hashed.map_err(unreadable)?;
    let origin = app.hub.provenance(&id).await;
    let expected = origin.as_ref().and_then(|origin| Some(origin.metadata.as_ref()?.sha256.clone()));
    let matches = expected.as_ref().map(|expected| *expected == sha256);
    let repository = origin.map(|origin| origin.source.repository);
    Ok(Json(VerifyResponse { status: "success", sha256, expected, matches, repository }))
}

async fn all(app: &AppState, language: Language) -> ModelsResponse {
    let (listed, fits) = app.models.list(hub::catalog::ALL.iter().map(|entry| entry.size).collect()).await;
    let models: Vec<ModelItem> = listed.into_iter().map(|model| ModelItem::new(model, language)).collect();
    let catalogue = catalogue(fits, language, &models);
    ModelsResponse { status: "success", models, memory: app.models.memory(), catalogue }
}

fn catalogue(
    fits: Vec<Result<engine::memory_plan::MemoryPlan, DoesNotFit>>,
    language: Language,
    models: &[ModelItem],
) -> Vec<CatalogueItem> {
    let suited = hub::catalog::recommend(&fits, crate::system::cores());
    let item =
        |(index, (entry, fit)): (usize, (hub::catalog::Entry, Result<engine::memory_plan::MemoryPlan, DoesNotFit>))| {
            let file = entry.file();
            let id = ModelId(file.model().to_owned());
            CatalogueItem {
                name: entry.name,
                repository: entry.repository(),
                file,
                size_bytes: entry.bytes,
                license: entry.license,
                free: entry.commercial_use,
                fit: ModelFit::new(fit, Some(entry.size.context), language),
                installed: models.iter().any(|model| model.id == id),
                suggested: suited == Some(index),
                id,
            }
        };
    hub::catalog::ALL.into_iter().zip(fits).enumerate().map(item).collect()
}

impl ModelItem {
    fn new(model: ModelEntry, language: Language) -> Self {
        let trained = model.metadata.as_ref().ok().map(|facts| facts.context);
        let fit = model.plan.map(|fit| ModelFit::new(fit, trained, language));
        let mut item = Self {
            id: model.id,
            name: None,
            state: "available",
            progress: None,
            message: None,
            roles: model.roles,
            size_bytes: model.bytes,
            architecture: None,
            quantization: None,
            license: None,
            context: trained,
            fills: None,
            fit,
        };
        match model.metadata {
            Ok(facts) => {
                item.name = facts.name;
                item.architecture = Some(facts.architecture);
                item.quantization = facts.quantization;
                item.license = facts.license;
                item.fills = Some(facts.supports_fim);
            }
            Err(problem) => item.message = Some(problem),
        }
        match model.state {
            ModelState::NoModel => {}
            ModelState::Unloaded => item.state = "asleep",
            ModelState::Loading { progress } => (item.state, item.progress) = ("loading", Some(progress)),
            ModelState::Ready(_) => (item.state, item.message) = ("ready", None),
            ModelState::Failed { message } => (item.state, item.message) = ("failed", Some(message)),
        }
        item
    }
}

impl ModelFit {
    fn new(fit: Result<engine::memory_plan::MemoryPlan, DoesNotFit>, trained: Option<u32>, language: Language) -> Self {
        match fit {
            Ok(fit) => Self {
                fits: true,
                memory_bytes: fit.main.total(),
                layers: Some(fit.layers),
                gpu_layers: Some(fit.gpu_layers),
                context: Some(fit.context),
                explanation: plan_summary::summary(&fit, trained).text(language).into(),
            },
            Err(DoesNotFit { needed: needs, available: has }) => {
                let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
                let (needed, there) = (gib(needs), gib(has));
                let message = LocalizedText::new(
                    format!("메모리 {needed}가 필요한데 예산은 {there}입니다"),
                    format!("needs {needed} of memory, and the budget is {there}"),
                );
                Self {
                    fits: false,
                    memory_bytes: needs,
                    layers: None,
                    gpu_layers: None,
                    context: None,
                    explanation: message.text(language).into(),
                }
            }
        }
    }
}
