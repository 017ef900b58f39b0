//! `hapa status`: whether HAPA is running, on which address, and with which model.

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
            println!("HAPA should be running on {}, but: {problem}", client.address());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn describe(address: &str, details: &HealthDetails) -> String {
    let HealthDetails { version, model, backend, remote, queue, uptime_seconds } = details;
    let state = match model.state.as_str() {
        "ready" => model.name.clone().unwrap_or_default(),
        "loading" => format!("loading, {:.0} %", model.progress.unwrap_or(0.0) * 100.0),
        "asleep" => "unloaded; loads on the next request".into(),
        "absent" if remote.policy != RemotePolicy::LocalOnly => "none".into(),
        "absent" => "none; put a GGUF file into the models folder".into(),
        _ => model.message.clone().unwrap_or_default(),
    };
    let device = backend.device.as_ref().map(|device| format!("device   {device}\n")).unwrap_or_default();
    let remote = describe_remote(remote);
    format!(
        "HAPA {version} on {address}\nmodel    {state}\n{device}{remote}queue    {} active, {} waiting\nuptime   {uptime_seconds:.0} s\n",
        queue.active, queue.waiting
    )
}

/// The remote server, and when requests are sent to it.
fn describe_remote(remote: &RemoteDetails) -> String {
    let RemoteDetails { policy, state, endpoint, model, message } = remote;
    let when = match policy {
        RemotePolicy::LocalOnly => return String::new(),
        RemotePolicy::LocalThenRemote => "as the fallback",
        RemotePolicy::Remote => "for all requests",
    };
    let endpoint = endpoint.as_deref().unwrap_or("no server");
    let state = match (state.as_str(), model, message) {
        ("up", Some(model), _) => format!("model {model}"),
        (.., Some(message)) => message.clone(),
        (state, ..) => state.to_owned(),
    };
    format!("remote   {endpoint}, {when}; {state}\n")
}
