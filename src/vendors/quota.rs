//! Quota headers of an answer, read as the profile says.

use smallvec::SmallVec;
use std::time::Duration;

/// Values of a reset header above this are a time (Unix seconds); below, seconds left. 10^9 was in 2001, and no window
/// is 31 years long.
const EPOCH_FROM: i64 = 1_000_000_000;
/// Slack, in seconds, when a reset is compared with a window's length: clocks differ, and fractions are rounded.
const SLACK_S: i64 = 5;

/// What one answer told of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'p> {
    /// `hour`, `minute`, …
    pub window: &'p str,
    /// Calls allowed in the window, if told.
    pub limit: Option<u64>,
    /// Calls left.
    pub remaining: u64,
    /// When the window ends, Unix seconds, if told and plausible.
    pub reset_at: Option<i64>,
    /// How long the window is, if the profile knows.
    pub window_length: Option<Duration>,
}

/// One set of headers that describes one window.
#[derive(Debug)]
pub(super) struct Source {
    pub limit: Vec<String>,
    pub remaining: Vec<String>,
    pub reset: Vec<String>,
    /// Never empty.
    pub windows: Vec<Window>,
}

/// A window that a set of headers may describe.
#[derive(Debug)]
pub(super) struct Window {
    pub name: String,
    pub length_s: u64,
    pub limit_at_most: Option<u64>,
}

impl Source {
    /// `None` unless the calls left are told. `get` gives the lines of a header. Of several values, which a gateway before
    /// the API may make, that with the fewest calls left stands, and the limit and reset at its place.
    pub fn read<'p, 'a, I>(&'p self, get: &impl Fn(&'p str) -> I, now_s: i64) -> Option<Reading<'p>>
    where
        I: Iterator<Item = &'a str>,
    {
        let (at, remaining) = numbers(&self.remaining, get).into_iter().min_by_key(|(_, left)| *left)?;
        let number = |names: &'p [String]| {
            let all = numbers(names, get);
            all.iter().find(|(place, _)| *place == at).or(all.first()).map(|(_, number)| *number)
        };
        let limit = number(&self.limit);
        let reset_at = number(&self.reset).and_then(|reset| reset_time(reset, now_s));
        let window = self.windows.iter().find(|w| w.fits(limit, reset_at, now_s)).or(self.windows.last())?;
        Some(Reading {
            window: &window.name,
            limit,
            remaining,
            reset_at: reset_at.filter(|at| at.saturating_sub(now_s) <= window.longest_wait_s()),
            window_length: Some(Duration::from_secs(window.length_s)),
        })
    }
}

impl Window {
    fn fits(&self, limit: Option<u64>, reset_at: Option<i64>, now_s: i64) -> bool {
        self.limit_at_most.is_none_or(|most| limit.is_some_and(|limit| limit <= most))
            && reset_at.is_none_or(|at| at.saturating_sub(now_s) <= self.longest_wait_s())
    }

    fn longest_wait_s(&self) -> i64 {
        i64::try_from(self.length_s).unwrap_or(i64::MAX).saturating_add(SLACK_S)
    }
}

/// The numbers that the first of these headers to hold any holds, with their places: lines may be joined by commas (RFC
/// 9110 section 5.3).
fn numbers<'p, 'a, I>(names: &'p [String], get: &impl Fn(&'p str) -> I) -> SmallVec<[(usize, u64); 2]>
where
    I: Iterator<Item = &'a str>,
{
    let mut found = SmallVec::new();
    for name in names {
        let mut at = 0;
        for line in get(name) {
            for value in line.as_bytes().split(|b| *b == b',') {
                found.extend(whole(value).map(|number| (at, number)));
                at += 1;
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// A whole number; a fraction is cut off, anything else is no number.
fn whole(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let fraction = match &text[digits..] {
        [] => &[],
        [b'.', fraction @ ..] => fraction,
        _ => return None,
    };
    if digits == 0 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |number: u64, b: &u8| number.checked_mul(10)?.checked_add(u64::from(b - b'0'));
    text[..digits].iter().try_fold(0, digit)
}

fn reset_time(value: u64, now_s: i64) -> Option<i64> {
    let value = i64::try_from(value).ok()?;
    if value > EPOCH_FROM { Some(value) } else { now_s.checked_add(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_760_000_000;

    fn source() -> Source {
        let window = |name: &str, length_s, limit_at_most| Window { name: name.into(), length_s, limit_at_most };
        Source {
            limit: vec!["limit".into(), "total".into()],
            remaining: vec!["left".into()],
            reset: vec!["reset".into()],
            windows: vec![window("minute", 60, Some(400)), window("hour", 3600, None)],
        }
    }

    fn read<'s>(source: &'s Source, headers: &[(&'static str, &'static str)]) -> Option<Reading<'s>> {
        source.read(&|name: &'s str| headers.iter().filter(move |(n, _)| *n == name).map(|(_, v)| *v), NOW)
    }

    #[test]
    fn headers_are_read_as_told_and_never_made_up() {
        let source = source();
        type Headers = &'static [(&'static str, &'static str)];
        type Told = Option<(&'static str, Option<u64>, u64, Option<i64>)>;
        let table: &[(Headers, Told)] = &[
            (&[], None),
            (&[("limit", "1000")], None),
            (&[("left", "many")], None),
            (&[("left", "-1")], None),
            (&[("left", "7")], Some(("hour", None, 7, None))),
            (&[("left", " 7.9 ")], Some(("hour", None, 7, None))),
            (&[("left", "7"), ("total", "1000")], Some(("hour", Some(1000), 7, None))),
            (&[("left", "7"), ("limit", "2000"), ("total", "1000")], Some(("hour", Some(2000), 7, None))),
            (&[("left", "7"), ("limit", "400")], Some(("minute", Some(400), 7, None))),
            (&[("left", "7"), ("limit", "400"), ("reset", "30")], Some(("minute", Some(400), 7, Some(NOW + 30)))),
            (&[("left", "7"), ("limit", "400"), ("reset", "1800")], Some(("hour", Some(400), 7, Some(NOW + 1800)))),
            (&[("left", "7"), ("reset", "1760000900")], Some(("hour", None, 7, Some(NOW + 900)))),
            (&[("left", "7"), ("reset", "1760000900123")], Some(("hour", None, 7, None))),
            (&[("left", "7"), ("reset", "1700000000")], Some(("hour", None, 7, Some(1_700_000_000)))),
            (&[("left", "7"), ("reset", "soon")], Some(("hour", None, 7, None))),
            (&[("left", "99999999999999999999")], None),
            (&[("left", "900"), ("left", "7"), ("left", "30")], Some(("hour", None, 7, None))),
            (&[("left", "900, 7")], Some(("hour", None, 7, None))),
            (&[("left", "many"), ("left", "7")], Some(("hour", None, 7, None))),
            (
                &[("limit", "1000"), ("limit", "400"), ("left", "900"), ("left", "7"), ("reset", "30")],
                Some(("minute", Some(400), 7, Some(NOW + 30))),
            ),
        ];
        for (headers, expected) in table {
            let told = read(&source, headers).map(|r| (r.window, r.limit, r.remaining, r.reset_at));
            assert_eq!(&told, expected, "{headers:?}");
        }
    }
}
