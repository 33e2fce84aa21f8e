//! Searching, beside a running agent or without one.
//!
//! Nothing but bounded parts is read into memory: a segment's index, one block at a time, and the running segment's
//! journal and tail.

mod parts;

use super::block::{self, Row};
use super::filter::Matcher;
use super::index::Index;
use super::shape::Shape;
use super::{Error, Filter, day, tail};
use jiff::civil::Date;
use parts::{Blocks, Part};
use std::path::{Path, PathBuf};

/// Bytes of lines in one answer: records may hold masked bodies, so a bound on rows alone is none on memory.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Reads a history directory. Opens files for each search, so that it neither holds a deleted day nor misses a new one.
#[derive(Clone, Debug)]
pub struct Reader {
    dir: PathBuf,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// JSON lines, in the filter's order, by the time their exchanges began. Which ones are among them, and where the next
    /// search goes on, is decided by the time of recording.
    pub lines: Vec<String>,
    /// Where to go on from: as [`Filter::after`] it finds what was recorded later, nothing twice and nothing missed.
    pub cursor: i64,
    /// True when there may be more rows than the limits let through.
    pub truncated: bool,
}

/// What the windows of the last minutes are rebuilt from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowEvent<'a> {
    /// When the answer's head arrived, or the attempt's failure was known: microseconds since the Unix epoch.
    pub head_at_us: i64,
    /// The upstream's configured name.
    pub upstream: &'a str,
    /// What started the exchange: rules read `proxy` and `replay`.
    pub kind: &'a str,
    /// Request sent to answer head, milliseconds.
    pub upstream_ms: Option<f64>,
    /// The status the caller got; made by Vigie if `error_kind` is set.
    pub status: u16,
    /// The vendor's status where it differs or hides in the body.
    pub inner_status: Option<u16>,
    /// The outcome's word.
    pub outcome: &'a str,
    /// The word of Vigie's own error, if it made the answer.
    pub error_kind: Option<&'a str>,
}

