//! `vigie run`: the agent, until it is told to stop.

use super::reload::Reloading;
use super::{USAGE, output};
use crate::app::App;
use crate::config::{self, Loaded};
use crate::telemetry::logging;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument;

/// Runs the agent.
#[derive(clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, short, env = "VIGIE_CONFIG", default_value = "vigie.yaml")]
    config: PathBuf,
}

/// Reads the configuration with this process's environment.
pub fn load(path: &Path) -> Result<Loaded, config::Errors> {
    config::load(path, &config::Env::from_process())
}

/// Runs until SIGTERM or SIGINT, then drains.
pub async fn run(args: Args, level: &str) -> anyhow::Result<ExitCode> {
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(errors) => {
            for error in errors.iter() {
                output::complain(&error.to_string());
            }
            output::complain("see `vigie schema --example` for a configuration that works");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let logging = logging::init(level, &loaded.config.telemetry.traces)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    config::ways(&loaded.config).iter().for_each(|way| tracing::info!("{way}"));
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut reloading = Reloading::new(&args.config, loaded.document)?;
    let mut app = App::start(loaded.config).instrument(tracing::info_span!("start")).await?;
    logging.attach(app.spans());
    let addresses = app.addresses();
    tracing::info!(proxy = ?addresses.proxy, admin = %addresses.admin, "ready");
    loop {
        tokio::select! {
            biased;
            _ = term.recv() => break tracing::info!("SIGTERM: draining"),
            _ = int.recv() => break tracing::info!("interrupted: draining"),
            () = reloading.asked() => {
                reloading.reload(&mut app).instrument(tracing::info_span!("reload")).await;
            }
        }
    }
    logging.shutdown();
    let cut = app.drain().await;
    tracing::info!(cut, "stopped");
    Ok(ExitCode::SUCCESS)
}
