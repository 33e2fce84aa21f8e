//! The second net: personal data and credentials told by their looks, in values that a policy lets through.
//!
//! It errs towards finding: a false alarm hides a status, a miss shows a person. Time is linear in the text.

use super::{decode, shapes};
use base64::Engine as _;

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    /// Holds an `@`.
    Email,
    /// 9 to 15 digits, grouped or not, or 7 and more after a `+`.
    Phone,
    /// 13 to 19 digits with a card's checksum.
    Card,
    /// An account number with its checksum.
    Iban,
    /// More digits than a phone number has.
    Digits,
    /// A JSON web token.
    Jwt,
    /// A word such as `Bearer` or `password=` with something behind it.
    Credential,
    /// So mixed, or so begun, that it is likely a key.
    Key,
    /// Still encoded after decoding twice, or written as entities or escapes.
    Encoded,
}

/// Fewest digits taken for a phone number; eight are a date.
const PHONE_DIGITS: usize = 9;

/// Fewest digits taken for a phone number after a `+`.
const PLUS_PHONE_DIGITS: usize = 7;

/// Digits of one run that are looked at; longer runs are found all the same.
const MAX_RUN_DIGITS: usize = 20;

/// Shortest run that can be a key.
const KEY_CHARS: usize = 16;

/// How the keys of common services begin.
const KEY_PREFIXES: [&str; 16] = [
    "AIza",
    "AKIA",
    "ASIA",
    "SG.",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "pat-",
    "pk_",
    "rk_",
    "shpat_",
    "sk-",
    "sk_",
    "xox",
    "ya29.",
];

/// Words that announce a credential when `=` or `:` follows.
const ANNOUNCERS: [&str; 12] = [
    "apikey",
    "auth",
    "authorization",
    "basic",
    "bearer",
    "cookie",
    "key",
    "passwd",
    "password",
    "pwd",
    "secret",
    "token",
];

/// What `text` looks like, if it looks like personal data or a credential, also behind percent-encoding (twice),
/// full-width forms and invisible characters.
pub fn detect(text: &str) -> Option<Detector> {
    if let Some(found) = scan(text.as_bytes()) {
        return Some(found);
    }
    if text.is_ascii() && !decode::has_percent_code(text.as_bytes()) {
        return None;
    }
    let folded = decode::fold(text);
    let decoded = decode::percent_fully(&folded);
    if decode::has_percent_code(decoded.as_bytes()) {
        return Some(Detector::Encoded);
    }
    scan(decode::fold(&decoded).as_bytes())
}

fn scan(bytes: &[u8]) -> Option<Detector> {
    let (mut digits, mut separators, mut escapes) = (0, false, false);
    for b in bytes {
        match b {
            b'@' => return Some(Detector::Email),
            b'0'..=b'9' => digits += 1,
            b' ' | b'=' | b':' => separators = true,
            b'&' | b'\\' => escapes = true,
            _ => {}
        }
    }
    if escapes && is_escaped(bytes) {
        return Some(Detector::Encoded);
    }
    let numbers = || if digits >= PLUS_PHONE_DIGITS { scan_numbers(bytes) } else { None };
    let credentials = || if separators { scan_credentials(bytes) } else { None };
    numbers().or_else(credentials).or_else(|| if bytes.len() >= KEY_CHARS { scan_keys(bytes) } else { None })
}

/// HTML entities and `\u0040`, `\x40`.
fn is_escaped(bytes: &[u8]) -> bool {
    let entity = |w: &[u8]| w[0] == b'&' && (w[1] == b'#' || w[1].is_ascii_alphabetic());
    let escape = |w: &[u8]| w[0] == b'\\' && matches!(w[1], b'u' | b'x');
    let has_end = bytes.contains(&b';');
    bytes.windows(2).any(|w| (has_end && entity(w)) || escape(w))
}

