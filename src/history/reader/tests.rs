use super::*;
use crate::exchange::record::Record;
use crate::history::store::Store;
use crate::history::testing::{DAY, NOON, batch, config, record, store};
use crate::history::{Config, Order};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: i64 = 1_000_000;

/// Writes one record a second from noon on, named by their correlation ids, and gives a reader.
fn written(dir: &Path, records: &[Value]) -> (Store, Config, Reader) {
    let config = config(dir);
    let (mut store, clock, _) = store(&config);
    for (at, changes) in (0..).map(|n| NOON + n * SECOND).zip(records) {
        store.append(&[batch([(at, record(changes.clone()))])]);
        clock.advance(Duration::from_secs(1));
    }
    let reader = Reader::open_readonly(&config.dir).unwrap();
    (store, config, reader)
}

fn ids(found: &Found) -> Vec<String> {
    let id = |line: &String| serde_json::from_str::<Record>(line).unwrap().correlation_id.as_str().to_owned();
    found.lines.iter().map(id).collect()
}

fn search(reader: &Reader, pairs: &[(&str, &str)]) -> Vec<String> {
    let filter = Filter::parse(pairs.iter().copied(), NOON + 10 * SECOND).unwrap();
    ids(&reader.search(&filter).unwrap())
}

fn sample() -> Vec<Value> {
    vec![
        json!({ "correlation_id": "a" }),
        json!({ "correlation_id": "b", "status_code": 404, "outcome": "client_error", "endpoint": "/api/contacts/{id}" }),
        json!({ "correlation_id": "c", "status_code": 503, "outcome": "vendor_error", "method": "GET" }),
        json!({ "correlation_id": "d", "status_code": 0, "outcome": "timeout", "integration": "shop_1" }),
        json!({ "correlation_id": "e", "kind": "probe", "upstream": "other", "response": "100 % {x}" }),
    ]
}

#[test]
fn each_filter_finds_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _, reader) = written(dir.path(), &sample());
    let cases: [(&[(&str, &str)], &str); 24] = [
        (&[], "edcba"),
        (&[("order", "oldest")], "abcde"),
        (&[("limit", "2")], "ed"),
        (&[("since", "8s")], "edc"),
        (&[("until", "8s")], "ba"),
        (&[("since", "9s"), ("until", "7s")], "cb"),
        (&[("route", "/api/contacts/{id}")], "b"),
        (&[("route", "/api/*/{id}")], "edcba"),
        (&[("route", "/api/contacts")], ""),
        (&[("route", "/api/%")], ""),
        (&[("status", "404")], "b"),
        (&[("status", "5xx,0")], "dc"),
        (&[("status", "400-503")], "cb"),
        (&[("outcome", "timeout,vendor_error")], "dc"),
        (&[("outcome", "!ok")], "dcb"),
        (&[("integration", "shop_1")], "d"),
        (&[("integration", "shop_*")], "d"),
        (&[("integration", "s_op*")], ""),
        (&[("upstream", "other")], "e"),
        (&[("method", "get")], "c"),
        (&[("correlation_id", "c")], "c"),
        (&[("kind", "!proxy")], "e"),
        (&[("text", "100 % {")], "e"),
        (&[("text", "_00 %"), ("kind", "probe")], ""),
    ];
    for (pairs, expected) in cases {
        assert_eq!(search(&reader, pairs).concat(), expected, "{pairs:?}");
    }
}

#[test]
fn the_line_comes_back_as_it_was_logged() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _, reader) = written(dir.path(), &sample()[..1]);
    let expected = serde_json::to_string(&record(json!({ "correlation_id": "a" }))).unwrap();
    assert_eq!(reader.search(&Filter::default()).unwrap().lines, [expected]);
}

#[test]
fn it_works_after_the_agent_has_ended_and_leaves_nothing_that_stops_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let (store, config, reader) = written(dir.path(), &sample());
    drop(store);
    assert!(!day::wal(&config.dir, day::of(NOON)).exists(), "an orderly end leaves one file");
    assert_eq!(search(&reader, &[]).concat(), "edcba");
    let (mut again, _, _) = crate::history::testing::store(&config);
    again.append(&[batch([(NOON, record(json!({ "correlation_id": "f" })))])]);
    assert_eq!(search(&reader, &[]).concat(), "fedcba");
}

