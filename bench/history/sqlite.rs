//! The form that lost: one SQLite file a day, a few filter columns beside the JSON line, and one index for correlation
//! ids whose keys fall into the pages of the last bucket. As Vigie had it at commit 533ad08, without days and bounds.

use super::records::Row;
use rusqlite::{Connection, params, params_from_iter, types::Value};
use std::path::Path;
use vigie::clock::Clock;
use vigie::history::Filter;

/// Rows in one bucket of `lookup`.
const BUCKET_ROWS: i64 = 4_096;

const PREPARE: &str = "
    PRAGMA page_size = 16384;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 512;
    PRAGMA journal_size_limit = 8388608;
    PRAGMA cache_size = -2000;
    PRAGMA temp_store = MEMORY;
    CREATE TABLE IF NOT EXISTS records (
        id INTEGER PRIMARY KEY, ts_us INTEGER NOT NULL, head_us INTEGER, upstream_us INTEGER, status INTEGER NOT NULL,
        inner_status INTEGER, outcome TEXT NOT NULL, error_kind TEXT, kind TEXT NOT NULL, integration TEXT NOT NULL,
        upstream TEXT NOT NULL, method TEXT NOT NULL, route TEXT NOT NULL, lookup INTEGER NOT NULL,
        correlation_id TEXT NOT NULL, json TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS records_lookup ON records (lookup);";

const INSERT: &str = "INSERT INTO records VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)";

/// The running day.
pub struct Days {
    db: Connection,
    clock: Clock,
    last_id: i64,
    rows: i64,
}

fn hash(id: &str) -> u32 {
    id.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Days {
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let db = Connection::open(dir.join("day.sqlite"))?;
        db.execute_batch(PREPARE)?;
        let last: Option<i64> = db.query_row("SELECT max(id) FROM records", [], |row| row.get(0))?;
        Ok(Self { db, clock: Clock::system(), last_id: last.unwrap_or(0), rows: 0 })
    }

    /// One transaction.
    pub fn append(&mut self, lines: &[u8], rows: &[Row]) -> anyhow::Result<()> {
        let now = self.clock.wall_us();
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let mut statement = self.db.prepare_cached(INSERT)?;
        for Row { record, ts_us, head_us, line } in rows {
            self.last_id = (self.last_id + 1).max(now).max(*ts_us);
            let id = record.correlation_id.as_str();
            let lookup = (self.rows / BUCKET_ROWS) << 32 | i64::from(hash(id));
            self.rows += 1;
            statement.execute(params![
                self.last_id,
                ts_us,
                head_us,
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
                lookup,
                id,
                std::str::from_utf8(&lines[line.clone()])?,
            ])?;
        }
        self.db.execute_batch("COMMIT")?;
        Ok(())
    }
}

/// Rows in all.
pub fn count(dir: &Path) -> anyhow::Result<u64> {
    let db = Connection::open(dir.join("day.sqlite"))?;
    let rows: i64 = db.query_row("SELECT count(*) FROM records", [], |row| row.get(0))?;
    Ok(u64::try_from(rows)?)
}

/// The newest rows that pass; of the filter, what the benchmark uses.
pub fn search(dir: &Path, filter: &Filter) -> anyhow::Result<usize> {
    let db = Connection::open(dir.join("day.sqlite"))?;
    let (mut sql, mut values) = (String::from("1"), Vec::<Value>::new());
    if let Some(id) = &filter.correlation_id {
        let last: i64 = db.query_row("SELECT ifnull(max(lookup) >> 32, -1) FROM records", [], |row| row.get(0))?;
        sql += &format!(
            " AND lookup IN (WITH RECURSIVE bucket(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM bucket WHERE n < ?) \
             SELECT (n << 32) | {} FROM bucket) AND correlation_id = ?",
            hash(id)
        );
        values.extend([last.into(), id.clone().into()]);
    }
    for (column, pattern) in [("route", &filter.route), ("integration", &filter.integration)] {
        if let Some(pattern) = pattern {
            sql += &format!(" AND {column} GLOB ?");
            values.push(pattern.clone().into());
        }
    }
    if filter.outcome.is_some() {
        sql += " AND outcome NOT IN ('ok')";
    }
    for range in filter.status.iter().flatten() {
        sql += " AND status BETWEEN ? AND ?";
        values.extend([i64::from(range.from).into(), i64::from(range.to).into()]);
    }
    if let Some(text) = &filter.text {
        sql += " AND instr(json, ?) > 0";
        values.push(text.clone().into());
    }
    let sql = format!("SELECT json FROM records WHERE {sql} ORDER BY id DESC LIMIT {}", filter.limit.unwrap_or(50));
    let mut statement = db.prepare(&sql)?;
    let lines = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
    Ok(lines.collect::<Result<Vec<_>, _>>()?.len())
}
