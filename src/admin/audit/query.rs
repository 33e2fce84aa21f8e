//! What was searched for, fit to be kept: people type e-mail addresses, names and ids into a search.

use crate::exchange::redact::{Masker, correlation_id, detect};
use crate::history::Filter;

/// Keys that say where to go on and not what was looked for; without them a log that is followed is one act.
const NOT_KEPT: [&str; 3] = ["after", "limit", "order"];

/// Keys whose values are times, numbers and words of closed sets, if the search takes them.
const CLOSED: [&str; 6] = ["since", "until", "status", "outcome", "method", "kind"];

/// Longest value of those; all real ones are shorter.
const MAX_CLOSED: usize = 64;

/// Keys written at most; the searches know fewer.
const MAX_KEYS: usize = 16;

/// A query as the audit log keeps it: `key=value` with words of closed sets as they are and all else as keyed tokens, the
/// same that records hold; keys that no search has are only counted.
pub fn masked_query<'a>(masker: &Masker, pairs: impl Iterator<Item = (&'a str, &'a str)>, known: &[&str]) -> String {
    let (mut kept, mut unknown) = (Vec::new(), 0_usize);
    for (key, value) in pairs {
        match known.iter().find(|known| **known == key) {
            _ if NOT_KEPT.contains(&key) => {}
            Some(key) if kept.len() < MAX_KEYS => kept.push(format!("{key}={}", masked(masker, key, value))),
            _ => unknown += 1,
        }
    }
    if unknown > 0 {
        kept.push(format!("({unknown} more)"));
    }
    if kept.is_empty() { "all".to_owned() } else { kept.join(" ") }
}

fn masked(masker: &Masker, key: &str, value: &str) -> String {
    if is_closed(key, value) || masker.is_token(value) {
        return value.to_owned();
    }
    // A name alone is an id by its characters; those that programs make have a digit.
    if key == "correlation_id"
        && let Some(id) = correlation_id(value).filter(|_| value.bytes().any(|b| b.is_ascii_digit()))
    {
        return id.as_str().to_owned();
    }
    let token = if value.contains('@') { masker.email_token(value) } else { masker.token(key, value) };
    token.as_str().to_owned()
}

/// Whether the value is one of the key's own: what the search refuses is written down before it is refused.
fn is_closed(key: &str, value: &str) -> bool {
    // Times may carry the name of a zone, which nobody checks.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b" .:,!-+_".contains(&b);
    let short = value.len() <= MAX_CLOSED && value.bytes().all(plain) && detect(value).is_none();
    // No time of these depends on the present.
    CLOSED.contains(&key) && short && Filter::parse([(key, value)], 0).is_ok()
}
