//! The files of the history: one a day, named after it, with SQLite's two companions beside it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::io;
use std::path::{Path, PathBuf};

const EXTENSION: &str = "sqlite";

/// SQLite's companions first: if deleting stops half-way the day is still listed, and deleted at the next try.
const PARTS: [&str; 3] = ["-wal", "-shm", ""];

/// The UTC day of a wall-clock time in microseconds; the first or last day there is for times beyond them.
pub(super) fn of(us: i64) -> Date {
    let bound = if us < 0 { Timestamp::MIN } else { Timestamp::MAX };
    TimeZone::UTC.to_datetime(Timestamp::from_microsecond(us).unwrap_or(bound)).date()
}

/// The day's file.
pub(super) fn file(dir: &Path, day: Date) -> PathBuf {
    dir.join(format!("{day}.{EXTENSION}"))
}

/// The day's write-ahead log.
pub(super) fn wal(dir: &Path, day: Date) -> PathBuf {
    part(dir, day, "-wal")
}

/// The days that have a file, oldest first. Other files in the directory are left alone.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Date>> {
    let mut days = Vec::new();
    for item in std::fs::read_dir(dir)? {
        let path = PathBuf::from(item?.file_name());
        if path.extension().is_some_and(|e| e == EXTENSION) {
            days.extend(path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<Date>().ok()));
        }
    }
    days.sort_unstable();
    Ok(days)
}

/// Bytes the day takes on disk.
pub(super) fn bytes(dir: &Path, day: Date) -> u64 {
    PARTS.iter().filter_map(|p| part(dir, day, p).metadata().ok()).map(|m| m.len()).sum()
}

/// Deletes the day; a part that is already gone is no error.
pub(super) fn remove(dir: &Path, day: Date) -> io::Result<()> {
    for name in PARTS {
        match std::fs::remove_file(part(dir, day, name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

fn part(dir: &Path, day: Date, suffix: &str) -> PathBuf {
    dir.join(format!("{day}.{EXTENSION}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_utc() {
        assert_eq!(of(1_761_350_399_999_999).to_string(), "2025-10-24");
        assert_eq!(of(1_761_350_400_000_000).to_string(), "2025-10-25");
    }

    #[test]
    fn times_beyond_the_calendar_do_not_panic() {
        assert!(of(i64::MIN) < of(0));
        assert!(of(i64::MAX) > of(0));
    }

    #[test]
    fn only_day_files_are_listed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["2025-10-25.sqlite", "2025-10-24.sqlite", "2025-10-24.sqlite-wal", "notes.sqlite", "2025-10-24.txt"]
        {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let days = list(dir.path()).unwrap();
        assert_eq!(days.iter().map(Date::to_string).collect::<Vec<_>>(), ["2025-10-24", "2025-10-25"]);
        assert_eq!(bytes(dir.path(), days[0]), 2);
        remove(dir.path(), days[0]).unwrap();
        remove(dir.path(), days[0]).unwrap();
        assert_eq!(list(dir.path()).unwrap(), days[1..]);
        assert!(dir.path().join("2025-10-24.txt").exists());
    }
}
