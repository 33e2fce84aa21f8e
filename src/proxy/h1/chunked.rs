//! A body in chunks, read strictly (RFC 9112 section 7.1).

use super::Broken;
use super::head::{fields, frames};
use super::names::Names;
use bytes::{Buf, Bytes};
use http_body::Frame;

/// Longest line that announces a chunk, its extensions included: nobody uses them.
const MAX_LINE_BYTES: usize = 4 << 10;

/// Longest trailer section: what is told behind a body is told shortly.
const MAX_TRAILER_BYTES: usize = 64 << 10;

/// Most lines of it.
const MAX_TRAILERS: usize = 100;

/// Hexadecimal digits of a chunk's size: all that 64 bits hold.
const MAX_DIGITS: usize = 16;

/// Where in the chunks the reader stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Chunked {
    /// Before a chunk's size.
    #[default]
    Size,
    /// So many bytes of a chunk are left.
    Data(u64),
    /// Before the line's end that closes a chunk.
    DataEnd,
    /// Before the trailer section.
    Trailers,
    /// Behind all.
    Ended,
}

impl Chunked {
    /// True behind the last chunk and the trailers.
    pub fn has_ended(&self) -> bool {
        *self == Self::Ended
    }

    /// The next piece of the body in `read`; `None` when more bytes are needed, or the body has ended.
    pub fn next(&mut self, read: &mut Bytes) -> Result<Option<Frame<Bytes>>, Broken> {
        loop {
            match self {
                Self::Size => match size_line(read)? {
                    Some(0) => *self = Self::Trailers,
                    Some(size) => *self = Self::Data(size),
                    None => return Ok(None),
                },
                Self::Data(left) => {
                    if read.is_empty() {
                        return Ok(None);
                    }
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(Some(Frame::data(read.split_to(taken))));
                }
                Self::DataEnd => {
                    if !b"\r\n".starts_with(&read[..read.len().min(2)]) {
                        return Err(Broken::Malformed);
                    }
                    if read.len() < 2 {
                        return Ok(None);
                    }
                    read.advance(2);
                    *self = Self::Size;
                }
                Self::Trailers => return self.trailers(read),
                Self::Ended => return Ok(None),
            }
        }
    }

    fn trailers(&mut self, read: &mut Bytes) -> Result<Option<Frame<Bytes>>, Broken> {
        if read.starts_with(b"\r\n") {
            read.advance(2);
            *self = Self::Ended;
            return Ok(None);
        }
        let Some(end) = memchr::memmem::find(read, b"\r\n\r\n") else {
            return if read.len() > MAX_TRAILER_BYTES { Err(Broken::Malformed) } else { Ok(None) };
        };
        let section = read.split_to(end + 4);
        let mut lines = [httparse::EMPTY_HEADER; MAX_TRAILERS];
        match httparse::parse_headers(&section, &mut lines) {
            Ok(httparse::Status::Complete((length, lines))) if length == section.len() => {
                let trailers = fields(&section, lines, &Names::default())?;
                if frames(&trailers) {
                    return Err(Broken::Malformed);
                }
                *self = Self::Ended;
                Ok(Some(Frame::trailers(trailers)))
            }
            _ => Err(Broken::Malformed),
        }
    }
}

/// Takes a whole size line; `None` when it is not there yet.
fn size_line(read: &mut Bytes) -> Result<Option<u64>, Broken> {
    let Some(end) = memchr::memchr(b'\n', &read[..read.len().min(MAX_LINE_BYTES)]) else {
        return if read.len() >= MAX_LINE_BYTES { Err(Broken::Malformed) } else { Ok(None) };
    };
    let line = read.split_to(end + 1);
    let line = line.strip_suffix(b"\r\n").ok_or(Broken::Malformed)?;
    let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    if digits == 0 || digits > MAX_DIGITS || !is_extension(&line[digits..]) {
        return Err(Broken::Malformed);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| Broken::Malformed)?;
    u64::from_str_radix(text, 16).map(Some).map_err(|_| Broken::Malformed)
}

/// Nothing, or `;` and visible text. No white space before it: it is only there to be tolerated.
fn is_extension(text: &[u8]) -> bool {
    text.is_empty() || (text[0] == b';' && text.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')))
}