#[test]
fn following_misses_nothing_and_repeats_nothing_over_midnight() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, _) = store(&config);
    clock.advance(Duration::from_secs(12 * 3600 - 3));
    let reader = Reader::open_readonly(&config.dir).unwrap();
    let mut filter = Filter { limit: Some(2), outcome: None, ..Filter::default() };
    filter.after = Some(reader.search(&filter).unwrap().cursor);
    let mut seen = Vec::new();
    for n in 0..7 {
        store.append(&[batch([(clock.wall_us(), record(json!({ "correlation_id": n.to_string() })))])]);
        clock.advance(Duration::from_secs(1));
        // Now and then: so that a page is full, and the rest comes with the next one.
        if n % 3 == 2 {
            let found = reader.search(&filter).unwrap();
            assert_eq!((found.lines.len(), found.truncated), (2, true));
            seen.extend(ids(&found));
            filter.after = Some(found.cursor);
        }
    }
    assert_eq!(day::list(&config.dir).unwrap().len(), 2);
    filter.limit = None;
    let found = reader.search(&filter).unwrap();
    assert!(!found.truncated);
    seen.extend(ids(&found));
    assert_eq!(seen.concat(), "0123456");
    filter.after = Some(found.cursor);
    assert_eq!(reader.search(&filter).unwrap(), Found { cursor: found.cursor, ..Found::default() });
}

#[test]
fn a_cursor_passes_over_rows_that_do_not_match() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _, reader) = written(dir.path(), &sample());
    let filter = Filter { method: Some("PATCH".into()), ..Filter::default() };
    assert_eq!(reader.search(&filter).unwrap(), Found { cursor: NOON + 4 * SECOND, ..Found::default() });
}

#[test]
fn a_correlation_id_is_found_by_the_index_anywhere_in_the_day() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, _) = store(&config);
    for n in 0..300 {
        store.append(&[batch([(clock.wall_us(), record(json!({ "correlation_id": format!("c-{}", n % 100) })))])]);
        clock.advance(Duration::from_secs(60));
    }
    let reader = Reader::open_readonly(&config.dir).unwrap();
    let filter = Filter { correlation_id: Some("c-42".into()), ..Filter::default() };
    assert_eq!(ids(&reader.search(&filter).unwrap()), ["c-42"; 3]);
    let opened = reader.open(day::of(NOON)).unwrap().unwrap();
    let Conditions { sql, values } = Conditions::of(&filter, opened.last_bucket);
    let sql = format!("EXPLAIN QUERY PLAN SELECT json FROM records WHERE {sql} ORDER BY id DESC");
    let mut statement = opened.db.prepare(&sql).unwrap();
    let plan: Vec<String> =
        statement.query_map(params_from_iter(values), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    assert!(plan.iter().any(|step| step.contains("USING INDEX records_lookup (lookup=?)")), "{plan:?}");
}

#[test]
fn a_late_record_is_found_by_the_day_it_started_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, _) = store(&config);
    clock.advance(DAY);
    store.append(&[batch([(NOON, record(json!({ "correlation_id": "late" })))])]);
    let reader = Reader::open_readonly(&config.dir).unwrap();
    assert_eq!(search(&reader, &[("until", "2025-10-25")]), ["late"]);
    assert_eq!(search(&reader, &[("since", "2025-10-25")]), [""; 0]);
}

#[test]
fn an_answer_is_bounded_in_bytes_and_says_so() {
    let mut room = Room { rows: 10, bytes: MAX_ANSWER_BYTES };
    assert!(room.take(MAX_ANSWER_BYTES + 1), "one line always fits");
    assert!(!room.take(1));
    let dir = tempfile::tempdir().unwrap();
    let (_store, _, reader) = written(dir.path(), &sample());
    let found = |limit| reader.search(&Filter { limit: Some(limit), ..Filter::default() }).unwrap();
    assert!(found(4).truncated);
    assert!(!found(5).truncated);
}

#[test]
fn windows_are_rebuilt_from_what_reached_the_upstream_since() {
    let dir = tempfile::tempdir().unwrap();
    let mut records = sample();
    records[1]["upstream_ms"] = Value::Null;
    records[2]["inner_status"] = json!(500);
    records[3]["error_kind"] = json!("head_timeout");
    let (_store, _, reader) = written(dir.path(), &records);
    let mut seen = Vec::new();
    reader
        .window_events(NOON + SECOND, |e| {
            let after = e.head_at_us - NOON;
            let made_here = e.error_kind.map(str::to_owned);
            seen.push((after, e.upstream.to_owned(), e.upstream_ms, e.status, e.inner_status, made_here));
        })
        .unwrap();
    let expected = [
        (2_420_000, "freshsales".to_owned(), Some(420.0), 503, Some(500), None),
        (3_420_000, "freshsales".to_owned(), Some(420.0), 0, None, Some("head_timeout".to_owned())),
        (4_420_000, "other".to_owned(), Some(420.0), 201, None, None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn what_cannot_be_read_is_an_error_and_what_is_not_there_is_not() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open_readonly(&dir.path().join("none")), Err(Error::Missing(_))));
    let reader = Reader::open_readonly(dir.path()).unwrap();
    assert_eq!(reader.search(&Filter { order: Order::Oldest, ..Filter::default() }).unwrap(), Found::default());
    std::fs::write(dir.path().join("2025-10-24.sqlite"), vec![b'x'; 4096]).unwrap();
    assert!(matches!(reader.search(&Filter::default()), Err(Error::Database { .. })));
}
