//! The history's directory: a directory a day, named after it, with its segments.
//!
//! ```text
//! 2025-10-24/000001.seg         sealed
//!            000002.open        running: blocks
//!            000002.idx         running: its journal
//!            000002-00017.tail  running: rows that are in no block yet
//!            000001.damaged     set aside by a start that could not read it
//! dropped-2025-09-24            too old, being deleted
//! writer.lock                   held by the agent that writes
//! ```

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::io;
use std::path::{Path, PathBuf};

/// The file whose lock keeps a second writer out.
pub(super) const LOCK: &str = "writer.lock";

/// Before the name of a day that was taken out.
const DROPPED: &str = "dropped-";

/// The first form of the history, a database a day, is not read any more but still ages and weighs.
const FIRST_FORM: [&str; 3] = [".sqlite-wal", ".sqlite-shm", ".sqlite"];

/// The UTC day of a wall-clock time in microseconds; the first or last day there is for times beyond them.
pub(super) fn of(us: i64) -> Date {
    let bound = if us < 0 { Timestamp::MIN } else { Timestamp::MAX };
    TimeZone::UTC.to_datetime(Timestamp::from_microsecond(us).unwrap_or(bound)).date()
}

/// The day's directory.
pub(super) fn path(dir: &Path, day: Date) -> PathBuf {
    dir.join(day.to_string())
}

/// The days that have a directory, oldest first. Other names are left alone.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Date>> {
    let is_dir = |name: &str| dir.join(name).is_dir();
    let mut days: Vec<Date> = names(dir)?.iter().filter(|n| is_dir(n)).filter_map(|n| date(n)).collect();
    days.sort_unstable();
    Ok(days)
}

/// The days that have a file of the first form, oldest first.
pub(super) fn first_form(dir: &Path) -> io::Result<Vec<Date>> {
    let mut days: Vec<Date> =
        names(dir)?.iter().filter_map(|n| FIRST_FORM.iter().find_map(|end| date(n.strip_suffix(end)?))).collect();
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

/// Bytes that the day's files of the first form take.
pub(super) fn first_form_bytes(dir: &Path, day: Date) -> u64 {
    FIRST_FORM.iter().filter_map(|end| dir.join(format!("{day}{end}")).metadata().ok()).map(|m| m.len()).sum()
}

/// Deletes the day's files of the first form.
pub(super) fn remove_first_form(dir: &Path, day: Date) -> io::Result<()> {
    FIRST_FORM.iter().try_for_each(|end| remove(&dir.join(format!("{day}{end}"))))
}

/// `2025-10-24` and nothing like it.
fn date(name: &str) -> Option<Date> {
    name.parse::<Date>().ok().filter(|day| day.to_string() == name)
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for item in std::fs::read_dir(dir)? {
        names.extend(item?.file_name().into_string());
    }
    Ok(names)
}

/// The files of one day, by the numbers in their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// Sealed segments, oldest first.
    pub(super) sealed: Vec<u32>,
    /// Segments that were being written, oldest first: one, unless a start could not seal an older one.
    pub(super) running: Vec<u32>,
    /// Journals.
    pub(super) journals: Vec<u32>,
    /// Tails: segment and block.
    pub(super) tails: Vec<(u32, u32)>,
    /// What was set aside.
    pub(super) damaged: Vec<u32>,
}

impl Files {
    /// Lists a day's directory.
    pub(super) fn of(day: &Path) -> io::Result<Self> {
        let mut files = Self::default();
        for name in names(day)? {
            let Some((stem, end)) = name.split_once('.') else { continue };
            match (end, stem.split_once('-')) {
                ("tail", Some((segment, block))) => {
                    files.tails.extend(segment.parse::<u32>().ok().zip(block.parse().ok()));
                }
                ("seg", None) => files.sealed.extend(stem.parse::<u32>()),
                ("open", None) => files.running.extend(stem.parse::<u32>()),
                ("idx", None) => files.journals.extend(stem.parse::<u32>()),
                ("damaged", None) => files.damaged.extend(stem.parse::<u32>()),
                _ => {}
            }
        }
        for list in [&mut files.sealed, &mut files.running, &mut files.journals, &mut files.damaged] {
            list.sort_unstable();
        }
        files.tails.sort_unstable();
        Ok(files)
    }

