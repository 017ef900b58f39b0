//! `hapa generate`: asks a question and writes the answer to the terminal as it comes.

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

/// How often a model that is loading is asked how far it is.
const POLL: Duration = Duration::from_millis(100);

pub(super) async fn run(config: Config, args: GenerateArgs) -> Result<ExitCode, StartError> {
    let code = args.code.as_deref().map(read).transpose().map_err(|error| StartError::new(Exit::Usage, error))?;
    let client = match Client::running(&config) {
        Some(client) => client,
        None => Client::inside(&config, Mode::Serve { window: None }).await?,
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

/// The request, without what was not said.
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
    let mut printer = Printer { code_only, place: Place::Start };
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
                return Err(metadata["error_message"].as_str().unwrap_or("the answer broke off").to_owned());
            }
            // A reader that has gone, as with `| head`, ends the answer.
            _ => printer.print(&event).map_err(|error| error.to_string())?,
        }
    }
    Err("the answer broke off".into())
}

/// Waits until the model is in memory, and says so where somebody watches.
async fn wait_for_model(client: &Client) -> Result<(), String> {
    let watched = io::stderr().is_terminal();
    let mut told = false;
    loop {
        let HealthDetails { model, remote, .. } = client.details().await?;
        match model.state.as_str() {
            // Somebody else answers.
            _ if remote.policy == RemotePolicy::Remote => return Ok(()),
            "loading" => {
                if watched {
                    eprint!("\rloading the model: {:.0} %", model.progress.unwrap_or(0.0) * 100.0);
                    told = true;
                }
                tokio::time::sleep(POLL).await;
            }
            "failed" if remote.policy == RemotePolicy::LocalOnly => return Err(model.message.unwrap_or_default()),
            _ => {
                if told {
                    eprint!("\r{:30}\r", "");
                }
                return Ok(());
            }
        }
    }
}

/// Which model it was, where it ran, and how fast.
fn footer(event: &Event) -> String {
    let metadata = event.metadata.clone().unwrap_or_default();
    let speed =
        metadata["tokens_per_second"].as_f64().map(|speed| format!(" · {speed:.1} tokens/s")).unwrap_or_default();
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    format!("{} · {}{speed}", text("model_used"), text("backend"))
}

/// Puts the pieces of an answer together again as markdown, or keeps the code alone.
struct Printer {
    code_only: bool,
    place: Place,
}

#[derive(PartialEq, Eq)]
enum Place {
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
                    self.place = Place::Code;
                }
                write!(out, "{text}")?;
            }
            "explanation" if !self.code_only => {
                let after_code = self.place == Place::Code;
                let text = if after_code { event.content.trim_start_matches('\n') } else { &event.content };
                write!(out, "{}{text}", if after_code { "\n```\n\n" } else { "" })?;
                self.place = Place::Explanation;
            }
            _ => {}
        }
        out.flush()
    }

    /// What stands between the last piece and a block of code.
    fn between(&self) -> &'static str {
        match self.place {
            Place::Start => "",
            Place::Code => "\n```\n\n",
            Place::Explanation => "\n\n",
        }
    }

    fn end(&mut self) -> io::Result<()> {
        let end = if self.place == Place::Code { "\n```\n" } else { "\n" };
        io::stdout().lock().write_all(end.as_bytes())
    }
}
