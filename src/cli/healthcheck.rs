//! `vigie healthcheck`: for container probes, so that no curl is needed in the image.

use super::admin_client::Trust;
use super::admin_url;
use super::output::{self, Format};
use std::process::ExitCode;
use std::time::Duration;

/// Longest wait for an answer: shorter than any sensible probe's own time-out.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks a running agent whether it is alive, or ready.
#[derive(clap::Args)]
pub struct Args {
    /// The agent's admin address.
    #[arg(long, env = "VIGIE_ADMIN", value_name = "URL", value_parser = admin_url::parse, default_value = "http://127.0.0.1:9464")]
    admin: String,
    #[command(flatten)]
    trust: Trust,
    /// Asks `/ready` instead of `/live`.
    #[arg(long)]
    ready: bool,
    /// How to answer.
    #[arg(long, default_value = "table")]
    output: Format,
}

/// Runs the command: 0 when the agent says yes, 1 otherwise.
pub async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = if args.ready { "/ready" } else { "/live" };
    let url = format!("{}{path}", args.admin);
    let client = args.trust.client(&url)?.timeout(PATIENCE).build()?;
    let (good, detail) = match client.get(&url).send().await {
        Ok(answer) => (answer.status().is_success(), answer.text().await.unwrap_or_default().trim().to_string()),
        Err(error) => (false, format!("no answer from {url}: {}", root_cause(&error))),
    };
    match args.output {
        Format::Json => output::say(&serde_json::json!({ "healthy": good, "detail": detail }).to_string()),
        Format::Table if good => output::say(&detail),
        Format::Table => output::complain(&detail),
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
