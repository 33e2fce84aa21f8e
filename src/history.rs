//! The exchange log that can be searched, by day.
//!
//! One SQLite file a day (UTC), `<dir>/YYYY-MM-DD.sqlite`, written by one thread of its own through a bounded queue:
//! the recorder hands batches over and never waits. A row is a few filter columns beside the JSON line, which the
//! recorder serialised once for every reader of it. A day is dropped by deleting its file, so old data is really gone.
//!
//! Invariants: rows are masked before they come here ([`crate::exchange::record::Record`]); a failing disk costs
//! counted rows and one log line a change of state, never traffic; row ids only grow, also from one day's file to the
//! next, so that an id is a place to follow from.

mod day;
mod filter;
mod reader;
mod schema;
mod store;
#[cfg(test)]
mod testing;
mod writer;

pub use filter::{BadFilter, DEFAULT_LIMIT, Filter, KEYS, MAX_LIMIT, Order, StatusRange, Words};
pub use reader::{Found, Reader, WindowEvent};
#[cfg(test)]
use store::Store;
pub use writer::{Dropped, History};

use crate::exchange::record::Record;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Where records are kept and for how long, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// False turns the history off.
    pub enabled: bool,
    /// Directory that holds one file a day.
    pub dir: PathBuf,
    /// Whole days kept, 1 to 90.
    pub days: u32,
    /// Bytes all days may hold together; the oldest go first.
    pub max_bytes: u64,
}

/// Records that go into the history together, with their JSON lines.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The lines as they were handed to the exchange log; shared with it.
    pub lines: Arc<Vec<u8>>,
    /// The records, oldest first.
    pub entries: Vec<Entry>,
}

/// One record of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Entry {
    /// Request head read: microseconds since the Unix epoch, wall clock.
    pub ts_us: i64,
    /// When the last attempt's answer head arrived, or its failure was known: microseconds since the Unix epoch, wall
    /// clock; `None` when nothing was sent.
    pub head_us: Option<i64>,
    /// Where its JSON object stands in [`Batch::lines`], without the line's end.
    pub line: Range<usize>,
    /// The record that the line holds.
    pub record: Record,
}

/// What the history counts; clones share the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Rows committed.
    pub written: Arc<AtomicU64>,
    /// Rows lost: the queue was full, the disk failed, or the space was used up.
    pub dropped: Arc<AtomicU64>,
    /// Bytes that all days hold together, write-ahead log included.
    pub bytes: Arc<AtomicU64>,
}

/// Why the history cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such directory.
    #[error("{0}: there is no history here")]
    Missing(PathBuf),
    /// The file's schema is newer than this program's.
    #[error(
        "{file}: written by a newer Vigie (history schema {found}, this one knows up to {known}); use that version, or move the file away"
    )]
    Newer {
        /// The day's file.
        file: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The database refused; disk full, locked and damaged files come here.
    #[error("{file}: {source}")]
    Database {
        /// The day's file.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A file or the directory could not be used.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
