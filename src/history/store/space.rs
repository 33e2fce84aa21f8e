//! What the history weighs, and what goes when it is too old or too much.

use super::{Store, UPKEEP_EVERY};
use crate::history::sealed::Sealed;
use crate::history::{Error, day};
use jiff::civil::Date;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

impl Store {
    /// Drops the days that are too old, ends a day that is over, and measures what is there.
    pub(super) fn upkeep(&mut self, today: Date) -> io::Result<()> {
        self.upkeep_day = Some(today);
        self.upkeep_at = self.clock.elapsed() + UPKEEP_EVERY;
        self.let_go(today);
        // The running day counts as one of the days kept, so that nothing grows older than `days`.
        let days = i32::try_from(self.days).unwrap_or(i32::MAX);
        let old = |day: &Date| (today - *day).get_days() >= days;
        day::list(&self.dir)?.into_iter().filter(old).try_for_each(|d| day::drop_day(&self.dir, d))?;
        day::first_form(&self.dir)?.into_iter().filter(old).try_for_each(|d| day::remove_first_form(&self.dir, d))?;
        self.delete_dropped();
        self.remeasure()
    }

    /// Deletes what was taken out, beside the writing. What goes wrong is tried again at the next upkeep.
    fn delete_dropped(&mut self) {
        let busy = self.deleting.as_ref().is_some_and(|thread| !thread.is_finished());
        if busy || !day::has_dropped(&self.dir) {
            return;
        }
        let dir = self.dir.clone();
        let delete = move || {
            if let Err(error) = day::remove_dropped(&dir) {
                tracing::warn!(%error, dir = %dir.display(), "files of dropped days could not be deleted");
            }
        };
        self.deleting = std::thread::Builder::new().name("vigie-history-drop".into()).spawn(delete).ok();
    }

    /// Ends a segment of a day that is over; lets go of one whose files were deleted, for it would swallow rows that
    /// nobody can find.
    fn let_go(&mut self, today: Date) {
        let Some(open) = &self.open else { return };
        if !day::segment(&open.active.day, open.active.number, "open").exists() {
            self.open = None;
        } else if open.day != today
            && let Err(error) = self.end_segment()
        {
            tracing::warn!(%error, "the history's last segment of the day stays unsealed until the next start");
        }
    }

    /// Makes the history weigh less than its bound, by dropping the oldest segments; false if there is none to drop.
    pub(super) fn make_room(&mut self, today: Date) -> bool {
        while self.weight() >= self.max_bytes {
            match self.drop_oldest() {
                Ok(Some((rows, bytes))) => {
                    self.closed_bytes = self.closed_bytes.saturating_sub(bytes);
                    self.counters.evicted.fetch_add(rows, Ordering::Relaxed);
                    self.tell_early(today);
                }
                // Nothing to drop, or it cannot be dropped: what was measured may be wrong by now.
                _ => return self.remeasure().is_ok() && self.weight() < self.max_bytes,
            }
        }
        true
    }

    /// Says once a day that the bound in bytes is shorter than the one in days.
    fn tell_early(&mut self, today: Date) {
        if self.told_early.replace(today) != Some(today) {
            tracing::warn!(
                dir = %self.dir.display(),
                max_bytes = self.max_bytes,
                days = self.days,
                "the history's space is used up: its oldest records go before their days are over"
            );
        }
    }

    /// Deletes the oldest segment that is not being written; how many rows and bytes went with it.
    fn drop_oldest(&self) -> Result<Option<(u64, u64)>, Error> {
        let error = |source| Error::io(&self.dir, source);
        if let Some(day) = day::first_form(&self.dir).map_err(error)?.first() {
            let bytes = day::first_form_bytes(&self.dir, *day);
            day::remove_first_form(&self.dir, *day).map_err(error)?;
            tracing::warn!(%day, bytes, "a day of the history's first form goes early");
            return Ok(Some((0, bytes)));
        }
        for day in day::list(&self.dir).map_err(error)? {
            let path = day::path(&self.dir, day);
            let files = day::Files::of(&path).map_err(error)?;
            let running = |number: &u32| self.open.as_ref().is_some_and(|o| o.day == day && o.active.number == *number);
            let lists = [(&files.sealed, "seg"), (&files.damaged, "damaged"), (&files.running, "open")];
            let all = lists.iter().flat_map(|(list, end)| list.iter().map(move |n| (*n, *end)));
            if let Some((number, end)) = all.filter(|(n, _)| !running(n)).min() {
                return drop_segment(&path, &files, number, end).map(Some);
            }
            if self.open.as_ref().is_none_or(|open| open.day != day) {
                day::remove_day(&self.dir, day).map_err(error)?;
            }
        }
        Ok(None)
    }

    /// Everything but the running segment.
    pub(super) fn remeasure(&mut self) -> io::Result<()> {
        let days = day::list(&self.dir)?.into_iter().map(|d| day::bytes(&self.dir, d)).sum::<u64>();
        let old = day::first_form(&self.dir)?.into_iter().map(|d| day::first_form_bytes(&self.dir, d)).sum::<u64>();
        self.closed_bytes = (days + old).saturating_sub(self.open.as_ref().map_or(0, |open| open.active.bytes()));
        self.measure();
        Ok(())
    }

    fn weight(&self) -> u64 {
        self.closed_bytes + self.open.as_ref().map_or(0, |open| open.active.bytes())
    }

    pub(super) fn measure(&self) {
        self.counters.bytes.store(self.weight(), Ordering::Relaxed);
    }

    pub(super) fn other_days(&self, today: Date) -> io::Result<Vec<Date>> {
        Ok(day::list(&self.dir)?.into_iter().filter(|d| *d != today).collect())
    }
}

/// How many rows and bytes went with a segment.
fn drop_segment(day: &Path, files: &day::Files, number: u32, end: &str) -> Result<(u64, u64), Error> {
    let path = day::segment(day, number, end);
    // What cannot be read cannot be counted either; it goes all the same.
    let rows = if end == "seg" { Sealed::open(path.clone()).ok().flatten().map_or(0, |s| s.foot.rows) } else { 0 };
    let tails =
        files.tails.iter().filter(|(segment, _)| *segment == number).map(|(n, block)| day::tail(day, *n, *block));
    let paths: Vec<_> = [path, day::segment(day, number, "idx")].into_iter().chain(tails).collect();
    let bytes = paths.iter().filter_map(|p| p.metadata().ok()).map(|m| m.len()).sum();
    paths.iter().try_for_each(|p| day::remove(p).map_err(|e| Error::io(p, e)))?;
    // Succeeds with the last one.
    let _ = std::fs::remove_dir(day);
    Ok((rows, bytes))
}
