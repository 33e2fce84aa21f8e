//! The writer's state: the running segment, what all days weigh, and how writing fares.
//!
//! Knows nothing of threads or queues; time comes from the clock it is given.

mod space;

use super::active::Active;
use super::{Batch, Config, Counters, Error, day, recovery};
use crate::clock::Clock;
use jiff::civil::Date;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

/// After a failure the disk is left alone for so long: a full one is not hammered, and writing resumes soon.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often old days are looked for and sizes are measured anew, beside every change of day.
pub(super) const UPKEEP_EVERY: Duration = Duration::from_secs(60);

/// What a power cut may take: rows are handed to the disk this often. A kill takes nothing that was written. More often
/// would cost the disk a write each time; the log and the collector have the same rows.
pub(super) const SYNC_EVERY: Duration = Duration::from_secs(5);

/// Bytes of blocks after which a segment is sealed, if the history may be large enough; see [`segment_bytes`].
const SEGMENT_BYTES: u64 = 32 << 20;

/// How writing fares; a change is logged once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Rows are written.
    Writing,
    /// The running segment alone has used up the space: rows are dropped until there is room.
    Full,
    /// The disk refuses: tried again no earlier than this, on the monotonic clock.
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
    /// The running segment, opened when there is something to write.
    open: Option<Open>,
    /// The greatest id given out: ids grow from segment to segment, even if the wall clock is set back.
    last_id: i64,
    /// Bytes of everything but the running segment, measured at the last upkeep, which was for `upkeep_day`.
    closed_bytes: u64,
    upkeep_day: Option<Date>,
    upkeep_at: Duration,
    sync_at: Duration,
    /// The day for which it was said that records go early.
    told_early: Option<Date>,
    /// Deletes the files of dropped days.
    deleting: Option<JoinHandle<()>>,
}

/// The running segment, and the lock that keeps other writers out.
struct Open {
    day: Date,
    active: Active,
    _lock: File,
}

