//! `vigie check-config`: every mistake at once, before anything runs, and what a change would take.

use super::output::{self, Format};
use super::{USAGE, run::load};
use crate::config::{self, Change};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Reads the configuration and tells every mistake at once.
#[derive(clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, short, env = "VIGIE_CONFIG", default_value = "vigie.yaml")]
    config: PathBuf,
    /// The configuration that the agent runs with: tells what differs, and what of it needs a restart.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// How to answer.
    #[arg(long, default_value = "table")]
    output: Format,
}

/// Runs the command: 0 when the file is good, 64 when it, or the one it is compared with, is not.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = load(&args.config);
    let running = args.against.as_deref().map(load).transpose();
    let (mut errors, mut warnings, mut changes, mut ways) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    match (&loaded, &running) {
        (Ok(new), Ok(Some(old))) => changes = new.document.changes(&old.document),
        (_, Err(wrong)) => errors.extend(wrong.iter().map(ToString::to_string)),
        _ => {}
    }
    match loaded {
        Ok(loaded) => {
            warnings.extend(loaded.warnings.iter().map(ToString::to_string));
            ways = config::ways(&loaded.config);
        }
        Err(wrong) => errors.extend(wrong.iter().map(ToString::to_string)),
    }
    if args.output == Format::Json {
        let changes: Vec<_> = changes.iter().map(|c| json!({ "key": c.key, "restart": c.restart })).collect();
        let valid = errors.is_empty();
        let answer =
            json!({ "valid": valid, "errors": errors, "warnings": warnings, "changes": changes, "ways": ways });
        output::say(&answer.to_string());
    } else {
        warnings.iter().for_each(|warning| output::say(&format!("warning: {warning}")));
        errors.iter().for_each(|error| output::complain(error));
        ways.iter().for_each(|way| output::say(way));
        changes.iter().for_each(|change| output::say(&told(change)));
        if errors.is_empty() {
            output::say(&format!("{}: valid", args.config.display()));
        }
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

fn told(change: &Change) -> String {
    let how = if change.restart { "needs a restart" } else { "takes effect by a reload" };
    format!("changed: {}: {how}", change.key)
}
