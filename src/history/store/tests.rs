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

/// Names in the running day's directory.
fn names(config: &Config) -> Vec<String> {
    let entries = std::fs::read_dir(config.dir.join("2025-10-24")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn evicted(counters: &Counters) -> u64 {
    counters.evicted.load(Ordering::Relaxed)
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
    assert_eq!(names(&config), ["000001-00000.tail", "000001.idx", "000001.open"]);
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
    let (mut store, clock, counters) = store(&config);
    store.append(&rows(NOON, 1));
    clock.advance(DAY);
    store.append(&rows(clock.wall_us(), 1));
    assert_eq!(days(&config), ["2025-10-24", "2025-10-25"]);
    assert_eq!(names(&config), ["000001.seg"], "a day that is over is sealed");
    clock.advance(DAY);
    store.tend();
    assert_eq!(days(&config), ["2025-10-25"]);
    assert_eq!(counters.bytes.load(Ordering::Relaxed), day::bytes(&config.dir, day::of(NOON + DAY.as_micros() as i64)));
    assert_eq!(evicted(&counters), 0, "their time was over");
    store.deleting.take().unwrap().join().unwrap();
    let left = std::fs::read_dir(&config.dir).unwrap().count();
    assert_eq!(left, 2, "the day before, and the lock");
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

/// Rows that do not compress, a thousand bytes each.
fn heavy(at: i64, count: usize, seed: u64) -> Vec<Batch> {
    let mut state = seed | 1;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    };
    let mut one = || record(json!({ "query": (0..125).map(|_| noise()).collect::<String>() }));
    vec![batch((0..count).map(|_| (at, one())))]
}

#[test]
fn the_oldest_segments_go_first_when_space_is_used_up_and_their_rows_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: 1_000_000, ..config(dir.path()) };
    let (mut store, clock, counters) = store(&config);
    for day in 0..3 {
        store.append(&heavy(clock.wall_us(), 300, day));
        clock.advance(DAY);
    }
    assert_eq!(evicted(&counters), 0);
    for n in 0..20 {
        store.append(&heavy(clock.wall_us(), 50, n + 9));
        assert!(counters.bytes.load(Ordering::Relaxed) <= config.max_bytes + 100_000, "one group may pass the bound");
    }
    assert_eq!((written(&counters), dropped(&counters)), (1_900, 0), "the newest rows are never refused");
    assert!(evicted(&counters) >= 900 && !days(&config).contains(&"2025-10-24".to_owned()), "{:?}", days(&config));
    assert_eq!(found(&config.dir) as u64, 1_900 - evicted(&counters));
    let measured = counters.bytes.load(Ordering::Relaxed);
    store.remeasure().unwrap();
    assert_eq!(counters.bytes.load(Ordering::Relaxed), measured, "what was added up is what is there");
}

#[test]
fn without_any_room_rows_are_dropped_until_there_is_some() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, _, counters) = store(&config);
    store.append(&rows(NOON, 5));
    // Less than the running segment weighs, and there is no other to drop.
    store.max_bytes = 100;
    store.append(&rows(NOON, 5));
    assert_eq!(store.state, State::Full);
    assert_eq!((written(&counters), dropped(&counters)), (5, 5));
    store.max_bytes = 1_000_000;
    store.append(&rows(NOON, 5));
    assert_eq!((store.state, written(&counters), found(&config.dir)), (State::Writing, 10, 10));
}

#[test]
fn a_full_disk_is_counted_and_writing_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, counters) = store(&config);
    store.append(&rows(NOON, 1));
    // The next block has no room: where its file is, a device stands that is full.
    let open = store.open.as_mut().unwrap();
    open.active.blocks = crate::history::frames::Growing::full(open.active.blocks.len);
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
    let obstacle = config.dir.join("2025-10-25");
    std::fs::write(&obstacle, "").unwrap();
    clock.advance(DAY);
    store.append(&rows(clock.wall_us(), 1));
    assert!(matches!(store.state, State::Failing { .. }));
    std::fs::remove_file(&obstacle).unwrap();
    clock.advance(RETRY_AFTER);
    store.append(&rows(clock.wall_us(), 1));
    assert_eq!((store.state, written(&counters), dropped(&counters)), (State::Writing, 1, 1));
}

