//! The bytes of one body, followed to its end so that the next head's start is known. Data is skipped, never looked at.

use super::fields::{self, Line};
use super::head::Coding;
use super::{Limits, Reason};

/// Bytes of a chunk's size line at most: 16 hexadecimal digits and room for the extensions nobody uses.
const MAX_SIZE_LINE: usize = 256;

/// How far a body was followed.
#[derive(Debug)]
pub enum Body {
    /// This many bytes are left.
    Length(u64),
    /// Within chunks.
    Chunked(Chunk),
}

/// Where in the chunked coding.
#[derive(Debug)]
pub enum Chunk {
    /// In a size line.
    Size { size: u64, digits: u8, bytes: usize, part: Part },
    /// In data: this many bytes are left.
    Data(u64),
    /// The CRLF behind data; true once the CR has come.
    DataEnd(bool),
    /// In the trailer section: bytes and lines so far.
    Trailer { bytes: usize, lines: usize },
}

/// Where in a size line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Digits,
    /// Spaces, which only an extension may follow.
    Space,
    Extension,
    Lf,
}

const SIZE: Chunk = Chunk::Size { size: 0, digits: 0, bytes: 0, part: Part::Digits };

/// What became of the bytes given.
#[derive(Debug, PartialEq, Eq)]
pub enum Followed {
    /// All of them belong to the body, which goes on.
    All,
    /// So many belong to the body, and it ended with them.
    Ended(usize),
    /// So many belong to the body; what comes next is a trailer line that is not all there.
    Partial(usize),
    /// So many were good; then it broke.
    Broken(usize, Reason),
}

impl Body {
    /// The body behind a head; `None` where there is none.
    pub fn of(coding: Coding) -> Option<Self> {
        match coding {
            Coding::Unframed | Coding::Length(0) => None,
            Coding::Length(length) => Some(Self::Length(length)),
            Coding::Chunked => Some(Self::Chunked(SIZE)),
        }
    }

    /// Follows the body through `bytes`.
    pub fn follow(&mut self, bytes: &[u8], limits: &Limits) -> Followed {
        match self {
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX);
                if here <= bytes.len() {
                    return Followed::Ended(here);
                }
                *left -= bytes.len() as u64;
                Followed::All
            }
            Self::Chunked(chunk) => chunk.follow(bytes, limits),
        }
    }
}

impl Chunk {
    fn follow(&mut self, bytes: &[u8], limits: &Limits) -> Followed {
        let mut at = 0;
        loop {
            match self {
                Self::Trailer { .. } => return self.trailer(bytes, at, limits),
                Self::Data(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX);
                    if here > bytes.len() - at {
                        *left -= (bytes.len() - at) as u64;
                        return Followed::All;
                    }
                    at += here;
                    *self = Self::DataEnd(false);
                }
                Self::DataEnd(seen) => {
                    let Some(byte) = bytes.get(at) else { return Followed::All };
                    match (*byte, *seen) {
                        (b'\r', false) => *seen = true,
                        (b'\n', true) => *self = SIZE,
                        _ => return Followed::Broken(at, Reason::BadChunk),
                    }
                    at += 1;
                }
                Self::Size { .. } => {
                    let Some(byte) = bytes.get(at) else { return Followed::All };
                    if let Err(reason) = self.size(*byte) {
                        return Followed::Broken(at, reason);
                    }
                    at += 1;
                }
            }
        }
    }

    fn size(&mut self, byte: u8) -> Result<(), Reason> {
        let Self::Size { size, digits, bytes, part } = self else { return Ok(()) };
        *bytes += 1;
        if *bytes > MAX_SIZE_LINE {
            return Err(Reason::BadChunk);
        }
        *part = match (*part, byte) {
            (Part::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                // 15 digits keep the size within a signed counter.
                if *digits >= 15 {
                    return Err(Reason::BadChunk);
                }
                *digits += 1;
                *size = *size << 4 | u64::from((byte as char).to_digit(16).unwrap_or_default());
                Part::Digits
            }
            (_, _) if *digits == 0 => return Err(Reason::BadChunk),
            (Part::Digits | Part::Extension, b'\r') => Part::Lf,
            (Part::Digits | Part::Space, b';') => Part::Extension,
            (Part::Digits | Part::Space, b' ' | b'\t') => Part::Space,
            (Part::Extension, b'\t' | 32..=126 | 128..) => Part::Extension,
            (Part::Lf, b'\n') => {
                *self = if *size == 0 { Self::Trailer { bytes: 0, lines: 0 } } else { Self::Data(*size) };
                return Ok(());
            }
            _ => return Err(Reason::BadChunk),
        };
        Ok(())
    }

    fn trailer(&mut self, bytes: &[u8], from: usize, limits: &Limits) -> Followed {
        let Self::Trailer { bytes: total, lines } = self else { return Followed::All };
        let mut at = from;
        loop {
            match fields::line(bytes, at) {
                Ok(Line::End(end)) => return Followed::Ended(end),
                Ok(Line::Partial) if *total + (bytes.len() - at) > limits.head_bytes => {
                    return Followed::Broken(at, Reason::BadTrailer);
                }
                Ok(Line::Partial) => return Followed::Partial(at),
                Ok(Line::Field { colon, next, .. }) => {
                    *total += next - at;
                    *lines += 1;
                    if *lines > limits.headers || *total > limits.head_bytes || frames(&bytes[at..colon]) {
                        return Followed::Broken(at, Reason::BadTrailer);
                    }
                    at = next;
                }
                Err(_) => return Followed::Broken(at, Reason::BadTrailer),
            }
        }
    }
}

/// Names that change how a message is read or routed must not come after it (RFC 9110 section 6.5.1).
fn frames(name: &[u8]) -> bool {
    const FORBIDDEN: [&[u8]; 4] = [b"content-length", b"transfer-encoding", b"host", b"authorization"];
    FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}
