//! `vigie check-config`: every mistake at once, before anything runs.

use super::output::{self, Format};
use super::{USAGE, run::load};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Reads the configuration and tells every mistake at once.
#[derive(clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, short, env = "VIGIE_CONFIG", default_value = "vigie.yaml")]
    config: PathBuf,
    /// How to answer.
    #[arg(long, default_value = "table")]
    output: Format,
}

/// Runs the command: 0 when the file is good, 64 when it is not.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (errors, warnings) = match load(&args.config) {
        Ok(loaded) => (Vec::new(), loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()),
        Err(errors) => (errors.iter().map(ToString::to_string).collect(), Vec::new()),
    };
    if args.output == Format::Json {
        output::say(&json!({ "valid": errors.is_empty(), "errors": errors, "warnings": warnings }).to_string());
    } else {
        for warning in &warnings {
            output::say(&format!("warning: {warning}"));
        }
        for error in &errors {
            output::complain(error);
        }
        if errors.is_empty() {
            output::say(&format!("{}: valid", args.config.display()));
        }
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}
