//! `hapa status`: whether HAPA runs, where, and with which model.

use std::process::ExitCode;

use super::client::{Client, HealthDetails, RemoteDetails};
use crate::config::Config;
use crate::server::StartError;
use crate::settings::RemotePolicy;

pub(super) async fn run(config: Config) -> Result<ExitCode, StartError> {
    let Some(client) = Client::running(&config) else {
        println!("HAPA is not running. Start the app, or `hapa serve`.");
        return Ok(ExitCode::FAILURE);
    };
    match client.details().await {
        Ok(details) => {
            print!("{}", describe(client.address(), &details));
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => {
            println!("HAPA should be on {}, but: {problem}", client.address());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn describe(address: &str, details: &HealthDetails) -> String {
    let HealthDetails { version, model, backend, remote, queue, uptime_seconds } = details;
    let state = match model.state.as_str() {
        "ready" => model.name.clone().unwrap_or_default(),
        "loading" => format!("loading, {:.0} %", model.progress.unwrap_or(0.0) * 100.0),
        "asleep" => "asleep; the next question wakes it".into(),
        "absent" if remote.policy != RemotePolicy::LocalOnly => "none".into(),
        "absent" => "none; put a GGUF file into the models folder".into(),
        _ => model.message.clone().unwrap_or_default(),
    };
    let device = backend.device.as_ref().map(|device| format!("device   {device}\n")).unwrap_or_default();
    let elsewhere = elsewhere(remote);
    format!(
        "HAPA {version} on {address}\nmodel    {state}\n{device}{elsewhere}queue    {} active, {} waiting\nuptime   {uptime_seconds:.0} s\n",
        queue.active, queue.waiting
    )
}

/// Who is asked elsewhere, where that is allowed.
fn elsewhere(remote: &RemoteDetails) -> String {
    let RemoteDetails { policy, state, endpoint, model, message } = remote;
    let when = match policy {
        RemotePolicy::LocalOnly => return String::new(),
        RemotePolicy::LocalThenRemote => "where the model here cannot",
        RemotePolicy::Remote => "for everything",
    };
    let endpoint = endpoint.as_deref().unwrap_or("no server");
    let state = match (state.as_str(), model, message) {
        ("up", Some(model), _) => format!("asks for {model}"),
        (.., Some(message)) => message.clone(),
        (state, ..) => state.to_owned(),
    };
    format!("remote   {endpoint}, {when}; {state}\n")
}
