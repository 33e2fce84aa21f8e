//! One day's database: how it is made, opened for writing, and opened for reading.
//!
//! The id is the time of recording in microseconds (made unique): it only grows, an exchange is never recorded before
//! it started, so `ts_us >= since` implies `id >= since` and no index on time is needed.
//!
//! `lookup` is (number of the bucket, hash of the correlation id), a bucket being some thousand rows in the order of
//! recording: new keys fall into the few pages of the last bucket. A plain index on random correlation ids touches a
//! page a row, which tripled the cost of a row; in exchange a search asks the index once for each bucket of the day.

use super::{Error, day};
use jiff::civil::Date;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Version of the tables below, kept in the file's `user_version`.
pub(super) const VERSION: i64 = 1;

/// Rows in one bucket of `lookup`: its keys fill five pages, and ten million rows make 2,500 buckets to ask for.
pub(super) const BUCKET_ROWS: u32 = 4_096;

/// How long a writer or reader waits for a lock: only a foreign program can hold one for longer.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// Pages of 16 KiB: rows are about 800 bytes, and larger pages were the cheapest measured. The write-ahead log is
/// carried over every 8 MiB (512 pages): less often saves little, more often waits for the disk more.
const PREPARE: &str = "
    PRAGMA page_size = 16384;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 512;
    PRAGMA journal_size_limit = 8388608;
    PRAGMA cache_size = -2000;
    PRAGMA temp_store = MEMORY;";

const TABLES: &str = "
    BEGIN;
    CREATE TABLE records (
        id INTEGER PRIMARY KEY,
        ts_us INTEGER NOT NULL,
        head_us INTEGER,
        upstream_us INTEGER,
        status INTEGER NOT NULL,
        inner_status INTEGER,
        outcome TEXT NOT NULL,
        error_kind TEXT,
        kind TEXT NOT NULL,
        integration TEXT NOT NULL,
        upstream TEXT NOT NULL,
        method TEXT NOT NULL,
        route TEXT NOT NULL,
        lookup INTEGER NOT NULL,
        correlation_id TEXT NOT NULL,
        json TEXT NOT NULL
    ) STRICT;
    CREATE INDEX records_lookup ON records (lookup);
    PRAGMA user_version = 1;
    COMMIT;";

/// The key of `records_lookup`.
pub(super) fn lookup_key(bucket: i64, correlation_id: &str) -> i64 {
    (bucket << 32) | i64::from(lookup_hash(correlation_id))
}

