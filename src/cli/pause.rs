//! `vigie pause`: does nothing for a while. A pod's preStop hook needs that (its Service has to forget it before it stops
//! listening), and the image has no shell to sleep with.

use crate::config;
use std::process::ExitCode;
use std::time::Duration;

/// Longer than any grace period that makes sense.
const LONGEST: Duration = Duration::from_secs(600);

/// Does nothing for a while, for a container's preStop hook: the image has no shell.
#[derive(clap::Args)]
pub struct Args {
    /// How long, e.g. `5s`; 10m at most.
    #[arg(value_name = "DURATION", value_parser = duration)]
    how_long: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let how_long = config::duration(text)?;
    if how_long > LONGEST { Err("is too long; use 10m at most".to_owned()) } else { Ok(how_long) }
}

/// Runs the command.
///
/// # Errors
/// None.
pub async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    tokio::time::sleep(args.how_long).await;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_bounded() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert!(duration("11m").is_err() && duration("5").is_err());
    }
}
