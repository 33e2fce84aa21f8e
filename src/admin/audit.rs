//! Who changed or saw what: one JSON line an act, appended to a file a month below the data directory, before the act is
//! done. What cannot be written down is not done.
//!
//! Invariants: a line holds names of tokens, words of closed sets, addresses and masked text, never what was searched for
//! as it was typed; files are only appended to, and readable by their owner alone; the calls wait, the control thread
//! never does: a thread of its own writes.

mod entry;
mod file;
mod fold;
mod query;

pub use entry::{Action, Actor, Entry};
pub use file::{MAX_MONTH_BYTES, MONTHS};
pub use query::masked_query;

use crate::clock::Clock;
use crate::telemetry::metrics::{AuditResult, Metrics};
use fold::Folds;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Entries that may wait for the disk: each belongs to a call that waits, so more means that the disk stands still.
const MAX_WAITING: usize = 256;

/// How long a call waits for its entry to be on disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why an act was not written down, and so must not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The disk does not keep up.
    #[error("the disk does not keep up")]
    Slow,
    /// The file cannot be written.
    #[error("{0}")]
    Disk(String),
}

/// One line on its way, and who waits for it.
struct Waiting {
    line: String,
    written: oneshot::Sender<Result<(), String>>,
}

/// The audit log. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    queue: mpsc::Sender<Waiting>,
    folds: Mutex<Folds>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Audit {
    /// Starts the thread that writes to `dir`, which is made with the first entry.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(dir: PathBuf, clock: Clock, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (queue, mut waiting) = mpsc::channel::<Waiting>(MAX_WAITING);
        let mut file = file::Months::new(dir.clone());
        let writing = move || {
            let mut batch = Vec::new();
            while waiting.blocking_recv_many(&mut batch, MAX_WAITING) > 0 {
                let lines: String = batch.iter().map(|waiting| waiting.line.as_str()).collect();
                let result = file.append(&lines).map_err(|error| error.to_string());
                // A call that has given up waiting has no use for the result.
                batch.drain(..).for_each(|waiting| drop(waiting.written.send(result.clone())));
            }
        };
        std::thread::Builder::new().name("audit".into()).spawn(writing)?;
        Ok(Self { shared: Arc::new(Shared { dir, queue, folds: Mutex::default(), clock, metrics }) })
    }

    /// Writes down who does what to what. The same again within a minute is one entry; the next one tells how often.
    ///
    /// # Errors
    /// When it is not on disk: then the act must not be done.
    pub async fn record(&self, entry: Entry) -> Result<(), AuditError> {
        let shared = &*self.shared;
        let key = entry.key();
        let Some(repeated) = shared.folds.lock().admit(&key, shared.clock.elapsed()) else {
            shared.metrics.agent().audited(AuditResult::Folded);
            return Ok(());
        };
        let result = self.write(entry.line(shared.clock.wall_us(), repeated)).await;
        shared.metrics.agent().audited(if result.is_ok() { AuditResult::Written } else { AuditResult::Failed });
        if let Err(error) = &result {
            shared.folds.lock().forget(&key);
            tracing::error!("the audit log in {} cannot be written: {error}", shared.dir.display());
        }
        result
    }

    async fn write(&self, line: String) -> Result<(), AuditError> {
        let (written, done) = oneshot::channel();
        self.shared.queue.try_send(Waiting { line, written }).map_err(|_| AuditError::Slow)?;
        match tokio::time::timeout(PATIENCE, done).await {
            Ok(Ok(result)) => result.map_err(AuditError::Disk),
            Ok(Err(_)) => Err(AuditError::Disk("its thread has ended".to_owned())),
            Err(_) => Err(AuditError::Slow),
        }
    }

    /// The newest entries, oldest first, at most `limit` of them and at most a megabyte. Reads files: off the control thread.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub fn newest(&self, limit: usize) -> std::io::Result<Vec<String>> {
        file::newest(&self.shared.dir, limit)
    }
}

#[cfg(test)]
mod tests;
