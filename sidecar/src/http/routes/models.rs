//! `/api/v1/models`: the installed models, their roles, and the catalogue of recommended models.

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

/// The installed models.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelsResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The installed models; those with a role come first.
    models: Vec<ModelItem>,
    memory: Memory,
    /// Recommended models to download, smallest first.
    catalogue: Vec<CatalogueItem>,
}

/// A recommended model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CatalogueItem {
    /// The id that the model has once it is installed.
    #[schema(value_type = String, example = "qwen2.5-coder-1.5b-instruct-q4_k_m")]
    id: ModelId,
    #[schema(example = "Qwen2.5 Coder 1.5B")]
    name: &'static str,
    repository: Repository,
    file: FileName,
    /// Approximate file size in bytes.
    size_bytes: u64,
    #[schema(example = "apache-2.0")]
    license: &'static str,
    /// Whether the licence permits all uses, including commercial use.
    free: bool,
    fit: ModelFit,
    /// Whether the model is installed.
    installed: bool,
    /// Whether the model is the best choice for this machine.
    suggested: bool,
}

/// The checksum of a model file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerifyResponse {
    /// Always `success`.
    #[schema(example = "success")]
    status: &'static str,
    /// The SHA-256 of the file.
    sha256: String,
    /// The expected SHA-256; null if unknown.
    expected: Option<String>,
    /// Whether the checksums match; null if the expected one is unknown.
    matches: Option<bool>,
    /// The repository that the model was downloaded from; null if it was not downloaded.
    repository: Option<Repository>,
}

/// An installed model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelItem {
    #[schema(value_type = String, example = "qwen2.5-coder-0.5b-instruct-q4_k_m")]
    id: ModelId,
    /// The name in the metadata of the file.
    name: Option<String>,
    /// `available` without a role; otherwise `loading`, `ready`, `asleep` (unloaded when idle) or `failed`.
    state: &'static str,
    /// While loading, the loaded share, 0 to 1.
    progress: Option<f32>,
    /// Why the model cannot be used.
    message: Option<String>,
    /// The roles of the model.
    roles: Vec<Role>,
    /// File size in bytes.
    size_bytes: u64,
    /// Model architecture, such as `qwen2`.
    architecture: Option<String>,
    /// Quantization of the weights, such as `Q4_K_M`.
    quantization: Option<String>,
    license: Option<String>,
    /// The context size of training, in tokens.
    context: Option<u32>,
    /// Whether the model supports fill-in-the-middle, which gives better completions.
    fills: Option<bool>,
    fit: Option<ModelFit>,
}

/// Whether a model fits into the memory budget, and how.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelFit {
    fits: bool,
    /// Bytes of main memory that the model uses; if it does not fit, the minimum that it needs.
    memory_bytes: u64,
    layers: Option<u32>,
    /// Of those, layers that are offloaded to the GPU.
    gpu_layers: Option<u32>,
    /// The context size in tokens.
    context: Option<u32>,
    /// A summary for users, in the language of `Accept-Language`.
    #[schema(example = "24 of 24 layers on the processor")]
    explanation: String,
}

/// The role of a model.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct LoadRequest {
    /// The role; `chat` if absent.
    role: Option<Role>,
}

/// Lists the installed models and the recommended ones.
#[utoipa::path(
    get, path = "/api/v1/models", tag = "models",
    responses(
        (status = 200, description = "The models", body = ModelsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn models(State(app): State<AppState>, language: Language) -> Json<ModelsResponse> {
    Json(all(&app, language).await)
}

/// Assigns a role to a model and starts to load it. The previous model completes its running requests first.
#[utoipa::path(
    post, path = "/api/v1/models/{id}/load", tag = "models", request_body = Option<LoadRequest>,
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The models; loading continues in the background", body = ModelsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn load_model(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
    OptionalJsonBody(request): OptionalJsonBody<LoadRequest>,
) -> Result<Json<ModelsResponse>, ApiError> {
    let role = request.role.unwrap_or(Role::Chat);
    app.models.select(&ModelId(id), role).await?;
    Ok(Json(all(&app, language).await))
}

/// Unloads a model. The next request for it loads it again.
#[utoipa::path(
    post, path = "/api/v1/models/{id}/unload", tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The models; unloading waits for running requests", body = ModelsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn unload_model(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<ModelsResponse>, ApiError> {
    app.models.unload(&ModelId(id))?;
    Ok(Json(all(&app, language).await))
}

/// Deletes a model file. A loaded model must be unloaded first.
#[utoipa::path(
    delete, path = "/api/v1/models/{id}", tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The remaining models", body = ModelsResponse),
        ClientErrors,
    )
)]
pub(crate) async fn remove_model(
    State(app): State<AppState>,
    language: Language,
    PathId(id): PathId,
) -> Result<Json<ModelsResponse>, ApiError> {
    app.models.remove(&ModelId(id)).await?;
    Ok(Json(all(&app, language).await))
}

/// Computes the checksum of a model file and compares it with that of its download. Takes some seconds per GiB.
#[utoipa::path(
    post, path = "/api/v1/models/{id}/verify", tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The checksum", body = VerifyResponse),
        ClientErrors,
    )
)]
pub(crate) async fn verify_model(
    State(app): State<AppState>,
    PathId(id): PathId,
) -> Result<Json<VerifyResponse>, ApiError> {
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
            Err(DoesNotFit { needed: needed_bytes, available: available_bytes }) => {
                let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
                let (needed, available) = (gib(needed_bytes), gib(available_bytes));
                let message = LocalizedText::new(
                    format!("메모리가 {needed} 필요하지만 예산은 {available}입니다"),
                    format!("needs {needed} of memory, and the budget is {available}"),
                );
                Self {
                    fits: false,
                    memory_bytes: needed_bytes,
                    layers: None,
                    gpu_layers: None,
                    context: None,
                    explanation: message.text(language).into(),
                }
            }
        }
    }
}
