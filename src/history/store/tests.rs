use super::*;
use crate::history::testing::{DAY, NOON, batch, config, record, store};
use crate::history::{Filter, Reader};
use serde_json::json;

fn rows(at: i64, count: usize) -> Vec<Batch> {
    vec![batch((0..count).map(|i| (at, record(json!({ "correlation_id": format!("c-{i}") })))))]
}

fn dropped(counters: &Counters) -> u64 {
    counters.dropped.load(Ordering::Relaxed)
}

fn written(counters: &Counters) -> u64 {
    counters.written.load(Ordering::Relaxed)
}

fn days(config: &Config) -> Vec<String> {
    day::list(&config.dir).unwrap().iter().map(Date::to_string).collect()
}

fn found(dir: &Path) -> usize {
    let filter = Filter { limit: Some(10_000), ..Filter::default() };
    Reader::open_readonly(dir).unwrap().search(&filter).unwrap().lines.len()
}

#[test]
fn rows_are_counted_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, _, counters) = store(&config);
    store.append(&[rows(NOON, 2), rows(NOON, 3)].concat());
    assert_eq!((written(&counters), dropped(&counters), found(&config.dir)), (5, 0, 5));
    let bytes = counters.bytes.load(Ordering::Relaxed);
    assert_eq!(bytes, day::bytes(&config.dir, day::of(NOON)));
    assert!(bytes > 0);
}

#[test]
fn a_line_that_is_no_text_or_out_of_bounds_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, _, counters) = store(&config);
    let mut bad = batch((0..3).map(|_| (NOON, record(json!({})))));
    bad.entries[0].line = 0..usize::MAX;
    let mut lines = (*bad.lines).clone();
    lines[bad.entries[1].line.start] = 0xff;
    bad.lines = lines.into();
    store.append(&[bad]);
    assert_eq!((written(&counters), dropped(&counters), found(&config.dir)), (1, 2, 1));
}

#[test]
fn days_older_than_the_bound_are_gone_even_when_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { days: 2, ..config(dir.path()) };
    let (mut store, clock, _) = store(&config);
    store.append(&rows(NOON, 1));
    clock.advance(DAY);
    store.append(&rows(clock.wall_us(), 1));
    assert_eq!(days(&config), ["2025-10-24", "2025-10-25"]);
    clock.advance(DAY);
    store.tend();
    assert_eq!(days(&config), ["2025-10-25"]);
    let leftovers = std::fs::read_dir(&config.dir).unwrap().count();
    assert_eq!(leftovers, 1, "neither old companions nor an open log remain");
}

#[test]
fn a_start_drops_what_grew_too_old_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut first, clock, counters) = store(&config);
    first.append(&rows(NOON, 1));
    drop(first);
    clock.advance(DAY * 30);
    drop(Store::open(&config, clock, counters).unwrap());
    assert_eq!(days(&config), ["2025-11-23"]);
}

#[test]
fn the_oldest_day_goes_first_when_space_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: 1_000_000, ..config(dir.path()) };
    let (mut store, clock, counters) = store(&config);
    for _ in 0..3 {
        store.append(&rows(clock.wall_us(), 600));
        clock.advance(DAY);
    }
    store.append(&rows(clock.wall_us(), 1));
    assert_eq!(days(&config), ["2025-10-25", "2025-10-26", "2025-10-27"]);
    assert_eq!((written(&counters), dropped(&counters)), (1801, 0));
    assert!(counters.bytes.load(Ordering::Relaxed) <= config.max_bytes);
}

#[test]
fn a_day_that_fills_the_space_alone_stops_and_the_next_day_writes_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: 1_000_000, ..config(dir.path()) };
    let (mut store, clock, counters) = store(&config);
    for _ in 0..40 {
        store.append(&rows(NOON, 100));
    }
    assert_eq!(store.state, State::Full);
    assert!(dropped(&counters) > 0);
    assert_eq!(written(&counters) + dropped(&counters), 4000);
    assert_eq!(found(&config.dir) as u64, written(&counters));
    // One transaction may pass the bound before it is seen.
    assert!(counters.bytes.load(Ordering::Relaxed) < config.max_bytes + 500_000);
    clock.advance(DAY);
    for _ in 0..3 {
        store.append(&rows(clock.wall_us(), 100));
        assert_eq!(store.state, State::Writing);
    }
    assert_eq!(days(&config), ["2025-10-25"], "the full day goes for the new one");
}

