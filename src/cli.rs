//! The command line: one command a file.

pub mod admin_client;
mod admin_url;
pub mod check_config;
pub mod demo;
pub mod healthcheck;
pub mod log;
pub mod output;
pub mod pause;
mod reload;
pub mod run;
pub mod sandbox;
pub mod schema;
pub mod signals;
pub mod token;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit code for bad usage or configuration (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;

/// Integration observability for CRM APIs.
#[derive(Parser)]
#[command(version, about, max_term_width = 110)]
pub struct Cli {
    /// The agent's own log: error, warn, info, debug, or a filter such as `vigie=debug`.
    #[arg(long, global = true, env = "VIGIE_LOG", default_value = "info")]
    log_level: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the agent: proxy, metrics, log, history.
    Run(run::Args),
    /// Shows everything at work against the built-in sandbox, without an account.
    Demo(demo::Args),
    /// Runs the built-in CRM and ERP, to test integrations against.
    Sandbox(sandbox::Args),
    /// Reads the configuration and tells every mistake at once.
    CheckConfig(check_config::Args),
    /// Prints the configuration's JSON Schema.
    Schema(schema::Args),
    /// Searches the exchanges of the last days.
    Log(log::Args),
    /// Makes a token for the read side, or the hash of one.
    Token(token::Args),
    /// Does nothing for a while, for a container's preStop hook: the image has no shell.
    Pause(pause::Args),
    /// Asks a running agent whether it is alive (for container probes).
    Healthcheck(healthcheck::Args),
}

/// Carries out the command.
pub fn run(cli: Cli) -> ExitCode {
    // The first to install a provider wins; both would be ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // One control thread: admin, accepting and exporting need no more; the data path has its own threads.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let level = cli.log_level;
    let done = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args, &level).await,
            Command::Demo(args) => demo::run(args, &level).await,
            Command::Sandbox(args) => sandbox::run(args).await.map(|()| ExitCode::SUCCESS),
            Command::CheckConfig(args) => check_config::run(&args),
            Command::Schema(args) => schema::run(&args),
            Command::Log(args) => log::run(args).await,
            Command::Pause(args) => pause::run(&args).await,
            Command::Token(args) => token::run(&args),
            Command::Healthcheck(args) => healthcheck::run(&args).await,
        }
    });
    // What still blocks (a resolver, a search) must not hold up the end.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| {
        output::complain(&format!("{error:#}"));
        let misused = error.is::<crate::telemetry::logging::Error>();
        if misused { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
