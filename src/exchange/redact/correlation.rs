//! A caller's correlation id: kept only if it is an id and nothing else.
//!
//! This runs on the data path, once per exchange: the usual forms are told by their shape before any detector runs.

use super::{Masked, detect, shapes};

/// Longest correlation id that is kept.
const MAX_BYTES: usize = 128;

/// The candidate if it matches `[A-Za-z0-9._:-]{1,128}` and no detector; otherwise the caller makes its own id.
///
/// UUIDs, 32 lower-case hex digits and W3C `traceparent` values pass, and so do ULIDs and short readable ids. Anything
/// that could be a key passes for one: long ids mixed of both cases and digits are refused.
pub fn correlation_id(candidate: &str) -> Option<Masked> {
    let bytes = candidate.as_bytes();
    let is_plain = (1..=MAX_BYTES).contains(&bytes.len()) && bytes.iter().all(|b| is_allowed(*b));
    if shapes::is_uuid(bytes) || (is_plain && (is_trace(bytes) || detect::detect(candidate).is_none())) {
        return Some(Masked::from_masked_text(candidate.to_owned()));
    }
    None
}

fn is_allowed(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-')
}

/// A trace id alone, or the whole of `traceparent`. One without a letter is a number: 3 in ten million are.
fn is_trace(bytes: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let trace = |part: &[u8]| part.len() == 32 && hex(part) && !part.iter().all(u8::is_ascii_digit);
    match bytes.len() {
        32 => trace(bytes),
        55 => {
            let hyphens = [2, 35, 52].iter().all(|&i| bytes[i] == b'-');
            hyphens && trace(&bytes[3..35]) && hex(&bytes[..2]) && hex(&bytes[36..52]) && hex(&bytes[53..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_usual_form_pass_unchanged() {
        for id in [
            "550e8400-e29b-41d4-a716-446655440000",
            "0193a5b2-7c1d-7e3f-8a4b-446655440000",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "order-42",
            "erp:sync:20251024-000123",
            "a",
        ] {
            assert_eq!(correlation_id(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn what_may_be_data_is_refused() {
        let long = "a".repeat(129);
        for id in [
            "",
            &long,
            "a b",
            "jean@example.com",
            "jean%40example.com",
            "é",
            "a\nb",
            "0612345678",
            "06-12-34-56-78",
            "33612345678",
            "tel:06.12.34.56.78",
            "4111-1111-1111-1111",
            "FR7630006000011234567890189",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
            "sk_live_abcdefghijklm",
            "hX3Jg9zB_PGkhL9Y2X4tHw",
            "Bearer:abcdef",
            "00000000-0000-0000-0000-033612345678",
            "00000000000000000000033612345678",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08a",
        ] {
            assert_eq!(correlation_id(id), None, "{id}");
        }
    }
}