impl Store {
    /// Makes the directory, drops what is too old, seals what the last agent left of other days, and opens the running
    /// segment. A disk that is full or a directory that is in use at the start is no other than one later: rows are
    /// dropped and counted until it is well again, and calls flow.
    ///
    /// # Errors
    /// When the running segment was written by a newer version.
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
            sync_at: Duration::ZERO,
            told_early: None,
            deleting: None,
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
        recovery::make_dir(&self.dir)?;
        let today = day::of(self.clock.wall_us());
        self.upkeep(today).map_err(|source| Error::io(&self.dir, source))?;
        self.tell_first_form();
        self.open = Some(self.opened(today)?);
        self.remeasure().map_err(|source| Error::io(&self.dir, source))
    }

    /// Days of the first form are neither read nor lost in silence.
    fn tell_first_form(&self) {
        let days = day::first_form(&self.dir).unwrap_or_default();
        if let (Some(first), Some(last)) = (days.first(), days.last()) {
            tracing::warn!(
                dir = %self.dir.display(),
                files = days.len(),
                %first,
                %last,
                "these days were written by an earlier Vigie and are not searched; they stay until their time is over \
                 (read one with: sqlite3 FILE 'SELECT json FROM records')"
            );
        }
    }

    /// Locks the directory and opens the day's running segment, or a new one.
    fn opened(&mut self, today: Date) -> Result<Open, Error> {
        recovery::make_dir(&self.dir)?;
        let lock = lock(&self.dir)?;
        let others = self.other_days(today).map_err(|e| Error::io(&self.dir, e))?;
        for other in others {
            let path = day::path(&self.dir, other);
            match recovery::tidy(&path, None, self.segment_bytes()) {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "what an earlier agent left in the history stays unsealed"),
            }
        }
        let path = day::path(&self.dir, today);
        recovery::make_dir(&path)?;
        let files = day::Files::of(&path).map_err(|e| Error::io(&path, e))?;
        let running = files.running.last().copied();
        recovery::tidy(&path, running, self.segment_bytes())?;
        let active = match running {
            Some(number) => recovery::reopen_or_new(&path, number, self.segment_bytes())?,
            None => recovery::create(&path, files.next(), self.segment_bytes())?,
        };
        self.last_id = self.last_id.max(active.last_id()).max(recovery::last_sealed_id(&path, &files));
        Ok(Open { day: today, active, _lock: lock })
    }

    /// A segment is what goes at once when space is short, so it is a small part of it.
    fn segment_bytes(&self) -> u64 {
        SEGMENT_BYTES.min(self.max_bytes / 16)
    }

    /// Writes the batches, or drops and counts what cannot be written.
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
        let (written, done) = self.write(today, batches);
        self.counters.written.fetch_add(written as u64, Ordering::Relaxed);
        self.count_dropped(rows - written.min(rows));
        match done {
            Ok(()) => self.change(State::Writing, ""),
            Err(error) => {
                // What is in the files is read back when they are opened again.
                self.open = None;
                let retry_at = self.clock.elapsed() + RETRY_AFTER;
                self.change(State::Failing { retry_at }, &error.to_string());
                let _measured_at_the_next_upkeep = self.remeasure();
            }
        }
        self.measure();
    }

    /// How many rows were written, also when the rest could not be.
    fn write(&mut self, today: Date, batches: &[Batch]) -> (usize, Result<(), Error>) {
        if let Err(error) = self.ready(today) {
            return (0, Err(error));
        }
        let now = self.clock.wall_us();
        let Some(Open { active, .. }) = &mut self.open else { return (0, Ok(())) };
        let before = active.committed;
        let appended = batches.iter().try_for_each(|batch| active.append(batch, now, &mut self.last_id));
        let saved = appended.and_then(|()| active.save());
        let written = (active.committed - before) as usize;
        let full = active.is_full();
        let sealed = saved.and_then(|()| if full { self.next_segment(today) } else { Ok(()) });
        (written, sealed)
    }

    /// Opens what is to be written to, and ends the day before.
    fn ready(&mut self, today: Date) -> Result<(), Error> {
        if self.open.as_ref().is_some_and(|open| open.day != today) {
            self.end_segment()?;
        }
        if self.open.is_none() {
            self.open = Some(self.opened(today)?);
        }
        Ok(())
    }

    fn next_segment(&mut self, today: Date) -> Result<(), Error> {
        self.end_segment()?;
        self.open = Some(self.opened(today)?);
        Ok(())
    }

    /// Seals the running segment. On failure its files stay as they are, to be read back at the next opening.
    pub(super) fn end_segment(&mut self) -> Result<(), Error> {
        if let Some(Open { active, .. }) = self.open.take() {
            self.closed_bytes += active.seal()?;
        }
        Ok(())
    }

    /// Hands rows to the disk when it is time to; while some wait for it, how long they may still do.
    pub(super) fn sync(&mut self) -> Option<Duration> {
        let open = self.open.as_mut().filter(|open| open.active.unsynced)?;
        let now = self.clock.elapsed();
        if now < self.sync_at {
            return Some(self.sync_at - now);
        }
        self.sync_at = now + SYNC_EVERY;
        if let Err(error) = open.active.sync() {
            self.open = None;
            self.change(State::Failing { retry_at: now + RETRY_AFTER }, &error.to_string());
        }
        None
    }

    /// Packs the newest rows and hands everything to the disk, at the end.
    pub(super) fn close(mut self) {
        if let Some(open) = &mut self.open
            && let Err(error) = open.active.close()
        {
            tracing::warn!(%error, "the history's last rows may not be on the disk");
        }
    }

    /// Does the upkeep when it is due: at a change of day and every [`UPKEEP_EVERY`].
    pub(super) fn tend(&mut self) {
        let today = day::of(self.clock.wall_us());
        if self.upkeep_day != Some(today) || self.clock.elapsed() >= self.upkeep_at {
            if let Err(error) = self.upkeep(today) {
                tracing::warn!(%error, dir = %self.dir.display(), "old days of the history could not be removed");
            }
            self.measure();
        }
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
                "nothing is left to remove and the history's space is used up; rows are dropped until there is room"
            ),
            (_, State::Failing { .. }) => {
                tracing::error!(%dir, error, "the history cannot be written; rows are dropped until it can");
            }
        }
        self.state = to;
    }
}

/// Keeps a second writer out: two would overwrite each other.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(day::LOCK);
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let file = opened.map_err(|e| Error::io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(Error::io(&path, source)),
    }
}

#[cfg(test)]
mod tests;
