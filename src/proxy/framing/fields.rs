//! One header line: where its name and value are, or why it is none.

use super::Reason;

/// What is at the start of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A header: the index of its colon, of the first byte behind its value, and of the next line.
    Field { colon: usize, end: usize, next: usize },
    /// The empty line that ends the section; the index behind it.
    End(usize),
    /// It is not all there.
    Partial,
}

/// Which bytes make a token (RFC 9110 section 5.6.2).
pub const TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// A table of letters, digits, and `others`.
pub const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

/// Reads the line that starts at `at`.
pub fn line(bytes: &[u8], at: usize) -> Result<Line, Reason> {
    let name = bytes.get(at..).unwrap_or_default();
    let length = name.iter().position(|b| !TOKEN[usize::from(*b)]).unwrap_or(name.len());
    let colon = at + length;
    match (length, bytes.get(colon)) {
        (_, None) => Ok(Line::Partial),
        (0, Some(b'\r')) => match bytes.get(colon + 1) {
            None => Ok(Line::Partial),
            Some(b'\n') => Ok(Line::End(colon + 2)),
            Some(_) => Err(Reason::BareCr),
        },
        (0, Some(b' ' | b'\t')) => Err(Reason::ObsFold),
        (_, Some(b'\n')) => Err(Reason::BareLf),
        (1.., Some(b':')) => Ok(match text_end(bytes, colon + 1)? {
            Some(end) => Line::Field { colon, end, next: end + 2 },
            None => Line::Partial,
        }),
        (1.., Some(b' ' | b'\t')) => Err(Reason::SpaceBeforeColon),
        (_, Some(0..=31 | 127)) => Err(Reason::Control),
        _ => Err(Reason::BadName),
    }
}

/// The index of the CR of the CRLF that ends the text from `at` on; `None` while it has not come.
pub fn text_end(bytes: &[u8], at: usize) -> Result<Option<usize>, Reason> {
    let mut at = at;
    loop {
        at += plain(&bytes[at..]);
        match bytes[at..] {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => return Ok(Some(at)),
            [b'\r', ..] => return Err(Reason::BareCr),
            [b'\n', ..] => return Err(Reason::BareLf),
            [b'\t', ..] => at += 1,
            _ => return Err(Reason::Control),
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;

/// How many bytes at the start are no control bytes. Eight at a time: a borrow can only spoil bytes behind the first hit.
fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(eight) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().unwrap_or_default());
        let below_space = word.wrapping_sub(ONES * 0x20) & !word;
        let delete = word ^ (ONES * 0x7f);
        let is_delete = delete.wrapping_sub(ONES) & !delete;
        let hits = (below_space | is_delete) & HIGH;
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(u8::is_ascii_control).unwrap_or(rest.len())
}

/// A value without the spaces around it.
pub fn trim(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