    /// Every path there is.
    pub(super) fn paths(&self, day: &Path) -> Vec<PathBuf> {
        let lists =
            [(&self.sealed, "seg"), (&self.running, "open"), (&self.journals, "idx"), (&self.damaged, "damaged")];
        let tails = self.tails.iter().map(|(segment, block)| tail(day, *segment, *block));
        lists.iter().flat_map(|(list, end)| list.iter().map(|n| segment(day, *n, end))).chain(tails).collect()
    }

    /// The number for the next segment.
    pub(super) fn next(&self) -> u32 {
        let lists = [&self.sealed, &self.running, &self.journals, &self.damaged];
        lists.iter().filter_map(|list| list.last()).max().map_or(1, |last| last.saturating_add(1))
    }
}

/// A segment's file with this ending.
pub(super) fn segment(day: &Path, number: u32, end: &str) -> PathBuf {
    day.join(format!("{number:06}.{end}"))
}

/// The tail of the segment that becomes this block.
pub(super) fn tail(day: &Path, number: u32, block: u32) -> PathBuf {
    day.join(format!("{number:06}-{block:05}.tail"))
}

/// Bytes the day's files take.
pub(super) fn bytes(dir: &Path, day: Date) -> u64 {
    let day = path(dir, day);
    let files = Files::of(&day).unwrap_or_default();
    files.paths(&day).iter().filter_map(|p| p.metadata().ok()).map(|m| m.len()).sum()
}

/// Takes the day out of the history, in one step. Its files are then deleted by [`remove_dropped`].
pub(super) fn drop_day(dir: &Path, day: Date) -> io::Result<()> {
    std::fs::rename(path(dir, day), dir.join(format!("{DROPPED}{day}")))
}

/// Whether days were taken out whose files are still there.
pub(super) fn has_dropped(dir: &Path) -> bool {
    names(dir).is_ok_and(|names| names.iter().any(|name| name.starts_with(DROPPED)))
}

/// Deletes the files of days that were taken out. Some gigabytes take seconds, so this has a thread of its own.
pub(super) fn remove_dropped(dir: &Path) -> io::Result<()> {
    names(dir)?.iter().filter(|name| name.starts_with(DROPPED)).try_for_each(|name| remove_files(&dir.join(name)))
}

/// Deletes the day's files, and its directory unless somebody put something else there.
pub(super) fn remove_day(dir: &Path, day: Date) -> io::Result<()> {
    remove_files(&path(dir, day))
}

fn remove_files(day: &Path) -> io::Result<()> {
    Files::of(day)?.paths(day).iter().try_for_each(|path| remove(path))?;
    match std::fs::remove_dir(day) {
        Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Err(e),
        _ => Ok(()),
    }
}

/// Deletes a file; one that is already gone is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
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
    fn only_days_are_listed_and_what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["2025-10-25", "2025-10-24", "20251023", "notes"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let day = dir.path().join("2025-10-24");
        for name in ["000002.open", "000001.seg", "000002.idx", "000002-00007.tail", "000001.damaged", "notes.txt"] {
            std::fs::write(day.join(name), "xy").unwrap();
        }
        std::fs::write(dir.path().join("2025-10-20.sqlite"), "xyz").unwrap();
        std::fs::write(dir.path().join("2025-10-20.sqlite-wal"), "x").unwrap();
        let days = list(dir.path()).unwrap();
        assert_eq!(days.iter().map(Date::to_string).collect::<Vec<_>>(), ["2025-10-24", "2025-10-25"]);
        let files = Files::of(&day).unwrap();
        assert_eq!(
            (&*files.sealed, &*files.running, &*files.tails, files.next()),
            (&[1][..], &[2][..], &[(2, 7)][..], 3)
        );
        assert_eq!(bytes(dir.path(), days[0]), 10);
        remove_day(dir.path(), days[0]).unwrap();
        assert!(day.join("notes.txt").exists() && bytes(dir.path(), days[0]) == 0);
        drop_day(dir.path(), days[1]).unwrap();
        assert!(!list(dir.path()).unwrap().contains(&days[1]) && has_dropped(dir.path()));
        remove_dropped(dir.path()).unwrap();
        assert!(!has_dropped(dir.path()));
        assert!(!dir.path().join("2025-10-25").exists());
        let old = first_form(dir.path()).unwrap();
        assert_eq!((old.len(), first_form_bytes(dir.path(), old[0])), (1, 4));
        remove_first_form(dir.path(), old[0]).unwrap();
        assert!(first_form(dir.path()).unwrap().is_empty());
    }
}
