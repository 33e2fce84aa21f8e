//! The head that stands for a refused one: hyper answers it in its turn, and nothing of the refused one is in it but a
//! method we know and a correlation id, which is checked like any other.

use super::fields::trim;

/// Methods that a record may name although the rest of the request cannot be believed.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// A longer id would not be kept anyway.
const MAX_ID: usize = 128;

/// Makes it from the refused head, as far as that came.
pub fn stand_in(refused: &[u8]) -> Vec<u8> {
    let first = refused.split(|b| *b == b' ').next().unwrap_or_default();
    let method = METHODS.into_iter().find(|m| m.as_bytes() == first).unwrap_or("UNKNOWN");
    let mut head = format!("{method} /- HTTP/1.1\r\nhost: -\r\n").into_bytes();
    if let Some(id) = refused.split(|b| *b == b'\n').find_map(correlation_id) {
        head.extend_from_slice(b"x-correlation-id: ");
        head.extend_from_slice(id);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn correlation_id(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.strip_suffix(b"\r")?.split_at_checked(b"x-correlation-id:".len())?;
    let value = trim(value);
    let safe = value.len() <= MAX_ID && value.iter().all(u8::is_ascii_graphic);
    (safe && name.eq_ignore_ascii_case(b"x-correlation-id:")).then_some(value)
}
