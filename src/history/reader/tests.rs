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
        json!({ "correlation_id": "b", "status_code": 404, "outcome": "client_error", "endpoint": "/api/contacts/{id}",
            "vendor_request_id": "req-2" }),
        json!({ "correlation_id": "c", "status_code": 503, "outcome": "vendor_error", "method": "GET" }),
        json!({ "correlation_id": "d", "status_code": 0, "outcome": "timeout", "integration": "shop_1" }),
        json!({ "correlation_id": "e", "kind": "probe", "upstream": "other", "response": "100 % {x}" }),
    ]
}

#[test]
fn each_filter_finds_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _, reader) = written(dir.path(), &sample());
    let cases: [(&[(&str, &str)], &str); 28] = [
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
        (&[("trace_id", "0AF7651916CD43DD8448EB211C80319C")], "edcba"),
        (&[("trace_id", "00000000000000000000000000000001")], ""),
        (&[("vendor_request_id", "req-2")], "b"),
        (&[("vendor_request_id", "req-2"), ("correlation_id", "c")], ""),
        (&[("kind", "!proxy")], "e"),
        (&[("text", "100 % {")], "e"),
        (&[("text", "_00 %"), ("kind", "probe")], ""),
    ];
    for (pairs, expected) in cases {
        assert_eq!(search(&reader, pairs).concat(), expected, "in the tail: {pairs:?}");
    }
    // The same rows in a block, and in a sealed segment, are found as well.
    let many: Vec<_> = (0..300)
        .map(|n| {
            (
                NOON + 20 * SECOND,
                record(json!({ "correlation_id": n.to_string(), "status_code": 999,
        "outcome": "other", "kind": "other", "integration": "o", "upstream": "o", "method": "o", "endpoint": "o",
        "response": "", "trace_id": "" })),
            )
        })
        .collect();
    let mark = ("status", "0-998");
    store.append(&[batch(many)]);
    for sealed in [false, true] {
        if sealed {
            store.end_segment().unwrap();
        }
        for (pairs, expected) in cases.iter().filter(|(pairs, _)| !pairs.iter().any(|(key, _)| *key == "status")) {
            let pairs = [*pairs, &[mark]].concat();
            assert_eq!(search(&reader, &pairs).concat(), *expected, "sealed {sealed}: {pairs:?}");
        }
        assert_eq!(search(&reader, &[("correlation_id", "299")]), ["299"]);
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
    assert_eq!(search(&reader, &[]).concat(), "edcba");
    let (mut again, _, _) = crate::history::testing::store(&config);
    again.append(&[batch([(NOON + 5 * SECOND, record(json!({ "correlation_id": "f" })))])]);
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
fn a_page_is_read_by_the_begin_of_its_exchanges_and_goes_on_by_their_recording() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, ..) = store(&config);
    let begun = [("b", 2), ("c", 3), ("a", 1), ("d", 4), ("A", 1)];
    store.append(&[batch(begun.map(|(id, at)| (NOON + at, record(json!({ "correlation_id": id })))))]);
    let reader = Reader::open_readonly(&config.dir).unwrap();
    let page = |pairs: &[(&str, &str)]| reader.search(&Filter::parse(pairs.iter().copied(), NOON).unwrap()).unwrap();
    assert_eq!(ids(&page(&[])).concat(), "dcbAa");
    assert_eq!(ids(&page(&[("order", "oldest")])).concat(), "aAbcd");
    assert_eq!(ids(&page(&[("limit", "3")])).concat(), "dAa", "the last ones recorded");
    let (mut cursor, mut pages) = ("0".to_owned(), Vec::new());
    loop {
        let found = page(&[("after", &cursor), ("limit", "2")]);
        if found.lines.is_empty() {
            break;
        }
        pages.push(ids(&found).concat());
        cursor = found.cursor.to_string();
    }
    assert_eq!(pages, ["bc", "ad", "A"]);
}

#[test]
fn a_cursor_passes_over_rows_that_do_not_match() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _, reader) = written(dir.path(), &sample());
    let filter = Filter { method: Some("PATCH".into()), ..Filter::default() };
    assert_eq!(reader.search(&filter).unwrap(), Found { cursor: NOON + 4 * SECOND, ..Found::default() });
}

