//! The writer's state: the running day's database, what all days weigh, and how writing fares.
//!
//! Knows nothing of threads or queues; time comes from the clock it is given.

use super::{Batch, Config, Counters, Entry, Error, day, schema};
use crate::clock::Clock;
use jiff::civil::Date;
use rusqlite::{Connection, params};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// After a failure the database is left alone for so long: a full disk is not hammered, and writing resumes soon.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often old days are looked for and sizes are measured anew, beside every change of day.
pub(super) const UPKEEP_EVERY: Duration = Duration::from_secs(60);

const INSERT: &str = "INSERT INTO records VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)";

/// How writing fares; a change is logged once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Rows are written.
    Writing,
    /// The running day alone has used up the space: rows are dropped until there is room.
    Full,
    /// The disk or the database refuses: tried again no earlier than this, on the monotonic clock.
    Failing { retry_at: Duration },
}

/// See the module.
pub(super) struct Store {
    dir: PathBuf,
    days: u32,
    max_bytes: u64,
    clock: Clock,
    counters: Counters,
    state: State,
    /// The running day's database, opened when there is something to write.
    open: Option<Open>,
    /// The greatest id given out: ids grow from file to file, even if the wall clock is set back.
    last_id: i64,
    /// Bytes of every day but the running one, measured at the last upkeep, which was for `upkeep_day`.
    closed_bytes: u64,
    upkeep_day: Option<Date>,
    upkeep_at: Duration,
}

/// The running day's database.
struct Open {
    day: Date,
    db: Connection,
    buckets: Buckets,
}

/// The bucket of `lookup` that rows go into, and how many are in it.
struct Buckets {
    number: i64,
    rows: u32,
}

impl Open {
    fn new(dir: &Path, day: Date) -> Result<Self, Error> {
        let db = schema::open_writer(dir, day)?;
        let last = schema::last_bucket(&db);
        let last = last.map_err(|source| Error::Database { file: day::file(dir, day), source })?;
        Ok(Self { day, db, buckets: Buckets { number: last + 1, rows: 0 } })
    }
}

impl Buckets {
    /// The bucket for one more row.
    fn next(&mut self) -> i64 {
        if self.rows == schema::BUCKET_ROWS {
            self.number += 1;
            self.rows = 0;
        }
        self.rows += 1;
        self.number
    }
}

impl Store {
    /// Makes the directory, drops what is too old, and opens the running day. A disk that is full or a file that is damaged
    /// at the start is no other than one later: rows are dropped and counted until it is well again, and calls flow.
    ///
    /// # Errors
    /// When the running day's file was written by a newer version.
    pub(super) fn open(config: &Config, clock: Clock, counters: Counters) -> Result<Self, Error> {
        let mut store = Self {
            dir: config.dir.clone(),
            days: config.days,
            max_bytes: config.max_bytes,
            clock,
            counters,
            state: State::Writing,
            open: None,
            last_id: 0,
            closed_bytes: 0,
            upkeep_day: None,
            upkeep_at: Duration::ZERO,
        };
        match store.begin() {
            Err(newer @ Error::Newer { .. }) => return Err(newer),
            Err(error) => {
                let retry_at = store.clock.elapsed() + RETRY_AFTER;
                store.change(State::Failing { retry_at }, &error.to_string());
            }
            Ok(()) => {}
        }
        Ok(store)
    }

    fn begin(&mut self) -> Result<(), Error> {
        make_dir(&self.dir)?;
        let today = day::of(self.clock.wall_us());
        self.upkeep(today).map_err(|source| Error::Io { path: self.dir.clone(), source })?;
        self.open = Some(Open::new(&self.dir, today)?);
        self.measure(today);
        Ok(())
    }

    /// Writes the batches in one transaction, or drops and counts them.
    pub(super) fn append(&mut self, batches: &[Batch]) {
        let rows: usize = batches.iter().map(|b| b.entries.len()).sum();
        if let State::Failing { retry_at } = self.state
            && self.clock.elapsed() < retry_at
        {
            self.count_dropped(rows);
            return;
        }
        self.tend();
        let today = day::of(self.clock.wall_us());
        if !self.make_room(today) {
            self.count_dropped(rows);
            self.change(State::Full, "");
            return;
        }
        match self.insert(today, batches) {
            Ok(written) => {
                self.counters.written.fetch_add(written as u64, Ordering::Relaxed);
                self.count_dropped(rows - written);
                self.change(State::Writing, "");
            }
            Err(error) => {
                self.open = None;
                self.count_dropped(rows);
                let retry_at = self.clock.elapsed() + RETRY_AFTER;
                self.change(State::Failing { retry_at }, &error.to_string());
            }
        }
        self.measure(today);
    }

    /// Does the upkeep when it is due: at a change of day and every [`UPKEEP_EVERY`].
    pub(super) fn tend(&mut self) {
        let today = day::of(self.clock.wall_us());
        if self.upkeep_day != Some(today) || self.clock.elapsed() >= self.upkeep_at {
            if let Err(error) = self.upkeep(today) {
                tracing::warn!(%error, dir = %self.dir.display(), "old days of the history could not be removed");
            }
            self.measure(today);
        }
    }