/// Digit runs (groups parted by a space, point, hyphen, slash or parenthesis count as one) and IBANs.
fn scan_numbers(bytes: &[u8]) -> Option<Detector> {
    let mut at = 0;
    while at < bytes.len() {
        let starts_word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        if starts_word && bytes[at].is_ascii_hexdigit() {
            let harmless = shapes::harmless_prefix(&bytes[at..]);
            if harmless > 0 {
                at += harmless;
                continue;
            }
        }
        if starts_word && bytes[at].is_ascii_alphabetic() && shapes::starts_iban(&bytes[at..]) {
            return Some(Detector::Iban);
        }
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let plus = at > 0 && bytes[at - 1] == b'+';
        let (end, found) = digit_run(bytes, at, plus);
        if found.is_some() {
            return found;
        }
        at = end;
    }
    None
}

/// Where the run that starts at `start` ends, and what it is.
fn digit_run(bytes: &[u8], start: usize, plus: bool) -> (usize, Option<Detector>) {
    let (mut digits, mut count) = ([0; MAX_RUN_DIGITS], 0);
    let mut at = start;
    loop {
        while let Some(b) = bytes.get(at).filter(|b| b.is_ascii_digit()) {
            if let Some(slot) = digits.get_mut(count) {
                *slot = *b;
            }
            count += 1;
            at += 1;
        }
        // `) ` and ` (` are two separators in a row; three part two numbers.
        let gap =
            bytes[at..].iter().take(3).take_while(|b| matches!(b, b' ' | b'.' | b'-' | b'/' | b'(' | b')')).count();
        let next = at + gap;
        let goes_on = (1..=2).contains(&gap) && bytes.get(next).is_some_and(u8::is_ascii_digit);
        if !goes_on || shapes::harmless_prefix(&bytes[next..]) > 0 {
            break;
        }
        at = next;
    }
    let least = if plus { PLUS_PHONE_DIGITS } else { PHONE_DIGITS };
    let found = match count {
        13..=19 if shapes::luhn(&digits[..count]) => Some(Detector::Card),
        16.. => Some(Detector::Digits),
        _ if count >= least => Some(Detector::Phone),
        _ => None,
    };
    (at, found)
}

/// `Bearer x…`, `Token token=x`, `password: x`, `Basic <base64 of a:b>`.
fn scan_credentials(bytes: &[u8]) -> Option<Detector> {
    let found = bytes.iter().enumerate().filter(|(_, b)| matches!(b, b' ' | b'=' | b':')).any(|(at, sign)| {
        let word = letters_before(bytes, at);
        let behind = bytes[at + 1..].trim_ascii_start();
        if behind.is_empty() || !ANNOUNCERS.iter().any(|a| word.eq_ignore_ascii_case(a.as_bytes())) {
            return false;
        }
        // `Basic plan` and `token expired` are words; `Basic amVhbjpw` and `Bearer abc` are not.
        *sign != b' '
            || word.eq_ignore_ascii_case(b"bearer")
            || (word.eq_ignore_ascii_case(b"basic") && is_basic(behind))
    });
    found.then_some(Detector::Credential)
}

/// The letters that end at `end`; more than the longest announcer are no announcer.
fn letters_before(bytes: &[u8], end: usize) -> &[u8] {
    const MOST: usize = 16;
    let count = bytes[..end].iter().rev().take(MOST).take_while(|b| b.is_ascii_alphabetic()).count();
    &bytes[end - count..end]
}

fn is_basic(behind: &[u8]) -> bool {
    let run = behind.split(|b| !is_key_byte(*b)).next().unwrap_or_default();
    let unpadded: &[u8] = run.split(|b| *b == b'=').next().unwrap_or_default();
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(unpadded).is_ok_and(|plain| plain.contains(&b':'))
}

fn scan_keys(bytes: &[u8]) -> Option<Detector> {
    bytes.split(|b| !is_key_byte(*b)).filter(|run| run.len() >= KEY_CHARS && !shapes::is_uuid(run)).find_map(|run| {
        if memchr::memmem::find(run, b"eyJ").is_some() {
            return Some(Detector::Jwt);
        }
        (has_key_prefix(run) || is_hex_key(run) || is_mixed(run)).then_some(Detector::Key)
    })
}

fn is_key_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/' | b'=' | b'.')
}

fn has_key_prefix(run: &[u8]) -> bool {
    let starts = |from: &[u8]| KEY_PREFIXES.iter().any(|p| from.starts_with(p.as_bytes()));
    // Also behind `key=` or `id.`, hence at each part's start.
    starts(run) || run.iter().enumerate().any(|(i, b)| matches!(b, b'=' | b'.' | b'/') && starts(&run[i + 1..]))
}