/// The lower half of the key.
pub(super) fn lookup_hash(correlation_id: &str) -> u32 {
    // FNV-1a: the ids are made or checked by the agent, and a collision only costs a comparison.
    correlation_id.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Opens the day for writing; makes it, readable by its owner alone, if it is not there.
pub(super) fn open_writer(dir: &Path, day: Date) -> Result<Connection, Error> {
    let file = day::file(dir, day);
    // SQLite gives its companions the mode of the main file, so that one is made first, empty.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&file)
        .map_err(|source| Error::Io { path: file.clone(), source })?;
    let database = |source| Error::Database { file: file.clone(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&file, flags).map_err(database)?;
    db.busy_timeout(LOCK_WAIT).map_err(database)?;
    if version(&db, &file)? == 0 {
        db.execute_batch(PREPARE).and_then(|()| db.execute_batch(TABLES)).map_err(database)?;
    } else {
        db.execute_batch(PREPARE).map_err(database)?;
    }
    Ok(db)
}

/// The last bucket in use; -1 when there is no row.
pub(super) fn last_bucket(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT ifnull(max(lookup) >> 32, -1) FROM records", [], |row| row.get(0))
}

/// Opens the day for reading, beside a running writer or without one; `None` when it holds no table yet.
///
/// A reader of a WAL database needs the `-shm` file: SQLite makes it when the directory may be written, which also
/// recovers what a killed writer left in the write-ahead log. Where it may not (a copy on read-only media), the file is
/// read as immutable, which is right only if no write-ahead log is left.
pub(super) fn open_reader(dir: &Path, day: Date) -> Result<Option<Connection>, Error> {
    let file = day::file(dir, day);
    let opened = open_readonly(&file, false).and_then(|db| Ok((version(&db, &file)?, db)));
    let (version, db) = match opened {
        Err(Error::Database { source, .. }) if cannot_open(&source) && !has_wal(dir, day) && file.exists() => {
            open_readonly(&file, true).and_then(|db| Ok((version(&db, &file)?, db)))?
        }
        other => other?,
    };
    Ok((version > 0).then_some(db))
}

fn open_readonly(file: &Path, immutable: bool) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let path = percent_encoding::percent_encode(file.as_os_str().as_encoded_bytes(), URI_PATH);
    let uri = format!("file:{path}{}", if immutable { "?immutable=1" } else { "" });
    let database = |source| Error::Database { file: file.to_owned(), source };
    let db = Connection::open_with_flags(uri, flags).map_err(database)?;
    db.busy_timeout(LOCK_WAIT).map_err(database)?;
    Ok(db)
}

/// What has a meaning of its own in SQLite's `file:` addresses.
const URI_PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

/// The file's schema version; 0 for a file without tables.
fn version(db: &Connection, file: &Path) -> Result<i64, Error> {
    let found: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|source| Error::Database { file: file.to_owned(), source })?;
    if found > VERSION {
        return Err(Error::Newer { file: file.to_owned(), found, known: VERSION });
    }
    Ok(found)
}

fn cannot_open(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn has_wal(dir: &Path, day: Date) -> bool {
    day::wal(dir, day).metadata().is_ok_and(|m| m.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const DAY: Date = jiff::civil::date(2025, 10, 24);

    #[test]
    fn files_are_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_writer(dir.path(), DAY).unwrap();
        db.execute_batch("CREATE TABLE more (x)").unwrap();
        for name in ["2025-10-24.sqlite", "2025-10-24.sqlite-wal", "2025-10-24.sqlite-shm"] {
            let mode = dir.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn the_version_in_the_tables_is_the_one_checked() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_writer(dir.path(), DAY).unwrap();
        assert_eq!(version(&db, Path::new("x")).unwrap(), VERSION);
    }

    #[test]
    fn a_newer_schema_is_refused_by_writer_and_reader() {
        let dir = tempfile::tempdir().unwrap();
        open_writer(dir.path(), DAY).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
        let file = day::file(dir.path(), DAY).display().to_string();
        let expected = format!(
            "{file}: written by a newer Vigie (history schema 7, this one knows up to 1); use that version, or move the file away"
        );
        assert_eq!(open_writer(dir.path(), DAY).unwrap_err().to_string(), expected);
        assert_eq!(open_reader(dir.path(), DAY).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_reader_finds_nothing_in_a_file_that_was_only_just_made() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(day::file(dir.path(), DAY), "").unwrap();
        assert!(open_reader(dir.path(), DAY).unwrap().is_none());
    }

    #[test]
    fn an_odd_directory_name_is_no_address_syntax() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a?immutable=1#%41 b");
        std::fs::create_dir(&dir).unwrap();
        drop(open_writer(&dir, DAY).unwrap());
        assert!(open_reader(&dir, DAY).unwrap().is_some());
        assert!(open_readonly(&day::file(&dir, DAY), true).is_ok_and(|db| version(&db, &dir).unwrap() == VERSION));
    }

    #[test]
    fn something_else_under_the_name_is_an_error_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(day::file(dir.path(), DAY), vec![b'x'; 4096]).unwrap();
        assert!(matches!(open_reader(dir.path(), DAY), Err(Error::Database { .. })));
        assert!(matches!(open_writer(dir.path(), DAY), Err(Error::Database { .. })));
    }
}
