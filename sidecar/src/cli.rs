//! The command line of `hapa`: commands, options and help texts.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands print their results")]

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

use crate::access::keys::Permission;
use crate::base::i18n::Language;
use crate::config::Config;
use crate::server::StartError;
use crate::{config, http};
use handshake::Exit;

/// AI coding assistant with a language model that runs on this computer
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

/// Timeout for the engine threads to finish their current step when the process exits.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API until Ctrl-C
    Serve(ServeArgs),
    /// Generate code and stream it to the terminal
    Generate(GenerateArgs),
    /// Show whether HAPA is running, its address and its model
    Status,
    /// Diagnose this installation and suggest fixes
    Doctor(DoctorArgs),
    /// Create, list and revoke API keys
    Keys(KeysArgs),
    /// Print the OpenAPI document that /api/openapi.json serves
    #[command(hide = true)]
    Openapi,
    /// Print CONFIGURATION.md, the table of environment variables
    #[command(hide = true)]
    Variables,
}

/// Arguments of `hapa serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Port to listen on; HAPA does not start if it is taken [default: 8000, or the next free port]
    #[arg(long)]
    port: Option<u16>,
    /// Run as a child process of the desktop app, which controls it through stdin and stdout
    #[arg(long, hide = true)]
    supervised: bool,
}

/// Arguments of `hapa doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `hapa generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Question or task, in Korean or English
    question: String,
    /// Programming language of the answer
    #[arg(short, long, default_value = "python")]
    language: String,
    /// File that the question is about, or - for stdin
    #[arg(short, long, value_name = "FILE")]
    code: Option<PathBuf>,
    /// Print only the code, without fences and explanation
    #[arg(long)]
    code_only: bool,
    /// Maximum tokens of the answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_tokens: Option<u32>,
    /// Sampling temperature, 0 to 2; 0 always takes the most likely token
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Sampling seed; the same seed, question and model give the same answer
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
}

/// Arguments of `hapa keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeyCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Create a key; it is shown only once
    Create {
        /// Name of the key, such as "VS Code"
        name: String,
        /// Permissions, separated by commas [default: all but admin]
        #[arg(short, long, value_delimiter = ',', value_name = "PERMISSION", value_parser = Permission::ALL.map(Permission::as_str))]
        permissions: Vec<String>,
        /// Days until it expires [default: API_KEY_EXPIRY_DAYS, 90]
        #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
        /// User that its requests and their history belong to [default: yours]
        #[arg(short, long)]
        user: Option<String>,
    },
    /// List all keys
    List,
    /// Revoke a key by its id; takes effect immediately
    Revoke {
        /// Id of the key, as shown by `hapa keys list`
        id: String,
    },
    /// Create the demo key; needs ENVIRONMENT=development
    Demo,
}

impl Cli {
    /// Runs the command and returns the exit code of the process.
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
                let document = http::openapi().to_pretty_json().expect("the document has string keys");
                println!("{document}");
                Ok(ExitCode::SUCCESS)
            }
            Command::Variables => {
                print!("{}", config::render_markdown());
                Ok(ExitCode::SUCCESS)
            }
        };
        result.unwrap_or_else(|error| {
            eprintln!("hapa: {error}");
            ExitCode::from(error.exit as u8)
        })
    }
}

/// Sets the umask so that only the owner can read files of this process, which hold questions, answers and keys.
fn keep_files_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// The language of the output: Korean if the locale is Korean, otherwise English.
fn language() -> Language {
    if config::locale().is_some_and(|locale| locale.starts_with("ko")) { Language::Korean } else { Language::English }
}

/// Runs `command` with the configuration of this process, on a runtime with the configured number of threads.
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
    // llama.cpp crashes in its own clean-up if the process exits while a model computes.
    let _ = engine::wait_for_threads(SHUTDOWN_TIMEOUT);
    done
}