/// 32 and more hex digits in a row: half a SHA-256, or a key.
fn is_hex_key(run: &[u8]) -> bool {
    run.split(|b| !b.is_ascii_hexdigit()).any(|part| part.len() >= 32)
}

/// Letters of both cases and digits, or letters and digits, changing too often for words.
fn is_mixed(run: &[u8]) -> bool {
    let class = |b: u8| match b {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 4,
        _ => 8,
    };
    let classes = run.iter().fold(0, |all, b| all | class(*b));
    let changes = run.windows(2).filter(|w| class(w[0]) != class(w[1])).count();
    let often = |percent: usize| changes * 100 >= run.len() * percent;
    match classes & 7 {
        7 => run.len() >= 20 && often(35),
        3 => run.len() >= 24 && often(40),
        // Short ids in hex (spans, object ids) and ULIDs are no keys.
        5 | 6 => changes >= 4 && often(25) && !is_short_hex(run) && !is_ulid(run),
        _ => false,
    }
}

fn is_short_hex(run: &[u8]) -> bool {
    run.split(|b| matches!(b, b'-' | b'_' | b'.' | b'/')).all(|part| {
        part.iter().all(u8::is_ascii_hexdigit) || part.len() < 8 || part.iter().all(u8::is_ascii_alphabetic)
    })
}

/// 26 characters of upper-case Crockford base32; the first two are `01` until the year 2039.
pub(super) fn is_ulid(run: &[u8]) -> bool {
    run.len() == 26
        && run.starts_with(b"01")
        && run.iter().all(|b| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_and_credentials_are_found() {
        use Detector::*;
        for (text, found) in [
            ("jean@example.com", Email),
            ("jean%40example.com", Email),
            ("jean%2540example.com", Email),
            ("jean\u{ff20}example.com", Email),
            ("jean%25252540x", Encoded),
            ("jean&#64;x.fr;", Encoded),
            ("jean\\u0040x.fr", Encoded),
            ("0612345678", Phone),
            ("06 12 34 56 78", Phone),
            ("tel+33 (0)6.12.34.56.78", Phone),
            ("(415) 555-0123 x", Phone),
            ("+4512345678", Phone),
            ("%2B33%20612345678", Phone),
            ("call0612345678now", Phone),
            ("\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}\u{668}\u{669}", Phone),
            ("2025-10-24 0612345678", Phone),
            ("4111 1111 1111 1111", Card),
            ("FR76 3000 6000 0112 3456 7890 189", Iban),
            ("12345678901234567890123", Digits),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", Jwt),
            ("Bearer abcdef", Credential),
            ("Token token=abc", Credential),
            ("Basic amVhbjpwYXNz", Credential),
            ("password: x", Credential),
            ("sk_live_abcdefghijklm", Key),
            ("sfg999666t673t7t82", Key),
            ("hX3Jg9zB_PGkhL9Y2X4tHw", Key),
            ("4bf92f3577b34da6a3ce929d0e0e4736", Key),
            ("amVhbi5kdXBvbnRAZXhhbXBsZS5jb20=", Key),
        ] {
            assert_eq!(detect(text), Some(found), "{text}");
        }
    }

    #[test]
    fn enums_dates_amounts_and_ids_pass() {
        for text in [
            "",
            "open",
            "Négociation",
            "In progress",
            "Basic plan",
            "token expired",
            "AT&T",
            "100%",
            "Closed (won)",
            "2025-10-24T09:45:30Z",
            "2025-10-24 09:45:30.123456",
            "2022-08-30T00:33:27-04:00",
            "24/10/2025",
            "1234567.5",
            "550e8400-e29b-41d4-a716-446655440000",
            "order-550e8400-e29b-41d4-a716-446655440000",
            "req-20251024-000123",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "00f067aa0ba902b7",
            "507f1f77bcf86cd7994390a1",
            "order-2025-confirmed-shipment",
            "InternalServerErrorException",
            "application/json; charset=utf-8",
        ] {
            assert_eq!(detect(text), None, "{text}");
        }
    }
}
