//! Shapes of text that detectors must know: those that hold many digits and are harmless (dates, UUIDs), and the
//! checksums of those that are not (cards, IBANs). Everything looks at a bounded number of bytes.

/// Length of a UUID with hyphens.
const UUID_BYTES: usize = 36;

/// True for a UUID with hyphens, a version of 1 to 8 and the usual variant: a number typed into UUID form is none.
pub(super) fn is_uuid(bytes: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; UUID_BYTES]>::try_from(bytes) else { return false };
    let hyphens = [8, 13, 18, 23].iter().all(|&i| bytes[i] == b'-');
    let digits = bytes.iter().filter(|b| b.is_ascii_hexdigit()).count() == 32;
    hyphens
        && digits
        && matches!(bytes[14], b'1'..=b'8')
        && matches!(bytes[19], b'8' | b'9' | b'a' | b'b' | b'A' | b'B')
}

/// Length of the harmless shape that starts here and does not run on into more letters or digits; 0 if there is none.
pub(super) fn harmless_prefix(bytes: &[u8]) -> usize {
    if bytes.get(..UUID_BYTES).is_some_and(is_uuid) && !continues(bytes, UUID_BYTES) {
        return UUID_BYTES;
    }
    let date = date_prefix(bytes);
    if date > 0 { date + time_prefix(&bytes[date..]) } else { stamp_prefix(bytes) }
}

/// True for a day, alone or with a time and the time's zone behind it, in any of the forms below, and nothing else.
pub(super) fn is_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    let date = date_prefix(bytes).max(american_prefix(bytes));
    if date == 0 {
        // Thirteen digits are milliseconds: a number, whose range is looked at elsewhere.
        return matches!(bytes.len(), 8 | 14) && stamp_prefix(bytes) == bytes.len();
    }
    let time = time_prefix(&bytes[date..]);
    let zone = &bytes[date + time..];
    zone.is_empty() || time > 0 && is_zone(zone)
}

/// `Z`, ` UTC`, `+02:00`, ` +0200`, `-04`.
fn is_zone(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
    if matches!(bytes, b"Z" | b"z" | b"UTC" | b"GMT") {
        return true;
    }
    let Some((b'+' | b'-', offset)) = bytes.split_first() else { return false };
    let two = |digits: &[u8]| digits.len() == 2 && number(digits).is_some_and(|n| n < 60);
    match offset.len() {
        2 => two(offset),
        4 => two(&offset[..2]) && two(&offset[2..]),
        5 => two(&offset[..2]) && offset[2] == b':' && two(&offset[3..]),
        _ => false,
    }
}

/// `10/24/2025`, as it is written in the United States.
fn american_prefix(bytes: &[u8]) -> usize {
    const LENGTH: usize = 10;
    let Some(text) = bytes.get(..LENGTH) else { return 0 };
    let day = text[2] == b'/' && text[5] == b'/' && is_day(&text[6..], &text[..2], &text[3..5]);
    if day && !bytes.get(LENGTH).is_some_and(u8::is_ascii_digit) { LENGTH } else { 0 }
}

/// `2025-10-24`, `2025/10/24`, `24/10/2025`, `24-10-2025`, `24.10.2025`.
fn date_prefix(bytes: &[u8]) -> usize {
    const LENGTH: usize = 10;
    let Some(text) = bytes.get(..LENGTH) else { return 0 };
    if bytes.get(LENGTH).is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    let iso = is_separator(text[4]) && text[4] == text[7] && is_day(&text[..4], &text[5..7], &text[8..10]);
    let local = is_separator(text[2]) && text[2] == text[5] && is_day(&text[6..], &text[3..5], &text[..2]);
    if iso || local { LENGTH } else { 0 }
}

/// `T09:45`, ` 09:45:30`, `T09:45:30.123456`, after a date.
fn time_prefix(bytes: &[u8]) -> usize {
    let clock = |at: usize| match bytes.get(at..at + 2) {
        Some(pair) => number(pair).is_some_and(|n| n < 62),
        None => false,
    };
    if !matches!(bytes.first(), Some(b'T' | b't' | b' ')) || !clock(1) || bytes.get(3) != Some(&b':') || !clock(4) {
        return 0;
    }
    if bytes.get(6) != Some(&b':') || !clock(7) {
        return 6;
    }
    let fraction = bytes.get(9) == Some(&b'.');
    let digits = bytes.iter().skip(10).take(9).take_while(|b| b.is_ascii_digit()).count();
    if fraction && digits > 0 && !bytes.get(10 + digits).is_some_and(u8::is_ascii_digit) { 10 + digits } else { 9 }
}