#[test]
fn a_second_writer_drops_its_rows_until_the_first_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut first, clock, counters) = store(&config);
    let second_counters = Counters::default();
    let mut second = Store::open(&config, clock.clone(), second_counters.clone()).unwrap();
    assert!(matches!(second.state, State::Failing { .. }));
    first.append(&rows(NOON, 2));
    second.append(&rows(NOON, 1));
    assert_eq!((written(&counters), dropped(&second_counters), found(&config.dir)), (2, 1, 2));
    first.close();
    clock.advance(RETRY_AFTER);
    second.append(&rows(NOON, 1));
    assert_eq!((second.state, written(&second_counters), found(&config.dir)), (State::Writing, 1, 3));
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

/// The history as a kill leaves it now.
fn crashed(dir: &Path, config: &Config, name: &str) -> Config {
    let copy = Config { dir: dir.join(name), ..config.clone() };
    std::fs::create_dir_all(copy.dir.join("2025-10-24")).unwrap();
    for name in names(config) {
        let name = Path::new("2025-10-24").join(name);
        std::fs::copy(config.dir.join(&name), copy.dir.join(&name)).unwrap();
    }
    copy
}

#[test]
fn what_was_written_survives_a_kill_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, counters) = store(&config);
    let mut total = 0;
    for (n, count) in [20, 30, 400, 1, 250, 40].into_iter().enumerate() {
        store.append(&rows(NOON, count));
        total += count;
        let crashed = crashed(dir.path(), &config, &n.to_string());
        assert_eq!(found(&crashed.dir), total, "a reader alone finds all");
        let mut again = Store::open(&crashed, clock.clone(), Counters::default()).unwrap();
        again.append(&rows(NOON, 1));
        assert_eq!(found(&crashed.dir), total + 1);
        again.end_segment().unwrap();
        assert_eq!((found(&crashed.dir), names(&crashed)), (total + 1, vec!["000001.seg".to_owned()]));
    }
    assert_eq!((written(&counters), dropped(&counters)), (total as u64, 0));
}

#[test]
fn what_is_torn_is_cut_off_and_what_is_whole_stays() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, _) = store(&config);
    store.append(&rows(NOON, 400));
    store.append(&rows(NOON, 400));
    store.append(&rows(NOON, 20));
    let blocks = store.open.as_ref().unwrap().active.index.places.clone();
    let lost = blocks.last().unwrap().rows as usize;
    // What happened to which file, and how many of the 820 rows that costs.
    type Harm = fn(&mut Vec<u8>);
    let tail = &*format!("000001-{:05}.tail", blocks.len());
    let cases: [(&str, Harm, usize); 6] = [
        (tail, |b| b.extend_from_slice(&[9; 30]), 0),
        (tail, |b| b.truncate(b.len() - 1), 20),
        ("000001.open", |b| b.extend_from_slice(&[0; 5_000]), 0),
        ("000001.open", |b| b.truncate(b.len() - 1), lost),
        ("000001.idx", |b| b.truncate(b.len() - 1), lost),
        ("000001.idx", |b| b.extend_from_slice(&[0; 4_096]), 0),
    ];
    for (n, (name, harm, lost)) in cases.into_iter().enumerate() {
        let crashed = crashed(dir.path(), &config, &format!("torn-{n}"));
        let path = crashed.dir.join("2025-10-24").join(name);
        let mut bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{name}: {e}; {:?}", names(&config)));
        harm(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let mut again = Store::open(&crashed, clock.clone(), Counters::default()).unwrap();
        again.append(&rows(NOON, 300));
        assert_eq!(found(&crashed.dir), 820 - lost + 300, "{n}: {name}");
        again.end_segment().unwrap();
        assert_eq!(found(&crashed.dir), 820 - lost + 300, "{n}: {name}, sealed");
    }
}

