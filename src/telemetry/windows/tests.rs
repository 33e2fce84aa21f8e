use super::*;
use proptest::prelude::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn with_errors_at(at: &[Duration]) -> Windows {
    let windows = Windows::new(2, Duration::ZERO);
    for (i, at) in at.iter().enumerate() {
        windows.shard(i).add_attempt(*at, 1_000, true);
    }
    windows
}

#[test]
fn edges_of_the_window() {
    let cases: [(&str, Duration, Duration, u64); 9] = [
        ("now", s(700), s(700), 1),
        ("one millisecond ago", s(700) - ms(1), s(700), 1),
        ("one millisecond younger than ten minutes", s(100) + ms(1), s(700), 1),
        ("exactly ten minutes old is out", s(100), s(700), 0),
        ("older", s(99), s(700), 0),
        ("between two seconds: still in", s(100) + ms(500), s(700) + ms(499), 1),
        ("between two seconds: kept less than a second too long", s(100) + ms(500), s(700) + ms(999), 1),
        ("between two seconds: then out", s(100) + ms(500), s(701), 0),
        ("the clock's origin itself", s(0), s(599), 1),
    ];
    for (what, at, now, expected) in cases {
        assert_eq!(with_errors_at(&[at]).read(now).server_errors, expected, "{what}");
    }
}

#[test]
fn what_is_read_is_what_was_added() {
    let windows = Windows::new(3, Duration::ZERO);
    windows.shard(0).add_attempt(s(10), 2_000_000, false);
    windows.shard(1).add_attempt(s(11), 4_000_000, true);
    windows.shard(2).add_unreachable(s(12));
    windows.add_server_error(s(10));
    let reading = windows.read(s(20));
    assert_eq!(
        reading,
        WindowReading { server_errors: 2, unreachable: 1, attempts: 2, duration: s(6), complete: false }
    );
    assert_eq!(reading.mean(), Some(s(3)));
    assert_eq!(WindowReading::default().mean(), None);
}

#[test]
fn late_arrivals_count_in_their_own_second() {
    let windows = with_errors_at(&[s(900), s(400), s(301), s(300)]);
    assert_eq!(windows.read(s(900)).server_errors, 3, "300 is exactly ten minutes old");
    assert_eq!(windows.read(s(1001)).server_errors, 1, "the late ones left in their turn");
}

#[test]
fn a_slot_taken_by_a_newer_second_is_not_lost_to_a_late_one() {
    let newer = s(2_000);
    let windows = with_errors_at(&[newer, newer, newer - s(SLOTS as u64), newer - s(SLOTS as u64)]);
    assert_eq!(windows.read(newer).server_errors, 2);
}

#[test]
fn a_gap_longer_than_the_window_leaves_nothing() {
    let windows = with_errors_at(&[s(1), s(2)]);
    assert_eq!(windows.read(s(5_000)).server_errors, 0);
    windows.add_attempt(s(5_001), 1, true);
    assert_eq!(windows.read(s(5_001)).server_errors, 1);
}

#[test]
fn a_jump_forward_and_a_reader_that_lags_behind_see_only_their_own_window() {
    let windows = with_errors_at(&[s(10), s(10_000)]);
    assert_eq!(windows.read(s(10_000)).server_errors, 1);
    assert_eq!(windows.read(s(9_999)).server_errors, 0, "an event after the reading's moment is not in it");
}

#[test]
fn completeness_comes_from_the_history_or_from_ten_minutes_of_running() {
    let windows = Windows::new(1, s(5));
    assert!(!windows.read(s(604)).complete);
    assert!(windows.read(s(605)).complete);
    let rebuilt = Windows::new(1, s(5));
    rebuilt.set_complete();
    assert!(rebuilt.read(s(5)).complete);
}

#[test]
fn a_rebuild_takes_the_past_and_leaves_what_was_seen_live() {
    let past = |age| PastAttempt { age, duration_us: Some(1_000_000), server_error: true, unreachable: false };
    let windows = Windows::new(1, s(2));
    windows.add_attempt(s(3), 1_000_000, true);
    // Now is 4: age 1 is the live one again, age 600 is out, the others lie before the clock's origin.
    windows.rebuild(s(4), [past(s(1)), past(s(2)), past(s(300)), past(ms(599_500)), past(s(600))]);
    let reading = windows.read(s(4));
    assert_eq!((reading.server_errors, reading.attempts, reading.duration), (4, 4, s(4)));
    assert_eq!(windows.read(s(304)).server_errors, 2, "they leave as they would have");
    windows.rebuild(s(4), [PastAttempt { duration_us: None, unreachable: true, server_error: false, ..past(s(3)) }]);
    assert_eq!(windows.read(s(4)).unreachable, 1);
}

#[test]
fn six_errors_show_while_nobody_reads() {
    let windows = with_errors_at(&[s(1), s(2), s(3), s(4), s(5), s(6)]);
    assert_eq!(windows.read(s(7)).server_errors, 6);
}

/// The definition, word for word, on times rounded up to whole seconds where buckets make them coarse.
fn model(events: &[(u64, u64, bool)], now_ms: u64) -> (u64, u64, u64) {
    let in_window = |at: u64| {
        let bucket_end = at.div_ceil(1_000) as i64;
        bucket_end * 1_000 > (now_ms as i64 / 1_000 * 1_000) - 600_000 && bucket_end <= now_ms.div_ceil(1_000) as i64
    };
    let inside = events.iter().filter(|(at, ..)| in_window(*at));
    inside.fold((0, 0, 0), |(errors, n, sum), (_, us, error)| (errors + u64::from(*error), n + 1, sum + us))
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(
        steps in prop::collection::vec((0u64..40_000, 0u64..3_000_000, any::<bool>(), 0u64..20_000, 0usize..3), 1..200),
        ahead in 0u64..900_000,
    ) {
        let windows = Windows::new(3, Duration::ZERO);
        let (mut clock, mut events) = (0u64, Vec::new());
        for (step, us, error, late, writer) in steps {
            clock += step;
            let at = clock.saturating_sub(late); // answers of several workers arrive out of order
            windows.shard(writer).add_attempt(ms(at), us, error);
            events.push((at, us, error));
            let reading = windows.read(ms(clock));
            let (errors, attempts, sum) = model(&events, clock);
            prop_assert_eq!((reading.server_errors, reading.attempts), (errors, attempts));
            prop_assert_eq!(reading.duration, Duration::from_micros(sum));
        }
        let now = clock + ahead;
        let (errors, attempts, _) = model(&events, now);
        let reading = windows.read(ms(now));
        prop_assert_eq!((reading.server_errors, reading.attempts), (errors, attempts));
    }

    #[test]
    fn at_whole_seconds_it_is_the_definition_exactly(at in 0u64..700_000, now_s in 0u64..1_400) {
        let now = now_s * 1_000;
        prop_assume!(at <= now);
        let windows = with_errors_at(&[ms(at)]);
        prop_assert_eq!(windows.read(ms(now)).server_errors, u64::from(at as i64 > now as i64 - 600_000));
    }
}
