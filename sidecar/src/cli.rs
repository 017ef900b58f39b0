//! The command line: what can be said to `hapa`.

mod client;
mod doctor;
mod generate;
mod keys;
mod serve;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config};
use crate::error::Language;
use crate::http;
use crate::keys::Permission;
use crate::serve::StartError;
use handshake::Exit;

/// Writes, completes, checks and explains code, with the model on your own machine.
#[derive(Debug, Parser)]
#[command(name = "hapa", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  hapa generate \"리스트에서 중복 제거하는 함수 만들어줘\"
  hapa generate --code-only \"read a CSV file into dicts\" > read.py
  hapa generate --code app.py \"이 코드의 버그를 찾아줘\"
  hapa serve --port 8000";

/// How long the last step of a model may take when the process ends.
const LAST_STEP: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API on this machine, until Ctrl-C
    Serve(ServeArgs),
    /// Have code written, streamed to the terminal
    Generate(GenerateArgs),
    /// Show whether HAPA runs, where, and with which model
    Status,
    /// Say what is wrong with this installation, and what helps
    Doctor(DoctorArgs),
    /// Make, list and revoke keys for programs that use the API
    Keys(KeysArgs),
    /// Print the API's description, as served on /api/openapi.json
    #[command(hide = true)]
    Openapi,
    /// Print the table of variables, as in CONFIGURATION.md
    #[command(hide = true)]
    Variables,
}

/// Arguments of `hapa serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen on this port and no other [default: 8000, or the next that is free]
    #[arg(long)]
    port: Option<u16>,
    /// Talk to the desktop app on stdin and stdout, and end with it
    #[arg(long, hide = true)]
    supervised: bool,
}

/// Arguments of `hapa doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Arguments of `hapa generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What to write, in Korean or English
    question: String,
    /// The programming language of the answer
    #[arg(short, long, default_value = "python")]
    language: String,
    /// A file that the question is about, or - for stdin
    #[arg(short, long, value_name = "FILE")]
    code: Option<PathBuf>,
    /// Print the code alone, without fences and explanation
    #[arg(long)]
    code_only: bool,
    /// End the answer after so many tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_tokens: Option<u32>,
    /// 0 takes the likeliest word each time, 2 is wild
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// The same seed, question and model give the same answer
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
}

/// Arguments of `hapa keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeyCommand,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key, which is shown once
    Create {
        /// What you will call it, such as "VS Code"
        name: String,
        /// What it may be used for, separated by commas [default: all but admin]
        #[arg(short, long, value_delimiter = ',', value_name = "PERMISSION", value_parser = Permission::ALL.map(Permission::as_str))]
        permissions: Vec<String>,
        /// Days until it ends [default: API_KEY_EXPIRY_DAYS, 90]
        #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
        /// Whose history its requests belong to [default: yours]
        #[arg(short, long)]
        user: Option<String>,
    },
    /// List all keys
    List,
    /// Revoke a key by its id: from now on it opens nothing
    Revoke {
        /// The id that `hapa keys list` shows
        id: String,
    },
    /// Make the demo key, with ENVIRONMENT=development only
    Demo,
}

impl Cli {
    /// Does what was asked for.
    #[must_use]
    pub fn run(self) -> ExitCode {
        keep_files_private();
        let result = match self.command {
            Command::Serve(args) => configured(|config| serve::run(config, args)),
            Command::Generate(args) => configured(|config| generate::run(config, args)),
            Command::Status => configured(status::run),
            Command::Doctor(args) => configured(|config| doctor::run(config, args)),
            Command::Keys(args) => configured(|config| keys::run(config, args)),
            Command::Openapi => {
                let document = http::openapi().to_pretty_json().expect("the description has string keys");
                println!("{document}");
                Ok(ExitCode::SUCCESS)
            }
            Command::Variables => {
                print!("{}", config::page());
                Ok(ExitCode::SUCCESS)
            }
        };
        result.unwrap_or_else(|error| {
            eprintln!("hapa: {error}");
            ExitCode::from(error.exit as u8)
        })
    }
}

/// Makes every file of this process readable by its owner alone: questions, answers and keys are nobody else's business.
fn keep_files_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// The terminal's language: Korean if that is what it is set to, and otherwise English, as the rest of the command line.
fn language() -> Language {
    if config::locale().is_some_and(|locale| locale.starts_with("ko")) { Language::Korean } else { Language::English }
}

/// Does `command` with the configuration of this process, on as many threads as that says.
fn configured<F: Future<Output = Result<ExitCode, StartError>>>(
    command: impl FnOnce(Config) -> F,
) -> Result<ExitCode, StartError> {
    let config = Config::from_env().map_err(|error| StartError::new(Exit::Config, error.to_string()))?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.workers)
        .thread_name("worker")
        .enable_all()
        .build();
    let threads = threads.map_err(|error| {
        StartError::new(Exit::Store, format!("could not start {} threads: {error}", config.workers))
    })?;
    let done = threads.block_on(command(config));
    drop(threads);
    // A process that ends under the hands of a model crashes.
    let _ = engine::wait_for_threads(LAST_STEP);
    done
}
