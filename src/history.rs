//! The exchange log that can be searched, by day.
//!
//! A directory a day (UTC), `<dir>/YYYY-MM-DD/`, written by one thread of its own through a bounded queue: the recorder
//! hands batches over and never waits. A day is a row of segments. The running one grows by blocks of compressed JSON
//! lines; at a bound, or when its day is over, it is sealed with an index of what its blocks hold and a table of the ids
//! in them. A day is dropped by renaming its directory, at once, and deleting it, so old data is really gone.
//!
//! The way of a row: [`Entry`] (hashes, computed by the recorder) -> `active`: tail file, then block and journal ->
//! `sealed`. Read by `reader`, by the same files whether an agent runs or not.
//!
//! Invariants: rows are masked before they come here ([`crate::exchange::record::Record`]); a failing disk costs
//! counted rows and one log line a change of state, never traffic; row ids only grow, also from one segment to the next,
//! so that an id is a place to follow from. A kill loses nothing that was written, a power cut what was written in the
//! last five seconds.

mod active;
mod block;
mod codec;
mod day;
mod entry;
mod filter;
mod frames;
mod index;
mod journal;
mod keys;
mod reader;
mod recovery;
mod sealed;
mod shape;
mod store;
mod tail;
#[cfg(test)]
mod testing;
mod writer;

pub use entry::Entry;
pub use filter::{BadFilter, DEFAULT_LIMIT, Filter, KEYS, MAX_LIMIT, Order, StatusRange, Words};
pub use reader::{Found, Reader, WindowEvent};
#[cfg(test)]
use store::Store;
pub use writer::{Dropped, History};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Version of the files' form. 1 was a database a day; 2 had only correlation ids in its key tables. A newer one is
/// refused, an older segment is read.
pub const VERSION: u32 = 3;

/// Where records are kept and for how long, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// False turns the history off.
    pub enabled: bool,
    /// Directory that holds one directory a day.
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

/// What the history counts; clones share the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Rows written.
    pub written: Arc<AtomicU64>,
    /// Rows lost: the queue was full, the disk failed, or the space was used up.
    pub dropped: Arc<AtomicU64>,
    /// Rows that went before their days were over, because of the bound in bytes.
    pub evicted: Arc<AtomicU64>,
    /// Bytes that all days hold together.
    pub bytes: Arc<AtomicU64>,
}

/// Why the history cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such directory.
    #[error("{0}: there is no history here")]
    Missing(PathBuf),
    /// The file's form is newer than this program's.
    #[error(
        "{file}: written by a newer Vigie (history schema {found}, this one knows up to {known}); use that version, or move the file away"
    )]
    Newer {
        /// The segment's file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file is not what was written: it ends early, or a checksum does not fit.
    #[error("{file}: damaged ({part}); move the file away to search the rest")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The part of it that cannot be read.
        part: &'static str,
    },
    /// Another agent writes here.
    #[error("{0}: another Vigie writes this history")]
    InUse(PathBuf),
    /// A file or the directory could not be used.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    fn damaged(file: &Path, part: &'static str) -> Self {
        Self::Damaged { file: file.to_owned(), part }
    }
}
