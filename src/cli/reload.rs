//! Reading the configuration again: on SIGHUP, and when it or a file that it names has changed.

use super::run::load;
use crate::app::App;
use crate::config::{self, Config, Document, Env, Watch};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the files are looked at; a change takes effect two looks later.
const LOOK: Duration = Duration::from_secs(1);

/// Errors told one by one; the rest is a number.
const MAX_TOLD: usize = 20;

/// Waits for a reason to reload, and knows what is in force.
pub struct Reloading {
    path: PathBuf,
    in_force: Document,
    watch: Watch,
    hangup: Signal,
    look: Interval,
}

impl Reloading {
    /// From this call on SIGHUP does not end the process. `in_force` is what the agent starts with.
    ///
    /// # Errors
    /// When the handler cannot be set up.
    pub fn new(path: &Path, in_force: Document) -> io::Result<Self> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch::new(path, Env::from_process());
        Ok(Self { path: path.to_owned(), in_force, watch, hangup: signal(SignalKind::hangup())?, look })
    }

    /// Waits until a reload is asked for. Nothing is lost when the wait is given up.
    pub async fn asked(&mut self) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => return tracing::info!("SIGHUP: reading the configuration again"),
                _ = self.look.tick() => {
                    if self.watch.changed() {
                        return tracing::info!("the configuration's files changed: reading them again");
                    }
                }
            }
        }
    }

    /// Reads the file and puts it in force; a file that is wrong changes nothing.
    pub async fn reload(&mut self, app: &mut App) {
        let read = self.read();
        self.watch.renew();
        let Some((config, document)) = read else { return app.note_reload(false) };
        let ways = config::ways(&config);
        if let Err(error) = app.reload(config).await {
            tracing::warn!("configuration not reloaded, the old one stays in force: {error:#}");
            return app.note_reload(false);
        }
        let (restart, live): (Vec<_>, Vec<_>) =
            document.changes(&self.in_force).into_iter().partition(|change| change.restart);
        let names =
            |changes: &[crate::config::Change]| changes.iter().map(|c| c.key.clone()).collect::<Vec<_>>().join(", ");
        if !restart.is_empty() {
            tracing::warn!(keys = names(&restart), "changed, but takes effect after a restart only");
        }
        tracing::info!(changed = names(&live), "configuration reloaded");
        ways.iter().for_each(|way| tracing::info!("{way}"));
        // What needs a restart is told again until there was one.
        self.in_force.adopt(document);
        app.note_reload(true);
    }

    fn read(&self) -> Option<(Config, Document)> {
        match load(&self.path) {
            Ok(loaded) => {
                loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                Some((loaded.config, loaded.document))
            }
            Err(errors) => {
                for error in errors.iter().take(MAX_TOLD) {
                    tracing::warn!("configuration not reloaded: {error}");
                }
                let errors = errors.iter().count();
                tracing::warn!(errors, "configuration not reloaded, the old one stays in force");
                None
            }
        }
    }
}
