//! `GET /health` and `GET /health/detailed`: health of the server, the model and the remote server.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::State as ModelState;
use serde::Serialize;
use utoipa::ToSchema;

use super::remote::RemoteHealth;
use crate::base::i18n::Language;
use crate::doctor::{FindingView, Issues, Status};
use crate::http::error::ClientErrors;
use crate::http::state::AppState;
use crate::instance::VERSION;
use crate::models::Memory;
use crate::remote::State as RemoteState;
use crate::settings::RemotePolicy;
use crate::system::Sample;

/// The health of the server, without private details.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthResponse {
    status: Status,
    #[schema(example = "0.4.0")]
    version: &'static str,
    /// RFC 3339.
    timestamp: String,
    system_info: SystemInfo,
    environment_validation: EnvironmentValidation,
}

/// The load of the machine, in percent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemInfo {
    cpu_usage: f32,
    memory_usage: f32,
    disk_usage: f32,
}

impl SystemInfo {
    /// A sample of the load, rounded to tenths.
    pub(crate) fn of(sample: &Sample) -> Self {
        Self { cpu_usage: tenth(sample.cpu), memory_usage: tenth(sample.memory), disk_usage: tenth(sample.disk) }
    }
}

/// The number of problems of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnvironmentValidation {
    status: Status,
    issues: Issues,
}

/// Returns the health of the server. Needs no key.
#[utoipa::path(
    get, path = "/health", tag = "system", security(()),
    responses(
        (status = 200, description = "The server is available", body = HealthResponse),
        (status = 503, description = "The database is not available", body = HealthResponse),
    )
)]
pub(crate) async fn health(State(app): State<AppState>) -> (StatusCode, Json<HealthResponse>) {
    let sample = *app.system.borrow();
    let state = app.models.state();
    let status = status(&app, &state);
    let mut issues = app.health.latest().issues();
    if !sample.store_answers {
        // The check of the database file may have passed.
        issues.critical = issues.critical.max(1);
    }
    let code = if status == Status::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let response = HealthResponse {
        status,
        version: VERSION,
        timestamp: jiff::Timestamp::now().to_string(),
        system_info: SystemInfo::of(&sample),
        environment_validation: EnvironmentValidation { status: issues.status(), issues },
    };
    (code, Json(response))
}

/// What the remote policy uses has to work: the local model, the remote server, or both. With local first and remote as
/// fallback, a machine without a local model is healthy.
fn status(app: &AppState, state: &ModelState) -> Status {
    if !app.system.borrow().store_answers {
        return Status::Unhealthy;
    }
    let policy = app.settings.current().remote_policy;
    let local = match state {
        ModelState::Ready(_) | ModelState::Unloaded => true,
        ModelState::NoModel => policy == RemotePolicy::LocalThenRemote,
        ModelState::Loading { .. } | ModelState::Failed { .. } => false,
    };
    let remote = matches!(app.remote.state(), RemoteState::Up(_));
    let works = match policy {
        RemotePolicy::LocalOnly => local,
        RemotePolicy::LocalThenRemote => local && remote,
        RemotePolicy::Remote => remote,
    };
    if works { Status::Healthy } else { Status::Degraded }
}

fn tenth(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

/// The health of the server in detail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DetailedHealthResponse {
    status: Status,
    version: &'static str,
    model: ModelHealth,
    backend: BackendHealth,
    remote: RemoteHealth,
    devices: Vec<DeviceHealth>,
    queue: QueueHealth,
    memory: Memory,
    /// The results of all checks of the installation, including passed ones, in the language of `Accept-Language`.
    findings: Vec<FindingView>,
    /// Seconds since the process started.
    uptime_seconds: f64,
}

/// The state of the model.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ModelHealth {
    /// `absent`, `asleep`, `loading`, `ready` or `failed`.
    state: &'static str,
    /// The name of the model file without its extension.
    name: Option<String>,
    /// While loading, the loaded share, 0 to 1.
    progress: Option<f32>,
    /// Size of the weights in bytes.
    size_bytes: Option<u64>,
    /// The context size: maximum tokens of prompt and answer.
    context: Option<u32>,
    /// Why loading failed.
    message: Option<String>,
}

/// Where the model runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackendHealth {
    /// The device; null while no model is loaded.
    device: Option<String>,
    /// How the model is distributed over devices, in the language of `Accept-Language`; null while no model is loaded.
    #[schema(example = "24 of 24 layers on the processor")]
    placement: Option<String>,
}

/// A device that models can run on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceHealth {
    /// Device name in llama.cpp, such as `CUDA0`.
    name: String,
    /// Product name of the device.
    description: String,
    /// Whether the device is a GPU.
    gpu: bool,
    /// Memory of the device in bytes.
    memory_bytes: u64,
    /// Free memory in bytes.
    free_bytes: u64,
}

/// The request queue of the engine.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueHealth {
    /// Queued requests.
    waiting: usize,
    /// Requests in progress.
    active: usize,
    /// Maximum number of queued and active requests.
    capacity: usize,
}

impl QueueHealth {
    /// The current queue.
    pub(crate) fn of(app: &AppState) -> Self {
        let load = app.models.queue_depth();
        Self { waiting: load.waiting(), active: load.active, capacity: load.capacity }
    }
}

impl From<engine::Device> for DeviceHealth {
    fn from(device: engine::Device) -> Self {
        let engine::Device { name, description, gpu, memory_bytes, free_bytes, .. } = device;
        Self { name, description, gpu, memory_bytes, free_bytes }
    }
}

/// Returns the health of the server in detail: model, devices, remote server, queue and memory.
#[utoipa::path(
    get, path = "/health/detailed", tag = "system",
    responses(
        (status = 200, description = "The details", body = DetailedHealthResponse),
        ClientErrors,
    )
)]
pub(crate) async fn health_detailed(State(app): State<AppState>, language: Language) -> Json<DetailedHealthResponse> {
    let state = app.models.state();
    let status = status(&app, &state);
    let placement = app.models.plan_summary().map(|placement| placement.text(language).to_owned());
    let device = if let ModelState::Ready(model) = &state { Some(model.device.clone()) } else { None };
    let model = match state {
        ModelState::NoModel => ModelHealth { state: "absent", ..Default::default() },
        ModelState::Unloaded => ModelHealth { state: "asleep", ..Default::default() },
        ModelState::Loading { progress } => {
            ModelHealth { state: "loading", progress: Some(progress), ..Default::default() }
        }
        ModelState::Failed { message } => ModelHealth { state: "failed", message: Some(message), ..Default::default() },
        ModelState::Ready(model) => ModelHealth {
            state: "ready",
            name: Some(model.name),
            size_bytes: Some(model.size_bytes),
            context: model.context,
            ..Default::default()
        },
    };
    Json(DetailedHealthResponse {
        status,
        version: VERSION,
        model,
        backend: BackendHealth { device, placement },
        remote: RemoteHealth::of(&app, language),
        devices: app.models.devices().await.into_iter().map(DeviceHealth::from).collect(),
        queue: QueueHealth::of(&app),
        memory: app.models.memory(),
        findings: app.health.latest().localized(language),
        uptime_seconds: app.started.elapsed().as_secs_f64(),
    })
}