    fn upkeep(&mut self, today: Date) -> io::Result<()> {
        self.upkeep_day = Some(today);
        self.upkeep_at = self.clock.elapsed() + UPKEEP_EVERY;
        let gone = |open: &Open| open.day != today || !day::file(&self.dir, open.day).exists();
        if self.open.as_ref().is_some_and(gone) {
            // Closing carries the write-ahead log over; a deleted file would swallow rows that nobody can find.
            self.open = None;
        }
        for day in day::list(&self.dir)? {
            // The running day counts as one of the days kept, so that nothing grows older than `days`.
            if (today - day).get_days() >= i32::try_from(self.days).unwrap_or(i32::MAX) {
                day::remove(&self.dir, day)?;
            }
        }
        self.closed_bytes = self.other_days(today)?.iter().map(|d| day::bytes(&self.dir, *d)).sum();
        Ok(())
    }

    fn other_days(&self, today: Date) -> io::Result<Vec<Date>> {
        Ok(day::list(&self.dir)?.into_iter().filter(|d| *d != today).collect())
    }

    /// Makes the history weigh less than its bound, by dropping the oldest days; false if the running day alone is
    /// too heavy.
    fn make_room(&mut self, today: Date) -> bool {
        while self.weight(today) >= self.max_bytes {
            let oldest = self.other_days(today).ok().and_then(|days| days.first().copied());
            let Some(oldest) = oldest else { return self.fold_log(today) };
            let freed = day::bytes(&self.dir, oldest);
            if day::remove(&self.dir, oldest).is_err() {
                return false;
            }
            self.closed_bytes = self.closed_bytes.saturating_sub(freed);
        }
        true
    }

    /// Carries the write-ahead log over and empties it: it may be what weighs too much.
    fn fold_log(&mut self, today: Date) -> bool {
        if let Some(open) = &self.open {
            let _refused_while_read = open.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        self.closed_bytes = 0;
        self.weight(today) < self.max_bytes
    }

    fn weight(&self, today: Date) -> u64 {
        self.closed_bytes + day::bytes(&self.dir, today)
    }

    fn measure(&self, today: Date) {
        self.counters.bytes.store(self.weight(today), Ordering::Relaxed);
    }

    /// The rows committed: all but those whose line is not text.
    fn insert(&mut self, today: Date, batches: &[Batch]) -> Result<usize, Error> {
        let file = day::file(&self.dir, today);
        if self.open.as_ref().is_none_or(|open| open.day != today) {
            make_dir(&self.dir)?;
            self.open = Some(Open::new(&self.dir, today)?);
        }
        let Some(open) = &mut self.open else { return Ok(0) };
        let now = self.clock.wall_us();
        let (written, last_id) =
            insert_all(open, batches, now, self.last_id).map_err(|source| Error::Database { file, source })?;
        self.last_id = last_id;
        Ok(written)
    }

    pub(super) fn count_dropped(&self, rows: usize) {
        self.counters.dropped.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Takes the new state; logs it if it is another one.
    fn change(&mut self, to: State, error: &str) {
        let dir = self.dir.display();
        match (self.state, to) {
            (State::Writing, State::Writing) | (State::Full, State::Full) => {}
            (State::Failing { .. }, State::Failing { .. }) => {}
            (_, State::Writing) => tracing::info!(%dir, "the history is written again"),
            (_, State::Full) => tracing::warn!(
                %dir,
                max_bytes = self.max_bytes,
                "the running day fills the history's space; rows are dropped until there is room"
            ),
            (_, State::Failing { .. }) => {
                tracing::error!(%dir, error, "the history cannot be written; rows are dropped until it can");
            }
        }
        self.state = to;
    }
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| Error::Io { path: dir.to_owned(), source })
}

fn insert_all(open: &mut Open, batches: &[Batch], now: i64, last_id: i64) -> rusqlite::Result<(usize, i64)> {
    // A failure drops the connection, and the buckets with it: they are not rolled back.
    open.db.execute_batch("BEGIN IMMEDIATE")?;
    let in_file: Option<i64> = open.db.query_row("SELECT max(id) FROM records", [], |row| row.get(0))?;
    let mut id = last_id.max(in_file.unwrap_or(0));
    let mut written = 0;
    let mut statement = open.db.prepare_cached(INSERT)?;
    for batch in batches {
        for entry in &batch.entries {
            let line = batch.lines.get(entry.line.clone()).and_then(|l| std::str::from_utf8(l).ok());
            let Some(json) = line else { continue };
            // Never below the start: `since` relies on it even when the wall clock was set back in between.
            id = (id + 1).max(now).max(entry.ts_us);
            insert_one(&mut statement, id, open.buckets.next(), entry, json)?;
            written += 1;
        }
    }
    open.db.execute_batch("COMMIT")?;
    Ok((written, id))
}

fn insert_one(
    statement: &mut rusqlite::Statement<'_>,
    id: i64,
    bucket: i64,
    entry: &Entry,
    json: &str,
) -> rusqlite::Result<usize> {
    let record = &entry.record;
    let correlation_id = record.correlation_id.as_str();
    statement.execute(params![
        id,
        entry.ts_us,
        entry.head_us,
        record.upstream_ms.map(|ms| (ms * 1000.0) as i64),
        record.status_code,
        record.inner_status,
        &*record.outcome,
        record.error_kind.as_deref(),
        &*record.kind,
        &*record.integration,
        &*record.upstream,
        &*record.method,
        &*record.endpoint,
        schema::lookup_key(bucket, correlation_id),
        correlation_id,
        json,
    ])
}

#[cfg(test)]
mod tests;
