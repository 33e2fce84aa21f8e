//! `vigie schema`: the configuration's JSON Schema, for editors and checks.

use super::output;
use std::process::ExitCode;

/// Prints the configuration's JSON Schema (draft 2020-12).
#[derive(clap::Args)]
pub struct Args {
    /// Prints the reference of every key as Markdown instead.
    #[arg(long)]
    markdown: bool,
    /// Prints a commented example configuration instead.
    #[arg(long, conflicts_with = "markdown")]
    example: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.markdown {
        output::say(crate::config::reference().trim_end());
    } else if args.example {
        output::say(crate::config::example().trim_end());
    } else {
        output::say(&serde_json::to_string_pretty(&crate::config::schema())?);
    }
    Ok(ExitCode::SUCCESS)
}
