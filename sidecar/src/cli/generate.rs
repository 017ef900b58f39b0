//! `hapa generate`: sends a question and streams the answer to the terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use handshake::Exit;
use serde_json::{Value, json};

use super::GenerateArgs;
use super::client::{Client, Event, HealthDetails};
use crate::config::Config;
use crate::server::{Mode, StartError};
use crate::settings::RemotePolicy;

/// How often the progress of a model that is loading is polled.
const POLL: Duration = Duration::from_millis(100);

pub(super) async fn run(config: Config, args: GenerateArgs) -> Result<ExitCode, StartError> {
    let code = args.code.as_deref().map(read).transpose().map_err(|error| StartError::new(Exit::Usage, error))?;
    let client = match Client::running(&config) {
        Some(client) => client,
        None => Client::embedded(&config, Mode::Serve { window: None }).await?,
    };
    let body = body(&args, code);
    Ok(match answer(&client, &body, args.code_only).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("hapa: {problem}");
            ExitCode::FAILURE
        }
    })
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| format!("could not read `{}`: {error}", path.display()))?;
    Ok(text)
}

/// The request body, without the options that were not set.
fn body(args: &GenerateArgs, code: Option<String>) -> Value {
    let mut body = json!({
        "user_question": args.question,
        "language": args.language,
        "code_context": code,
        "file_path": args.code.as_deref().filter(|path| *path != Path::new("-")),
        "max_tokens": args.max_tokens,
        "temperature": args.temperature,
        "seed": args.seed,
    });
    body.as_object_mut().expect("it is an object").retain(|_, value| !value.is_null());
    body
}

async fn answer(client: &Client, body: &Value, code_only: bool) -> Result<(), String> {
    wait_for_model(client).await?;
    let mut events = client.generate(body).await?;
    let mut printer = Printer { code_only, state: PrinterState::Start };
    while let Some(event) = events.next().await {
        let event = event?;
        match event.kind.as_str() {
            "done" => {
                printer.end().map_err(|error| error.to_string())?;
                if io::stderr().is_terminal() {
                    eprintln!("\n{}", footer(&event));
                }
                return Ok(());
            }
            "error" => {
                let metadata = event.metadata.unwrap_or_default();
                return Err(metadata["error_message"].as_str().unwrap_or("the answer was interrupted").to_owned());
            }
            // A reader that has closed the pipe, as with `| head`, ends the answer.
            _ => printer.print(&event).map_err(|error| error.to_string())?,
        }
    }
    Err("the answer was interrupted".into())
}

/// Waits until the model is loaded, and shows the progress on a terminal.
async fn wait_for_model(client: &Client) -> Result<(), String> {
    let watched = io::stderr().is_terminal();
    let mut progress_shown = false;
    loop {
        let HealthDetails { model, remote, .. } = client.details().await?;
        match model.state.as_str() {
            // The remote server answers.
            _ if remote.policy == RemotePolicy::Remote => return Ok(()),
            "loading" => {
                if watched {
                    eprint!("\rloading the model: {:.0} %", model.progress.unwrap_or(0.0) * 100.0);
                    progress_shown = true;
                }
                tokio::time::sleep(POLL).await;
            }
            "failed" if remote.policy == RemotePolicy::LocalOnly => return Err(model.message.unwrap_or_default()),
            _ => {
                if progress_shown {
                    eprint!("\r{:30}\r", "");
                }
                return Ok(());
            }
        }
    }
}

/// The model, where it ran, and its speed.
fn footer(event: &Event) -> String {
    let metadata = event.metadata.clone().unwrap_or_default();
    let speed =
        metadata["tokens_per_second"].as_f64().map(|speed| format!(" · {speed:.1} tokens/s")).unwrap_or_default();
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    format!("{} · {}{speed}", text("model_used"), text("backend"))
}

/// Prints the pieces of an answer as markdown, or only the code.
struct Printer {
    code_only: bool,
    state: PrinterState,
}

#[derive(PartialEq, Eq)]
enum PrinterState {
    Start,
    Code,
    Explanation,
}

impl Printer {
    fn print(&mut self, event: &Event) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match event.kind.as_str() {
            "code" if self.code_only => write!(out, "{}", event.content)?,
            "code" => {
                let mut text = event.content.as_str();
                if let Some(language) = event.metadata.as_ref().and_then(|opened| opened["language"].as_str()) {
                    text = text.trim_start_matches('\n');
                    writeln!(out, "{}```{language}", self.between())?;
                    self.state = PrinterState::Code;
                }
                write!(out, "{text}")?;
            }
            "explanation" if !self.code_only => {
                let after_code = self.state == PrinterState::Code;
                let text = if after_code { event.content.trim_start_matches('\n') } else { &event.content };
                write!(out, "{}{text}", if after_code { "\n```\n\n" } else { "" })?;
                self.state = PrinterState::Explanation;
            }
            _ => {}
        }
        out.flush()
    }

    /// The separator between the last piece and a block of code.
    fn between(&self) -> &'static str {
        match self.state {
            PrinterState::Start => "",
            PrinterState::Code => "\n```\n\n",
            PrinterState::Explanation => "\n\n",
        }
    }

    fn end(&mut self) -> io::Result<()> {
        let end = if self.state == PrinterState::Code { "\n```\n" } else { "\n" };
        io::stdout().lock().write_all(end.as_bytes())
    }
}
