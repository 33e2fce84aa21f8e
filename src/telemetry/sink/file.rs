//! Lines in a file that is rotated by size and by age: `<path>`, then `<path>.1` (newest) to `<path>.N`.
//!
//! No line grows older than `max_days`. A quiet log would never reach its size, so the file is also rotated after the
//! days' share of one file, and a rotated file goes when its first line may be too old. Beside that it follows what is
//! done to its path: deleted, moved away (logrotate) or replaced, it is opened anew.

use super::Outcome;
use super::lines::Lines;
use crate::clock::Clock;
use crate::telemetry::LogFile;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(86_400);

/// See the module.
pub(super) struct RotatedFile {
    config: LogFile,
    clock: Clock,
    open: Option<Open>,
    /// Counts the files that went for lack of room before their days were over.
    removed_early: Arc<AtomicU64>,
}

struct Open {
    lines: Lines,
    /// Device and inode: whether the path still leads here.
    identity: (u64, u64),
    /// A regular file; others (a pipe, a device) are written to and never rotated.
    regular: bool,
    size: u64,
    /// When its first line was written, as far as is known: microseconds since the Unix epoch.
    since_us: i64,
}

impl RotatedFile {
    /// Opens the file, or makes it, readable by its owner alone; deletes what is too old.
    pub(super) fn open(config: LogFile, clock: Clock, removed_early: Arc<AtomicU64>) -> io::Result<Self> {
        let mut file = Self { config, clock, open: None, removed_early };
        file.reopen().map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", file.config.path.display())))?;
        file.tend();
        Ok(file)
    }

    pub(super) fn write(&mut self, chunk: &[u8]) -> Outcome {
        match self.ready(chunk.len() as u64) {
            Ok(open) => {
                let outcome = open.lines.write(chunk);
                open.size += chunk.len() as u64;
                outcome
            }
            Err(error) => Outcome { lines: 0, error: Some(error) },
        }
    }

    /// Rotates and deletes by age; also called when nothing is written.
    pub(super) fn tend(&mut self) {
        let old = self.open.as_ref().is_some_and(|open| self.is_old(open));
        let tended = if old { self.rotate() } else { self.expire() };
        if let Err(error) = tended {
            tracing::warn!(%error, path = %self.config.path.display(), "old log files could not be removed");
        }
    }

    /// The open file, with room for so many bytes.
    fn ready(&mut self, bytes: u64) -> io::Result<&mut Open> {
        self.follow_path();
        let full = |open: &Open| open.regular && open.size > 0 && open.size + bytes > self.config.max_bytes;
        if self.open.as_ref().is_some_and(|open| full(open) || self.is_old(open)) {
            self.rotate()?;
        }
        if self.open.is_none() {
            self.reopen()?;
        }
        self.open.as_mut().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Lets go of a file that is no longer at its path, and learns the size of one that somebody cut short.
    fn follow_path(&mut self) {
        let at_path = std::fs::metadata(&self.config.path).ok();
        match (&mut self.open, at_path) {
            (Some(open), Some(found)) if open.identity == identity(&found) => open.size = found.len(),
            (open, _) => *open = None,
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Some(parent) = self.config.path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.config.path)?;
        let found = file.metadata()?;
        let torn = found.is_file() && ends_torn(&self.config.path, found.len());
        let now = self.clock.wall_us();
        self.open = Some(Open {
            identity: identity(&found),
            regular: found.is_file(),
            size: found.len(),
            since_us: if found.len() == 0 { now } else { first_line_us(&found).unwrap_or(now) },
            lines: Lines::new(file, found.is_file()).torn(torn),
        });
        Ok(())
    }

    /// Moves every file one number up; the last one goes.
    fn rotate(&mut self) -> io::Result<()> {
        let _span = tracing::info_span!("rotate_log").entered();
        let since_us = self.open.take().map_or(0, |open| open.since_us);
        let last = match self.config.keep {
            0 => Some(since_us),
            keep => std::fs::metadata(self.numbered(keep)).ok().and_then(|m| m.modified().ok()).map(micros),
        };
        for number in (1..self.config.keep).rev() {
            let moved = std::fs::rename(self.numbered(number), self.numbered(number + 1));
            moved.or_else(missing_is_fine)?;
        }
        let moved = match self.config.keep {
            0 => std::fs::remove_file(&self.config.path),
            _ => std::fs::rename(&self.config.path, self.numbered(1)),
        };
        moved.or_else(missing_is_fine)?;
        // Rotated by age alone, the last one has had its share of the days, and so have those before it.
        if last.is_some_and(|written| self.age_of(written) < self.share() * self.config.keep.max(1)) {
            self.count_early();
        }
        self.expire()
    }

    fn count_early(&self) {
        if self.removed_early.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                path = %self.config.path.display(),
                "a rotated log file went before its {} days were over; raise log.file.keep or max_size to keep them",
                self.config.max_days
            );
        }
    }

    /// Deletes rotated files beyond the number kept, and those whose first line may be too old.
    fn expire(&self) -> io::Result<()> {
        let age = self.max_age() - self.share();
        for (number, path) in rotated(&self.config.path)? {
            let written = path.metadata().and_then(|m| m.modified()).map_or(0, micros);
            if number > self.config.keep || self.age_of(written) >= age {
                std::fs::remove_file(&path).or_else(missing_is_fine)?;
            }
        }
        Ok(())
    }

    fn is_old(&self, open: &Open) -> bool {
        open.regular && open.size > 0 && self.age_of(open.since_us) >= self.share()
    }

    fn age_of(&self, us: i64) -> Duration {
        Duration::from_micros(u64::try_from(self.clock.wall_us() - us).unwrap_or(0))
    }

    fn max_age(&self) -> Duration {
        DAY * self.config.max_days
    }

    /// The time that one file covers at most: so that the rotated ones and the running one fit into `max_days`.
    fn share(&self) -> Duration {
        self.max_age() / self.config.keep.saturating_add(2)
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.config.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

/// The files `<path>.<number>` there are.
fn rotated(path: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for item in std::fs::read_dir(parent)? {
        let other = item?.path();
        let number = other.extension().and_then(|e| e.to_str()).and_then(|e| e.parse().ok());
        if let Some(number) = number.filter(|_| other.file_stem() == path.file_name()) {
            found.push((number, other));
        }
    }
    Ok(found)
}

/// Whether the file's last byte is another than a line's end. A file that cannot be read counts as whole.
fn ends_torn(path: &Path, size: u64) -> bool {
    let mut last = [b'\n'];
    let read = |file: File| file.read_exact_at(&mut last, size.saturating_sub(1));
    size > 0 && File::open(path).and_then(read).is_ok() && last != [b'\n']
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// When a file that was found was made, or else last written.
fn first_line_us(found: &Metadata) -> Option<i64> {
    found.created().or_else(|_| found.modified()).ok().map(micros)
}

fn micros(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

fn missing_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