/// `20251024`, `20251024094530`, and milliseconds since the epoch (13 digits, the first a 1: until 2033). No country
/// calls with 13 digits from 1 on.
fn stamp_prefix(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take(15).take_while(|b| b.is_ascii_digit()).count();
    let day = |b: &[u8]| is_day(&b[..4], &b[4..6], &b[6..8]);
    let time = |b: &[u8]| b.chunks(2).all(|pair| number(pair).is_some_and(|n| n < 62));
    match digits {
        8 if day(&bytes[..8]) => 8,
        13 if bytes[0] == b'1' => 13,
        14 if day(&bytes[..8]) && time(&bytes[8..14]) => 14,
        _ => 0,
    }
}

fn is_day(year: &[u8], month: &[u8], day: &[u8]) -> bool {
    let within = |digits: &[u8], low, high| number(digits).is_some_and(|n| (low..=high).contains(&n));
    within(year, 1900, 2199) && within(month, 1, 12) && within(day, 1, 31)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

fn is_separator(b: u8) -> bool {
    matches!(b, b'-' | b'/' | b'.')
}

fn continues(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

/// The checksum of payment cards, over digits as ASCII.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let n = u32::from(b.wrapping_sub(b'0'));
            if i % 2 == 0 { n } else { n * 2 - if n > 4 { 9 } else { 0 } }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// True when an IBAN starts here: two letters, two digits, 15 to 34 characters in all, groups parted by single spaces
/// or hyphens, and the checksum fits at the end of some group.
pub(super) fn starts_iban(bytes: &[u8]) -> bool {
    /// 34 characters and a separator after each fourth.
    const MAX_BYTES: usize = 34 + 9;
    if bytes.len() < 15 || !bytes[..2].iter().all(u8::is_ascii_alphabetic) || number(&bytes[2..4]).is_none() {
        return false;
    }
    let mut account: Vec<u8> = Vec::new();
    for (at, b) in bytes.iter().take(MAX_BYTES).enumerate() {
        if b.is_ascii_alphanumeric() {
            account.push(b.to_ascii_uppercase());
        } else if !matches!(b, b' ' | b'-') {
            break;
        }
        if !continues(bytes, at + 1) && (15..=34).contains(&account.len()) && iban_remainder(&account) == 1 {
            return true;
        }
    }
    false
}

fn iban_remainder(account: &[u8]) -> u32 {
    account[4..].iter().chain(&account[..4]).fold(0, |rest, b| match b {
        b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
        _ => (rest * 100 + u32::from(b - b'A') + 10) % 97,
    })
}

/// `1234567.50`, `-12,5`: a plain decimal amount. A leading zero before more digits would make it a phone number.
pub(super) fn is_amount(text: &str) -> bool {
    let bytes = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let Some(point) = bytes.iter().position(|b| matches!(b, b'.' | b',')) else { return false };
    let (whole, fraction) = (&bytes[..point], &bytes[point + 1..]);
    let digits = |part: &[u8], most| (1..=most).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    digits(whole, 12) && digits(fraction, 4) && (whole.len() == 1 || whole[0] != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_shapes_end_where_they_should() {
        for (text, length) in [
            ("550e8400-e29b-41d4-a716-446655440000", 36),
            ("550E8400-E29B-41D4-B716-446655440000 x", 36),
            ("00000000-0000-0000-0000-033612345678", 0),
            ("2025-10-24", 10),
            ("2025-10-24T09:45:30Z", 19),
            ("2025-10-24 09:45:30.123456789Z", 29),
            ("2025-10-24T09:45+02:00", 16),
            ("24/10/2025 0612345678", 10),
            ("20251024-000123", 8),
            ("20251024094530", 14),
            ("1761299130123", 13),
            ("0612345678", 0),
            ("2025-13-24", 0),
            ("2025-10-241", 0),
        ] {
            assert_eq!(harmless_prefix(text.as_bytes()), length, "{text}");
        }
    }

    #[test]
    fn checksums_tell_accounts_from_numbers() {
        assert!(luhn(b"4111111111111111"));
        assert!(!luhn(b"4111111111111112"));
        for iban in ["FR7630006000011234567890189", "fr76 3000 6000 0112 3456 7890 189", "DE89-3704-0044-0532-0130-00"]
        {
            assert!(starts_iban(iban.as_bytes()), "{iban}");
        }
        assert!(!starts_iban(b"FR7630006000011234567890188"));
        assert!(!starts_iban(b"AB12"));
    }

    #[test]
    fn amounts_are_decimals_without_a_leading_zero() {
        for text in ["1234567.50", "-12,5", "0.5"] {
            assert!(is_amount(text), "{text}");
        }
        for text in ["0612345678.0", "06.12.34.56.78", "1234567", "1.", ".5", "12.34567"] {
            assert!(!is_amount(text), "{text}");
        }
    }
}