#[test]
fn a_segment_that_cannot_be_read_is_set_aside_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut first, clock, counters) = store(&config);
    first.append(&rows(NOON, 400));
    first.append(&rows(NOON, 10));
    drop(first);
    std::fs::write(config.dir.join("2025-10-24/000001.open"), vec![b'x'; 4_096]).unwrap();
    let mut again = Store::open(&config, clock, counters.clone()).unwrap();
    again.append(&rows(NOON, 1));
    assert_eq!((again.state, found(&config.dir)), (State::Writing, 11), "its newest rows stood apart");
    assert!(names(&config).contains(&"000001.damaged".to_owned()), "{:?}", names(&config));
}

#[test]
fn a_newer_form_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (first, clock, counters) = store(&config);
    drop(first);
    let file = config.dir.join("2025-10-24/000001.open");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8] = 7;
    std::fs::write(&file, bytes).unwrap();
    let error = Store::open(&config, clock, counters).err().unwrap().to_string();
    let expected = format!(
        "{}: written by a newer Vigie (history schema 7, this one knows up to 3); use that version, or move the file away",
        file.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn days_of_the_first_form_age_and_weigh_but_are_not_touched_before() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { days: 2, ..config(dir.path()) };
    std::fs::create_dir(&config.dir).unwrap();
    for name in ["2025-10-23.sqlite", "2025-10-22.sqlite", "2025-10-22.sqlite-wal"] {
        std::fs::write(config.dir.join(name), vec![b'x'; 500]).unwrap();
    }
    let (mut store, clock, counters) = store(&config);
    let left = || day::first_form(&config.dir).unwrap().iter().map(Date::to_string).collect::<Vec<_>>();
    assert_eq!(left(), ["2025-10-23"]);
    assert!(counters.bytes.load(Ordering::Relaxed) >= 500);
    clock.advance(DAY);
    store.tend();
    assert!(left().is_empty());
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, _, _) = store(&config);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    store.append(&rows(NOON, 400));
    store.append(&rows(NOON, 10));
    let day = config.dir.join("2025-10-24");
    assert!(names(&config).len() == 3 && names(&config).iter().all(|name| mode(&day.join(name)) == 0o600));
    store.end_segment().unwrap();
    assert_eq!((mode(&day.join("000001.seg")), mode(&day), mode(&config.dir)), (0o600, 0o700, 0o700));
    assert_eq!(mode(&config.dir.join("writer.lock")), 0o600);
}

#[test]
fn a_segment_is_sealed_when_it_is_full_and_the_next_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, _, counters) = store(&config);
    store.append(&rows(NOON, 100));
    store.open.as_mut().unwrap().active.max_bytes = 20_000;
    for _ in 0..20 {
        store.append(&rows(NOON, 300));
    }
    assert!(names(&config).iter().filter(|name| name.ends_with(".seg")).count() >= 1, "{:?}", names(&config));
    assert_eq!((written(&counters), found(&config.dir)), (6_100, 6_100));
    let filter = Filter { correlation_id: Some("c-99".into()), ..Filter::default() };
    assert_eq!(Reader::open_readonly(&config.dir).unwrap().search(&filter).unwrap().lines.len(), 21);
}

#[test]
fn rows_are_handed_to_the_disk_within_the_time_that_is_promised() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, clock, _) = store(&config);
    assert_eq!(store.sync(), None, "nothing waits");
    store.append(&rows(NOON, 1));
    assert_eq!(store.sync(), None, "long ago, so at once");
    store.append(&rows(NOON, 1));
    assert_eq!(store.sync(), Some(SYNC_EVERY));
    clock.advance(SYNC_EVERY);
    assert_eq!(store.sync(), None);
    assert!(!store.open.as_ref().unwrap().active.unsynced);
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
    first.end_segment().unwrap();
    drop(first);
    let mut again = Store::open(&config, clock, counters.clone()).unwrap();
    again.append(&rows(NOON - 5_000_000, 1));
    let ids: Vec<i64> = again.open.as_ref().unwrap().active.pending.rows.iter().map(|row| row.id).collect();
    assert_eq!((ids, again.last_id), (vec![NOON + 3], NOON + 3));
    assert_eq!(dropped(&counters), 0);
}