impl Reader {
    /// A reader of this history directory.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such directory.
    pub fn open_readonly(dir: &Path) -> Result<Self, Error> {
        if !dir.is_dir() {
            return Err(Error::Missing(dir.to_owned()));
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// The records that pass the filter. Takes as long as reading the days it spans: call it where blocking is allowed.
    ///
    /// # Errors
    /// When a file cannot be read, or was written by a newer version.
    pub fn search(&self, filter: &Filter) -> Result<Found, Error> {
        let mut search = Search {
            filter,
            matcher: Matcher::new(filter),
            room: Room { rows: filter.rows(), bytes: MAX_ANSWER_BYTES },
            found: Found { cursor: filter.after.unwrap_or(0), ..Found::default() },
            taken: Vec::new(),
            last_taken: 0,
        };
        for day in self.days(filter)? {
            if !search.day(&day::path(&self.dir, day))? {
                break;
            }
        }
        Ok(search.sorted())
    }

    /// Hands over what reached an upstream since then (microseconds since the Unix epoch), in the order of recording.
    ///
    /// # Errors
    /// As [`Reader::search`]; what was handed over before stands.
    pub fn window_events(&self, since_us: i64, mut visit: impl FnMut(WindowEvent<'_>)) -> Result<(), Error> {
        let filter = Filter { since_us: Some(since_us), order: super::Order::Oldest, ..Filter::default() };
        // Recorded after the head arrived, so the id bounds the search here too.
        let mut all = |rows: &[Row], shapes: &[Shape]| {
            for row in rows.iter().filter(|row| row.id >= since_us) {
                if let (Some(head), Some(shape)) = (row.head_us, shapes.get(row.shape as usize))
                    && head >= since_us
                {
                    visit(window_event(row, head, shape));
                }
            }
        };
        for day in self.days(&filter)? {
            for part in parts::of(&day::path(&self.dir, day), None)? {
                match part.opened()?.filter(|part| part.last_id() >= since_us) {
                    None | Some(Part::Closed(_)) => {}
                    Some(Part::Tail { tail, shapes }) => all(&tail.rows, &shapes),
                    Some(Part::Blocks(blocks)) => {
                        let index = blocks.index()?;
                        for place in index.places.iter().filter(|place| place.last_id >= since_us) {
                            all(&block::read_columns(blocks.file(), blocks.path(), place)?, &index.shapes);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The days written by the first form of the history, which is not read any more; oldest first.
    pub fn unread_days(&self) -> Vec<Date> {
        day::first_form(&self.dir).unwrap_or_default()
    }

    /// The days that can hold what is asked for, in the order of the search.
    fn days(&self, filter: &Filter) -> Result<Vec<Date>, Error> {
        let mut days = day::list(&self.dir).map_err(|source| Error::io(&self.dir, source))?;
        // A day holds what was recorded on it: nothing older than `since` started, but exchanges that started on the
        // days before. One that ran for more than a day is found without `until`.
        let first = filter.since_us.into_iter().chain(filter.after).max().map(day::of);
        let last = filter.until_us.and_then(|until| day::of(until).tomorrow().ok());
        days.retain(|d| first.is_none_or(|first| *d >= first) && last.is_none_or(|last| *d <= last));
        if !filter.oldest_first() {
            days.reverse();
        }
        Ok(days)
    }
}

/// A search under way.
struct Search<'a> {
    filter: &'a Filter,
    matcher: Matcher<'a>,
    room: Room,
    found: Found,
    /// Begin and line of what was found, by the time of recording.
    taken: Vec<(i64, String)>,
    last_taken: i64,
}

impl Search<'_> {
    /// What was found. Exchanges that ended together were recorded in any order: people read them by their begin.
    fn sorted(mut self) -> Found {
        if self.filter.oldest_first() {
            self.taken.sort_by_key(|(began, _)| *began);
        } else {
            self.taken.sort_by_key(|(began, _)| std::cmp::Reverse(*began));
        }
        self.found.lines = self.taken.into_iter().map(|(_, line)| line).collect();
        self.found
    }

    /// Searches a day; false when there is room for no more.
    fn day(&mut self, day: &Path) -> Result<bool, Error> {
        let mut parts = parts::of(day, self.matcher.key())?;
        if !self.filter.oldest_first() {
            parts.reverse();
        }
        for part in parts {
            // One that was dropped meanwhile holds nothing.
            let Some(part) = part.opened()? else { continue };
            self.part(&part)?;
            if self.found.truncated && self.filter.oldest_first() {
                // What was let through is all that was seen: the next search goes on right after it.
                self.found.cursor = self.found.cursor.max(self.last_taken);
                return Ok(false);
            }
            self.found.cursor = self.found.cursor.max(part.last_id());
            if self.found.truncated {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn part(&mut self, part: &Part) -> Result<(), Error> {
        match part {
            Part::Closed(_) => Ok(()),
            Part::Tail { tail, shapes } => {
                let accepted: Vec<bool> = shapes.iter().map(|shape| self.matcher.shape(shape)).collect();
                self.rows(&tail.rows, &tail.text, &accepted);
                Ok(())
            }
            Part::Blocks(blocks) => {
                let (last_id, min_ts, max_ts) = blocks.span();
                if self.matcher.may_span(last_id, min_ts, max_ts) { self.blocks(blocks) } else { Ok(()) }
            }
        }
    }

    fn blocks(&mut self, blocks: &Blocks) -> Result<(), Error> {
        let keyed = match self.matcher.key() {
            Some((kind, hash)) => blocks.blocks_with(kind, hash)?,
            None => None,
        };
        if keyed.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        let index = blocks.index()?;
        let accepted: Vec<bool> = index.shapes.iter().map(|shape| self.matcher.shape(shape)).collect();
        let holding = index.holding(&accepted);
        let wanted = |block: &usize| {
            holding[*block] && keyed.as_ref().is_none_or(|keyed| keyed.binary_search(&(*block as u32)).is_ok())
        };
        let mut numbers: Vec<usize> = (0..index.places.len()).filter(wanted).collect();
        if !self.filter.oldest_first() {
            numbers.reverse();
        }
        for number in numbers {
            if !self.block(blocks, &index, number, &accepted)? {
                break;
            }
        }
        Ok(())
    }

    /// False when there is room for no more.
    fn block(&mut self, blocks: &Blocks, index: &Index, number: usize, accepted: &[bool]) -> Result<bool, Error> {
        let place = &index.places[number];
        if !self.matcher.may_span(place.last_id, place.min_ts, place.max_ts) {
            return Ok(true);
        }
        let rows = block::read_columns(blocks.file(), blocks.path(), place)?;
        if !rows.iter().any(|row| self.accepts(row, accepted)) {
            return Ok(true);
        }
        let text = block::read_text(blocks.file(), blocks.path(), place)?;
        Ok(self.rows(&rows, &text, accepted))
    }

    fn accepts(&self, row: &Row, accepted: &[bool]) -> bool {
        accepted.get(row.shape as usize).copied().unwrap_or(false) && self.matcher.row(row)
    }

    /// Takes the rows that pass; false when there is room for no more.
    fn rows(&mut self, rows: &[Row], text: &[u8], accepted: &[bool]) -> bool {
        let mut pairs: Vec<(&Row, &[u8])> = rows.iter().zip(tail::lines(text)).collect();
        if !self.filter.oldest_first() {
            pairs.reverse();
        }
        for (row, line) in pairs {
            if !self.accepts(row, accepted) || !self.matcher.line(line) {
                continue;
            }
            if !self.room.take(line.len()) {
                self.found.truncated = true;
                return false;
            }
            self.last_taken = row.id;
            self.taken.push((row.ts_us, String::from_utf8_lossy(line).into_owned()));
        }
        true
    }
}

/// What an answer may still hold.
struct Room {
    rows: usize,
    bytes: usize,
}

impl Room {
    /// Makes place for a line; the first one always fits.
    fn take(&mut self, bytes: usize) -> bool {
        let first = self.bytes == MAX_ANSWER_BYTES;
        if self.rows == 0 || (bytes > self.bytes && !first) {
            return false;
        }
        self.rows -= 1;
        self.bytes = self.bytes.saturating_sub(bytes.max(1));
        true
    }
}

fn window_event<'a>(row: &Row, head_at_us: i64, shape: &'a Shape) -> WindowEvent<'a> {
    WindowEvent {
        head_at_us,
        upstream: &shape.upstream,
        kind: &shape.kind,
        upstream_ms: row.upstream_us.map(|us| f64::from(us) / 1000.0),
        status: shape.status_code,
        inner_status: shape.inner_status,
        outcome: &shape.outcome,
        error_kind: shape.error_kind.as_deref(),
    }
}

#[cfg(test)]
mod tests;
