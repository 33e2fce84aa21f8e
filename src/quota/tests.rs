use super::*;

const T: i64 = 1_760_000_000;
const HOUR: Duration = Duration::from_secs(3600);

fn reading(remaining: u64, reset_at: Option<i64>) -> Reading<'static> {
    Reading { window: "hour", limit: Some(1000), remaining, reset_at, window_length: Some(HOUR) }
}

fn one(ledger: &Ledger, now_s: i64) -> Snapshot {
    let mut all = ledger.snapshots(now_s);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// (seconds after T, remaining, reset in seconds after T) read one after the other, and what stands at the end.
#[test]
fn of_answers_out_of_order_the_lowest_stands_until_the_window_ends() {
    type Told = (i64, u64, Option<i64>);
    let table: &[(&[Told], i64, Option<u64>)] = &[
        (&[(0, 900, Some(600))], 1, Some(900)),
        (&[(0, 900, Some(600)), (1, 898, Some(600)), (1, 899, Some(600))], 2, Some(898)),
        // Rounded seconds left do not make a new window.
        (&[(0, 900, Some(600)), (1, 950, Some(603))], 2, Some(900)),
        // A later reset does.
        (&[(0, 900, Some(600)), (1, 990, Some(4200))], 2, Some(990)),
        // A late answer of the window before does not count.
        (&[(0, 990, Some(4200)), (1, 2, Some(600))], 2, Some(990)),
        // At its reset a reading expires.
        (&[(0, 900, Some(600))], 599, Some(900)),
        (&[(0, 900, Some(600))], 600, None),
        (&[(0, 900, Some(600)), (601, 950, None)], 602, Some(950)),
        // Without a reset, one window length after it was read.
        (&[(0, 900, None)], 3599, Some(900)),
        (&[(0, 900, None)], 3600, None),
        (&[(0, 900, None), (60, 950, None)], 61, Some(900)),
        (&[(0, 900, None), (121, 950, None)], 122, Some(950)),
        (&[(0, 900, None), (3000, 900, None)], 3700, Some(900)),
        // A reset in the past tells nothing about now.
        (&[(0, 900, Some(-1))], 0, None),
    ];
    for (told, at, expected) in table {
        let ledger = Ledger::new(None);
        for (after, remaining, reset) in *told {
            ledger.observe(&reading(*remaining, reset.map(|r| T + r)), T + after);
        }
        let snapshot = one(&ledger, T + at);
        assert_eq!(snapshot.remaining, *expected, "{told:?} at {at}");
        assert_eq!((snapshot.limit, snapshot.source), (Some(1000), Source::Told));
        assert!(snapshot.reset_at.is_none_or(|at| at > T));
    }
}

/// `n` readings, `every` seconds, each `fall` lower.
fn falling(n: i64, every: i64, fall: u64, reset_at: Option<i64>) -> Ledger {
    let ledger = Ledger::new(None);
    for i in 0..n {
        ledger.observe(&reading(1000 - fall * i as u64, reset_at), T + every * i);
    }
    ledger
}

#[test]
fn the_forecast_needs_ten_readings_and_an_end_before_the_reset() {
    let reset = Some(T + 3000);
    // 19 steps of 10 calls in 190 s, 10 s later: 810 left at 0.95 a second.
    assert_eq!(one(&falling(20, 10, 10, reset), T + 200).exhaustion_at, Some(T + 200 + 810 * 200 / 190));
    assert_eq!(one(&falling(9, 10, 10, reset), T + 90).exhaustion_at, None);
    assert_eq!(one(&falling(20, 10, 0, reset), T + 200).exhaustion_at, None);
    assert_eq!(one(&falling(20, 10, 1, reset), T + 200).exhaustion_at, None);
    assert_eq!(one(&falling(20, 10, 10, Some(T + 300)), T + 200).exhaustion_at, None);
    // Nothing is left already.
    assert_eq!(one(&falling(11, 10, 100, reset), T + 110).exhaustion_at, Some(T + 110));
}

#[test]
fn use_that_is_more_than_fifteen_minutes_old_is_forgotten() {
    let ledger = falling(20, 10, 10, Some(T + 3000));
    for i in 0..20 {
        ledger.observe(&reading(810, Some(T + 3000)), T + 1100 + i * 10);
    }
    assert_eq!(one(&ledger, T + 1300).exhaustion_at, None);
}

#[test]
fn the_forecast_survives_a_new_window() {
    let ledger = falling(20, 10, 10, Some(T + 195));
    for i in 0..10 {
        ledger.observe(&reading(990 - 10 * i, Some(T + 3795)), T + 200 + 10 * i as i64);
    }
    let snapshot = one(&ledger, T + 300);
    assert_eq!(snapshot.remaining, Some(900));
    // 29 falls of 10 in 300 s.
    assert_eq!(snapshot.exhaustion_at, Some(T + 300 + 900 * 300 / 290));
}

#[test]
fn a_million_readings_take_no_more_room_than_the_last_fifteen_minutes() {
    let ledger = Ledger::new(None);
    for i in 0..1_000_000 {
        ledger.observe(&reading(1_000_000 - i as u64, None), T + i / 100);
    }
    let steps = ledger.windows.lock().told[0].steps_kept();
    assert!(steps <= 92, "{steps}");
}

#[test]
fn windows_beyond_the_bound_are_left_out() {
    let ledger = Ledger::new(None);
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        ledger.observe(&Reading { window: name, ..reading(1, None) }, T);
    }
    assert_eq!(ledger.snapshots(T).len(), MAX_WINDOWS);
}