#[test]
fn an_id_is_found_by_its_table_anywhere_in_the_day() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, _) = store(&config);
    for n in 0..1_500 {
        let one = json!({ "correlation_id": format!("c-{n}"), "vendor_request_id": format!("v-{n}"), "trace_id": "" });
        store.append(&[batch([(clock.wall_us(), record(one))])]);
        clock.advance(Duration::from_secs(1));
    }
    let reader = Reader::open_readonly(&config.dir).unwrap();
    for sealed in [false, true] {
        if sealed {
            store.end_segment().unwrap();
        }
        for n in [0, 42, 1_499] {
            assert_eq!(search(&reader, &[("correlation_id", &format!("c-{n}"))]), [format!("c-{n}")], "{sealed}");
            assert_eq!(search(&reader, &[("vendor_request_id", &format!("v-{n}"))]), [format!("c-{n}")], "{sealed}");
        }
        assert_eq!(search(&reader, &[("correlation_id", "c-1500")]), [""; 0]);
        // One block of all is looked into.
        let filter = Filter { correlation_id: Some("c-42".into()), ..Filter::default() };
        let key = Matcher::new(&filter).key().unwrap();
        let part = parts::of(&day::path(&config.dir, day::of(NOON)), Some(key)).unwrap().remove(0).opened().unwrap();
        let Some(Part::Blocks(blocks)) = part else { panic!("no block was written") };
        assert!(blocks.index().unwrap().places.len() > 4);
        assert_eq!(blocks.blocks_with(key.0, key.1).unwrap(), Some(vec![0]));
    }
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
    let day = dir.path().join("2025-10-24");
    std::fs::create_dir(&day).unwrap();
    assert_eq!(reader.search(&Filter::default()).unwrap(), Found::default());
    std::fs::write(day.join("000001.seg"), vec![b'x'; 4096]).unwrap();
    assert!(matches!(reader.search(&Filter::default()), Err(Error::Damaged { .. })));
}

#[test]
fn a_changed_byte_anywhere_in_a_segment_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, config, reader) = written(dir.path(), &sample());
    store.end_segment().unwrap();
    let path = config.dir.join("2025-10-24/000001.seg");
    let whole = std::fs::read(&path).unwrap();
    let expected = reader.search(&Filter::default()).unwrap();
    // Not the head, whose magic the foot repeats; nor the table of keys, which this search does not read.
    let keys = 4 * (2 + 5 * 2);
    for at in (HEAD..whole.len()).filter(|at| !(whole.len() - 120 - keys..whole.len() - 120).contains(at)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&path, bytes).unwrap();
        match reader.search(&Filter::default()) {
            Err(Error::Damaged { .. } | Error::Newer { .. }) => {}
            // The foot's eight bytes of nothing.
            Ok(found) => assert!(found == expected && at > whole.len() - 40, "byte {at} of {}", whole.len()),
            Err(other) => panic!("{other}"),
        }
    }
}

const HEAD: usize = 16;

#[test]
fn a_segment_of_the_version_before_is_read_and_a_newer_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let day = dir.path().join("2025-10-24");
    std::fs::create_dir(&day).unwrap();
    let path = day.join("000001.seg");
    let mut bytes = include_bytes!("segment-v2.seg").to_vec();
    std::fs::write(&path, &bytes).unwrap();
    let reader = Reader::open_readonly(dir.path()).unwrap();
    assert_eq!(search(&reader, &[]).concat(), "edcba");
    assert_eq!(search(&reader, &[("correlation_id", "c")]), ["c"]);
    // Its table does not cover these, so the blocks are searched.
    assert_eq!(search(&reader, &[("vendor_request_id", "req-2")]), ["b"]);
    assert_eq!(search(&reader, &[("trace_id", "0af7651916cd43dd8448eb211c80319c")]).concat(), "edcba");
    let mut events = 0;
    reader.window_events(NOON, |_| events += 1).unwrap();
    assert_eq!(events, 5);
    let version = bytes.len() - 16;
    bytes[version] = 9;
    std::fs::write(&path, bytes).unwrap();
    let expected = format!(
        "{}: written by a newer Vigie (history schema 9, this one knows up to 3); use that version, or move the file away",
        path.display()
    );
    assert_eq!(reader.search(&Filter::default()).unwrap_err().to_string(), expected);
}

#[test]
fn readers_beside_a_busy_writer_miss_nothing_and_see_nothing_twice() {
    const ROWS: usize = 12_000;
    let dir = tempfile::tempdir().unwrap();
    // Segments of some fifty kilobytes, so that some are sealed under the readers' eyes.
    let config = Config { max_bytes: 800_000, ..config(dir.path()) };
    let (mut store, clock, _) = store(&config);
    store.append(&[batch([(NOON, record(json!({ "correlation_id": "0" })))])]);
    let reader = Reader::open_readonly(&config.dir).unwrap();
    let followed = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 1;
            while written < ROWS {
                let count = 1 + written * 7 % 130;
                let one = |n: usize| (clock.wall_us(), record(json!({ "correlation_id": n.to_string() })));
                store.append(&[batch((written..written + count).map(one))]);
                clock.advance(Duration::from_millis(1));
                written += count;
            }
            written
        });
        let follower = scope.spawn(|| {
            let mut filter = Filter { after: Some(0), limit: Some(1_000), ..Filter::default() };
            let mut seen: Vec<String> = Vec::new();
            loop {
                let ended = writer.is_finished();
                let found = reader.search(&filter).unwrap();
                filter.after = Some(found.cursor);
                seen.extend(ids(&found));
                if ended && !found.truncated {
                    return (seen, writer.join().unwrap());
                }
            }
        });
        follower.join().unwrap()
    });
    let (seen, written) = followed;
    assert!(seen.iter().enumerate().all(|(n, id)| *id == n.to_string()) && seen.len() == written, "{}", seen.len());
    assert!(day::Files::of(&config.dir.join("2025-10-24")).unwrap().sealed.len() > 1);
}
