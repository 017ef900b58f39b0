//! `hapa status`: whether HAPA runs, where, and with which model.

use std::process::ExitCode;

use super::client::{Client, Details};
use crate::config::Config;
use crate::serve::StartError;

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

fn describe(address: &str, details: &Details) -> String {
    let Details { version, model, backend, queue, uptime_seconds } = details;
    let state = match model.state.as_str() {
        "ready" => model.name.clone().unwrap_or_default(),
        "loading" => format!("loading, {:.0} %", model.progress.unwrap_or(0.0) * 100.0),
        "asleep" => "asleep; the next question wakes it".into(),
        "absent" => "none; put a GGUF file into the models folder".into(),
        _ => model.message.clone().unwrap_or_default(),
    };
    let device = backend.device.as_ref().map(|device| format!("device   {device}\n")).unwrap_or_default();
    format!(
        "HAPA {version} on {address}\nmodel    {state}\n{device}queue    {} active, {} waiting\nuptime   {uptime_seconds:.0} s\n",
        queue.active, queue.waiting
    )
}
