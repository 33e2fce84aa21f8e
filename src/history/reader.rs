//! Searching, beside a running agent or without one.

use super::filter::Conditions;
use super::{Error, Filter, day, schema};
use jiff::civil::Date;
use rusqlite::{Connection, Row, params_from_iter};
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
    /// JSON lines, in the filter's order, by the time of recording.
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

/// One day's file within one search: its rows do not change while it is read.
struct Opened {
    file: PathBuf,
    db: Connection,
    last_id: i64,
    last_bucket: i64,
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
        let mut found = Found { cursor: filter.after.unwrap_or(0), ..Found::default() };
        let mut room = Room { rows: filter.rows(), bytes: MAX_ANSWER_BYTES };
        for day in self.days(filter)? {
            let Some(opened) = self.open(day)? else { continue };
            if filter.after.is_some_and(|after| after >= opened.last_id) {
                continue;
            }
            let last = opened.search(filter, &mut room, &mut found)?;
            if filter.oldest_first() && found.truncated {
                // What was let through is all that was seen: the next search goes on right after it.
                found.cursor = found.cursor.max(last);
                return Ok(found);
            }
            found.cursor = found.cursor.max(opened.last_id);
            if found.truncated {
                break;
            }
        }
        Ok(found)
    }

    /// Hands over what reached an upstream since then (microseconds since the Unix epoch), in the order of recording.
    ///
    /// # Errors
    /// As [`Reader::search`]; what was handed over before stands.
    pub fn window_events(&self, since_us: i64, mut visit: impl FnMut(WindowEvent<'_>)) -> Result<(), Error> {
        let filter = Filter { since_us: Some(since_us), order: super::Order::Oldest, ..Filter::default() };
        for day in self.days(&filter)? {
            let Some(opened) = self.open(day)? else { continue };
            let database = |source| Error::Database { file: opened.file.clone(), source };
            // Recorded after the head arrived, so the id bounds the search here too.
            let sql = "SELECT head_us, upstream, kind, upstream_us, status, inner_status, outcome, error_kind \
                       FROM records WHERE id >= ?1 AND head_us >= ?1 ORDER BY id";
            let mut statement = opened.db.prepare(sql).map_err(database)?;
            let mut rows = statement.query([since_us]).map_err(database)?;
            while let Some(row) = rows.next().map_err(database)? {
                visit(window_event(row).map_err(database)?);
            }
        }
        Ok(())
    }

    /// The days that can hold what is asked for, in the order of the search.
    fn days(&self, filter: &Filter) -> Result<Vec<Date>, Error> {
        let mut days = day::list(&self.dir).map_err(|source| Error::Io { path: self.dir.clone(), source })?;
        // A day's file holds what was recorded on it: nothing older than `since` started, but exchanges that started
        // on the days before. One that ran for more than a day is found without `until`.
        let first = filter.since_us.into_iter().chain(filter.after).max().map(day::of);
        let last = filter.until_us.and_then(|until| day::of(until).tomorrow().ok());
        days.retain(|d| first.is_none_or(|first| *d >= first) && last.is_none_or(|last| *d <= last));
        if !filter.oldest_first() {
            days.reverse();
        }
        Ok(days)
    }

    fn open(&self, day: Date) -> Result<Option<Opened>, Error> {
        let file = day::file(&self.dir, day);
        let database = |source| Error::Database { file: file.clone(), source };
        let db = match schema::open_reader(&self.dir, day) {
            Ok(Some(db)) => db,
            Ok(None) => return Ok(None),
            // Dropped between the listing and now.
            Err(_) if !file.exists() => return Ok(None),
            Err(error) => return Err(error),
        };
        // One transaction for all that follows: the cursor then stands exactly at what was searched.
        db.execute_batch("BEGIN").map_err(database)?;
        let last_bucket = schema::last_bucket(&db).map_err(database)?;
        let last_id = db.query_row("SELECT max(id) FROM records", [], |row| row.get::<_, Option<i64>>(0));
        let last_id = last_id.map_err(database)?;
        Ok(last_id.map(|last_id| Opened { file, db, last_id, last_bucket }))
    }
}

impl Opened {
    /// Adds what passes; the last id that was let through.
    fn search(&self, filter: &Filter, room: &mut Room, found: &mut Found) -> Result<i64, Error> {
        let database = |source| Error::Database { file: self.file.clone(), source };
        let Conditions { sql, values } = Conditions::of(filter, self.last_bucket);
        let order = if filter.oldest_first() { "" } else { " DESC" };
        let sql = format!("SELECT id, json FROM records WHERE {sql} ORDER BY id{order}");
        let mut statement = self.db.prepare(&sql).map_err(database)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(database)?;
        let mut last = 0;
        while let Some(row) = rows.next().map_err(database)? {
            let line: String = row.get(1).map_err(database)?;
            if !room.take(line.len()) {
                found.truncated = true;
                break;
            }
            last = row.get(0).map_err(database)?;
            found.lines.push(line);
        }
        Ok(last)
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

fn window_event<'a>(row: &'a Row<'_>) -> rusqlite::Result<WindowEvent<'a>> {
    Ok(WindowEvent {
        head_at_us: row.get(0)?,
        upstream: row.get_ref(1)?.as_str()?,
        kind: row.get_ref(2)?.as_str()?,
        upstream_ms: row.get::<_, Option<i64>>(3)?.map(|us| us as f64 / 1000.0),
        status: row.get(4)?,
        inner_status: row.get(5)?,
        outcome: row.get_ref(6)?.as_str()?,
        error_kind: row.get_ref(7)?.as_str_or_null()?,
    })
}

#[cfg(test)]
mod tests;
