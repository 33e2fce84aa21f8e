//! The values of a filter: times, status ranges, words, patterns. An error says what would be right.

use super::{MAX_LIMIT, Order};
use crate::exchange::record::METHODS;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

/// Longest text, name or pattern: longer than any of ours, short enough to be cheap.
const MAX_TEXT: usize = 256;

/// Most `*` in a pattern: matching takes time to the power of their number.
const MAX_STARS: usize = 4;

/// Statuses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// Lowest.
    pub from: u16,
    /// Highest.
    pub to: u16,
}

/// Words of a closed set, wanted or unwanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The words.
    pub list: Vec<&'static str>,
    /// True for "none of them".
    pub not: bool,
}

/// A piece of a value that is safe and short enough to be shown.
pub(super) fn shown(given: &str) -> String {
    given.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// `15m`, `1h30m`, `2d` before now; an RFC 3339 time; or a day, whose first moment in UTC is meant.
pub(super) fn time(given: &str, now_us: i64) -> Result<i64, String> {
    let wrong = || {
        let shown = shown(given);
        format!("`{shown}` is no time; write `15m`, `2h30m`, `3d`, `2025-10-24` or `2025-10-24T09:45:30Z`")
    };
    if let Ok(time) = given.parse::<Timestamp>() {
        return Ok(time.as_microsecond());
    }
    if let Ok(day) = given.parse::<Date>() {
        return TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map(|t| t.as_microsecond()).map_err(|_| wrong());
    }
    let span: Span = given.parse().map_err(|_| wrong())?;
    let ago = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let ago_us = i64::try_from(ago.as_micros()).map_err(|_| wrong())?;
    if ago_us < 0 { Err(wrong()) } else { Ok(now_us.saturating_sub(ago_us)) }
}

/// `404`, `5xx`, `400-499`, or several with commas. 0 is "none was sent".
pub(super) fn statuses(given: &str) -> Result<Vec<StatusRange>, String> {
    given.split(',').map(|part| status(part.trim())).collect()
}

fn status(part: &str) -> Result<StatusRange, String> {
    let digits = |s: &str| s.len() <= 3 && s.bytes().all(|b| b.is_ascii_digit());
    let number = |s: &str| s.parse::<u16>().ok().filter(|_| digits(s));
    let range = match (part.strip_suffix("xx"), part.split_once('-')) {
        (Some(class), _) => number(class).filter(|c| (1..=9).contains(c)).map(|c| (c * 100, c * 100 + 99)),
        (None, Some((from, to))) => number(from).zip(number(to)).filter(|(from, to)| from <= to),
        (None, None) => number(part).map(|n| (n, n)),
    };
    let wrong = || format!("`{}` is no status; write `404`, `5xx`, `400-499`, or several with commas", shown(part));
    range.map(|(from, to)| StatusRange { from, to }).ok_or_else(wrong)
}

/// Words of the set with commas between; a leading `!` means none of them.
pub(super) fn words(given: &str, set: &[&'static str]) -> Result<Words, String> {
    let (not, list) = given.strip_prefix('!').map_or((false, given), |rest| (true, rest));
    let find = |word: &str| {
        let found = set.iter().copied().find(|w| *w == word.trim());
        found.ok_or_else(|| format!("`{}` is none of {}", shown(word), set.join(", ")))
    };
    Ok(Words { list: list.split(',').map(find).collect::<Result<_, _>>()?, not })
}

/// A registered method in any case, or `OTHER`: what records have.
pub(super) fn method(given: &str) -> Result<String, String> {
    let found = METHODS.into_iter().find(|method| method.eq_ignore_ascii_case(given));
    found.map(str::to_owned).ok_or_else(|| format!("`{}` is none of {}", shown(given), METHODS.join(", ")))
}

/// Any text that is not empty and not too long.
pub(super) fn text(given: &str) -> Result<String, String> {
    match given.len() {
        0 => Err("empty".into()),
        n if n > MAX_TEXT => Err(format!("longer than {MAX_TEXT} bytes")),
        _ => Ok(given.to_owned()),
    }
}

/// A W3C trace id, in lower case as records have it.
pub(super) fn trace_id(given: &str) -> Result<String, String> {
    let right = given.len() == 32 && given.bytes().all(|b| b.is_ascii_hexdigit());
    if right {
        Ok(given.to_ascii_lowercase())
    } else {
        Err(format!("`{}` is no trace id; it has 32 hex digits", shown(given)))
    }
}

/// Text in which `*` stands for any characters.
pub(super) fn pattern(given: &str) -> Result<String, String> {
    if given.matches('*').count() > MAX_STARS {
        return Err(format!("more than {MAX_STARS} `*`"));
    }
    text(given)
}

/// A number of rows.
pub(super) fn limit(given: &str) -> Result<usize, String> {
    let number = given.parse().ok().filter(|n| (1..=MAX_LIMIT).contains(n));
    number.ok_or_else(|| format!("`{}` is no number from 1 to {MAX_LIMIT}", shown(given)))
}

/// Which end to begin at.
pub(super) fn order(given: &str) -> Result<Order, String> {
    match given {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        _ => Err(format!("`{}` is neither `newest` nor `oldest`", shown(given))),
    }
}

/// What an earlier search gave back.
pub(super) fn cursor(given: &str) -> Result<i64, String> {
    let number = given.parse().ok().filter(|n| *n >= 0);
    number.ok_or_else(|| format!("`{}` is no cursor of an earlier answer", shown(given)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_761_307_200_000_000;

    #[test]
    fn times_are_ago_or_absolute() {
        let second = 1_000_000;
        let cases = [
            ("15m", NOW - 900 * second),
            ("1h30m", NOW - 5400 * second),
            ("2d", NOW - 2 * 86_400 * second),
            ("0s", NOW),
            ("2025-10-24", NOW - 43_200 * second),
            ("2025-10-24T12:00:00Z", NOW),
            ("2025-10-24T14:00:00+02:00", NOW),
            ("2025-10-24T12:00:00.25Z", NOW + second / 4),
        ];
        for (given, expected) in cases {
            assert_eq!(time(given, NOW), Ok(expected), "{given}");
        }
        for given in ["", "soon", "15", "-15m", "-PT15M", "2025-13-01", "1 month", "99999999999h"] {
            assert!(time(given, NOW).is_err(), "{given}");
        }
    }

    #[test]
    fn statuses_are_numbers_classes_and_ranges() {
        let ranges = |list: &[(u16, u16)]| Ok(list.iter().map(|&(from, to)| StatusRange { from, to }).collect());
        assert_eq!(statuses("404"), ranges(&[(404, 404)]));
        assert_eq!(statuses("429, 5xx,400-403"), ranges(&[(429, 429), (500, 599), (400, 403)]));
        assert_eq!(statuses("0"), ranges(&[(0, 0)]));
        for given in ["", "5x", "xx", "0xx", "12xx", "1000", "500-400", "500-", "+50", "4 4", "404,"] {
            assert!(statuses(given).is_err(), "{given}");
        }
    }

    #[test]
    fn words_can_be_wanted_or_not() {
        let set = ["ok", "timeout", "network"];
        assert_eq!(words("timeout,network", &set), Ok(Words { list: vec!["timeout", "network"], not: false }));
        assert_eq!(words("!ok", &set), Ok(Words { list: vec!["ok"], not: true }));
        assert_eq!(words("!", &set), Err("`` is none of ok, timeout, network".into()));
    }

    #[test]
    fn patterns_and_limits_are_bounded() {
        assert!(pattern("/api/*/notes/*").is_ok());
        assert!(pattern("*****").is_err());
        assert!(text(&"x".repeat(257)).is_err());
        assert_eq!(limit("0"), Err("`0` is no number from 1 to 10000".into()));
        assert!(limit("10001").is_err());
        assert!(cursor("-1").is_err());
    }
}
