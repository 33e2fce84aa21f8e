//! `vigie schema`: what can be configured and what is counted, for editors, checks and the README.

use super::output::{self, Format};
use crate::config;
use crate::telemetry::catalogue;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Prints the configuration's JSON Schema (draft 2020-12).
#[derive(clap::Args)]
pub struct Args {
    /// Prints the reference of every key as Markdown instead: the README's.
    #[arg(long)]
    markdown: bool,
    /// Prints a commented example configuration instead.
    #[arg(long, conflicts_with_all = ["markdown", "output"])]
    example: bool,
    /// Prints the metrics instead; with --markdown, the README's table.
    #[arg(long, conflicts_with = "example")]
    metrics: bool,
    /// JSON, or the Markdown table (as --markdown) [default: json].
    #[arg(long, conflicts_with = "markdown")]
    output: Option<Format>,
}

/// Runs the command.
///
/// # Errors
/// None that is known: what is printed was made from the program's own types.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let table = args.markdown || args.output == Some(Format::Table);
    let text = match (args.example, args.metrics, table) {
        (true, ..) => config::example().to_owned(),
        (_, true, true) => catalogue::markdown(),
        (_, true, false) => serde_json::to_string_pretty(&metrics())?,
        (_, false, true) => config::reference(),
        (_, false, false) => serde_json::to_string_pretty(&config::schema())?,
    };
    output::say(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn metrics() -> Value {
    let entry =
        |e: &catalogue::Entry| json!({"name": e.name, "type": e.kind.as_str(), "labels": e.labels, "help": e.help});
    catalogue::ALL.iter().map(entry).collect()
}