fn since_start(limit: u64, window_s: u64) -> Ledger {
    Ledger::new(Some(DeclaredQuota { limit, window: Duration::from_secs(window_s) }))
}

fn declared(limit: u64, window_s: u64) -> Ledger {
    let ledger = since_start(limit, window_s);
    ledger.set_rebuilt();
    ledger
}

#[test]
fn a_count_says_while_it_is_shorter_than_its_window() {
    let ledger = since_start(100, 60);
    ledger.count(1, T);
    assert_eq!(one(&ledger, T + 59).source, Source::CountedSinceStart);
    assert_eq!(one(&ledger, T + 60).source, Source::Counted);
    let idle = since_start(100, 60);
    assert_eq!(one(&idle, T).source, Source::CountedSinceStart);
    assert_eq!(one(&idle, T + 60).source, Source::Counted, "nothing was sent, and that is known");
}

#[test]
fn calls_from_before_the_start_count_where_they_belong() {
    let ledger = since_start(100, 60);
    ledger.count(5, T);
    // The last one is so old that its place is taken by a newer one.
    for (calls, ago) in [(10, 10), (20, 59), (30, 61)] {
        ledger.count_past(calls, T - ago);
    }
    ledger.set_rebuilt();
    let at = |after| (one(&ledger, T + after).remaining, one(&ledger, T + after).source);
    assert_eq!(at(0), (Some(65), Source::Counted));
    assert_eq!(at(2), (Some(85), Source::Counted));
    assert_eq!(at(55), (Some(95), Source::Counted));
}

#[test]
fn a_window_of_any_length_is_counted_whole() {
    let ledger = declared(100, 90);
    ledger.count(30, T);
    ledger.count(1, T + 61);
    assert_eq!(one(&ledger, T + 89).remaining, Some(69));
}

#[test]
fn a_count_stands_in_only_while_nothing_is_told() {
    let ledger = declared(500, 3600);
    ledger.count(3, T);
    let counted = one(&ledger, T);
    assert_eq!((counted.remaining, counted.limit, counted.source), (Some(497), Some(500), Source::Counted));
    assert_eq!(counted.window.as_ref(), "hour");
    ledger.observe(&reading(900, Some(T + 600)), T);
    assert_eq!(one(&ledger, T + 1).source, Source::Told);
    assert_eq!(one(&ledger, T + 601).source, Source::Counted);
    let other = Reading { window: "minute", window_length: Some(Duration::from_secs(60)), ..reading(7, None) };
    ledger.observe(&other, T + 601);
    let sources: Vec<_> = ledger.snapshots(T + 602).into_iter().map(|s| (s.window.to_string(), s.source)).collect();
    assert_eq!(sources, [("minute".into(), Source::Told), ("hour".into(), Source::Counted)]);
}

#[test]
fn counted_calls_leave_with_their_window() {
    let ledger = declared(100, 60);
    ledger.count(30, T);
    ledger.count(30, T + 30);
    for (after, expected) in [(30, 40), (59, 40), (60, 40), (61, 70), (91, 100), (10_000, 100)] {
        assert_eq!(one(&ledger, T + after).remaining, Some(expected), "{after}");
    }
    ledger.count(1000, T + 10_000);
    assert_eq!(one(&ledger, T + 10_000).remaining, Some(0));
}

#[test]
fn a_counted_forecast_exists_only_at_a_pace_that_reaches_the_limit() {
    let slow = declared(1000, 3600);
    let fast = declared(1000, 3600);
    for i in 0..90 {
        slow.count(1, T + i * 10);
        fast.count(5, T + i * 10);
    }
    assert_eq!(one(&slow, T + 890).exhaustion_at, None);
    assert_eq!(one(&fast, T + 890).exhaustion_at, Some(T + 890 + 550 * 900 / 450));
    assert_eq!(one(&declared(5, 3600), T).exhaustion_at, None);
}

#[test]
fn a_window_of_no_length_is_not_counted() {
    let ledger = declared(5, 0);
    ledger.count(1, T);
    assert_eq!(ledger.snapshots(T), []);
}