#[test]
fn a_full_disk_is_counted_and_writing_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, counters) = store(&config);
    store.append(&rows(NOON, 1));
    store.open.as_ref().unwrap().db.execute_batch("PRAGMA max_page_count = 5").unwrap();
    store.append(&rows(NOON, 500));
    assert!(matches!(store.state, State::Failing { .. }));
    assert_eq!((written(&counters), dropped(&counters), found(&config.dir)), (1, 500, 1));
    store.append(&rows(NOON, 1));
    assert_eq!(dropped(&counters), 501, "left alone for a while");
    clock.advance(RETRY_AFTER);
    store.append(&rows(NOON, 500));
    assert_eq!((store.state, written(&counters), found(&config.dir)), (State::Writing, 501, 501));
}

#[test]
fn something_in_the_way_of_a_new_day_is_overcome() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, counters) = store(&config);
    let obstacle = config.dir.join("2025-10-25.sqlite");
    std::fs::create_dir(&obstacle).unwrap();
    clock.advance(DAY);
    store.append(&rows(clock.wall_us(), 1));
    assert!(matches!(store.state, State::Failing { .. }));
    std::fs::remove_dir(&obstacle).unwrap();
    clock.advance(RETRY_AFTER);
    store.append(&rows(clock.wall_us(), 1));
    assert_eq!((store.state, written(&counters), dropped(&counters)), (State::Writing, 1, 1));
}

#[test]
fn a_lock_held_by_another_program_is_overcome() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, counters) = store(&config);
    let other = Connection::open(config.dir.join("2025-10-24.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.append(&rows(NOON, 1));
    assert_eq!(dropped(&counters), 1);
    other.execute_batch("ROLLBACK").unwrap();
    clock.advance(RETRY_AFTER);
    store.append(&rows(NOON, 1));
    assert_eq!((store.state, written(&counters)), (State::Writing, 1));
}

#[test]
fn a_directory_deleted_under_the_writer_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, _) = store(&config);
    store.append(&rows(NOON, 1));
    std::fs::remove_dir_all(&config.dir).unwrap();
    clock.advance(UPKEEP_EVERY);
    store.append(&rows(NOON, 1));
    assert_eq!(found(&config.dir), 1);
}

#[test]
fn what_was_committed_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, counters) = store(&config);
    store.append(&rows(NOON, 50));
    // What a killed process leaves: the file, and a log nobody carried over; the shared memory went with it.
    let crashed = Config { dir: dir.path().join("crashed"), ..config.clone() };
    std::fs::create_dir(&crashed.dir).unwrap();
    for name in ["2025-10-24.sqlite", "2025-10-24.sqlite-wal"] {
        std::fs::copy(config.dir.join(name), crashed.dir.join(name)).unwrap();
    }
    assert!(day::wal(&crashed.dir, day::of(NOON)).metadata().unwrap().len() > 0);
    assert_eq!(found(&crashed.dir), 50, "a reader alone recovers it");
    let mut again = Store::open(&crashed, clock, counters).unwrap();
    again.append(&rows(NOON, 1));
    assert_eq!(found(&crashed.dir), 51);
}

#[test]
fn ids_grow_though_the_clock_is_set_back_and_the_agent_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut first, clock, counters) = store(&config);
    first.append(&rows(NOON, 2));
    let Clock::Manual(us) = &clock else { unreachable!("the clock of tests is manual") };
    us.store(NOON as u64 - 5_000_000, Ordering::Relaxed);
    first.append(&rows(NOON - 5_000_000, 1));
    drop(first);
    Store::open(&config, clock, counters.clone()).unwrap().append(&rows(NOON - 5_000_000, 1));
    let db = Connection::open(config.dir.join("2025-10-24.sqlite")).unwrap();
    let mut statement = db.prepare("SELECT id FROM records ORDER BY rowid").unwrap();
    let ids: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(ids, [NOON, NOON + 1, NOON + 2, NOON + 3]);
    assert_eq!(dropped(&counters), 0);
}

#[test]
fn buckets_of_the_lookup_are_bounded_and_a_restart_begins_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut first, clock, counters) = store(&config);
    first.append(&rows(NOON, schema::BUCKET_ROWS as usize + 1));
    drop(first);
    Store::open(&config, clock, counters).unwrap().append(&rows(NOON, 1));
    let db = Connection::open(config.dir.join("2025-10-24.sqlite")).unwrap();
    let mut statement = db.prepare("SELECT count(*) FROM records GROUP BY lookup >> 32 ORDER BY lookup >> 32").unwrap();
    let counts: Vec<u32> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(counts, [schema::BUCKET_ROWS, 1, 1]);
    let filter = Filter { correlation_id: Some("c-0".into()), ..Filter::default() };
    assert_eq!(Reader::open_readonly(&config.dir).unwrap().search(&filter).unwrap().lines.len(), 2);
}
