//! An answer's head: found, parsed, and its body's length decided (RFC 9112 sections 4 to 6).

use super::Broken;
use super::chunked::Chunked;
use super::names::Names;
use crate::proxy::headers::lists;
use crate::proxy::upgrade;
use crate::upstream::AnswerHead;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use hyper::ext::ReasonPhrase;
use std::mem::MaybeUninit;

/// Header lines that are parsed without allocating room for them.
const LINES_AT_HAND: usize = 100;

/// Looks for the end of a head, over as many reads as it takes, and looks at no byte twice.
#[derive(Default)]
pub struct Search {
    seen: usize,
    line_start: usize,
}

impl Search {
    /// The head's length, once it is there whole.
    ///
    /// # Errors
    /// A line that ends without CR, or a head too long, or something that cannot be an answer.
    pub fn end(&mut self, read: &[u8], limits: AnswerHead) -> Result<Option<usize>, Broken> {
        let start = &read[..read.len().min(b"HTTP/1.".len())];
        if !b"HTTP/1.".starts_with(start) {
            return Err(Broken::Malformed);
        }
        while let Some(at) = memchr::memchr(b'\n', &read[self.seen..]) {
            let line_end = self.seen + at;
            // A bare LF is taken for a line's end by some and not by others (RFC 9112 section 2.2).
            if line_end == 0 || read[line_end - 1] != b'\r' {
                return Err(Broken::Malformed);
            }
            self.seen = line_end + 1;
            if line_end - 1 == self.line_start {
                return if self.seen > limits.bytes { Err(Broken::TooLarge) } else { Ok(Some(self.seen)) };
            }
            self.line_start = self.seen;
        }
        self.seen = read.len();
        if read.len() > limits.bytes { Err(Broken::TooLarge) } else { Ok(None) }
    }
}

/// How the answer's body is delimited, and what is left of it.
pub enum Length {
    /// So many bytes are left.
    Exact(u64),
    /// In chunks.
    Chunked(Chunked),
    /// By the connection's end.
    ToClose,
}

impl Length {
    /// True when nothing more belongs to the body.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Exact(left) => *left == 0,
            Self::Chunked(chunked) => chunked.has_ended(),
            Self::ToClose => false,
        }
    }
}

/// A parsed head.
pub struct Head {
    pub parts: Parts,
    pub length: Length,
    /// The peer keeps the connection open after this answer.
    pub keep_alive: bool,
}

impl Head {
    /// Parses a head. `bodiless`: the request was HEAD.
    pub fn parse(head: Bytes, bodiless: bool, limits: AnswerHead, names: &Names) -> Result<Self, Broken> {
        let mut at_hand = [const { MaybeUninit::uninit() }; LINES_AT_HAND];
        let mut room = Vec::new();
        let lines = if limits.lines <= LINES_AT_HAND {
            &mut at_hand[..limits.lines]
        } else {
            room.resize_with(limits.lines, MaybeUninit::uninit);
            &mut room[..]
        };
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, &head, lines)
            .map_err(|e| if e == httparse::Error::TooManyHeaders { Broken::TooLarge } else { Broken::Malformed })?;
        if status != httparse::Status::Complete(head.len()) {
            return Err(Broken::Malformed);
        }
        let mut answer = Response::new(());
        let code = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
        *answer.status_mut() = code.ok_or(Broken::Malformed)?;
        *answer.version_mut() = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        *answer.headers_mut() = fields(&head, parsed.headers, names)?;
        if let Some(reason) = parsed.reason.filter(|reason| is_its_own(code, reason)) {
            let reason = ReasonPhrase::try_from(head.slice_ref(reason.as_bytes())).map_err(|_| Broken::Malformed)?;
            answer.extensions_mut().insert(reason);
        }
        let (parts, ()) = answer.into_parts();
        let length = length(&parts, bodiless)?;
        let keep_alive =
            keeps_alive(&parts) && !matches!(length, Length::ToClose) && (bodiless || !is_doubtful(&parts));
        Ok(Self { parts, length, keep_alive })
    }

    /// True when this is a sound switch to `asked` and to nothing else (RFC 9110 sections 7.8 and 15.2.2).
    pub fn switches_to(&self, asked: &HeaderValue) -> bool {
        let headers = &self.parts.headers;
        let mut told = headers.get_all(UPGRADE).iter();
        let same = told.next().is_some_and(|protocol| upgrade::same(asked, protocol.as_bytes().trim_ascii()));
        let framed = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
        let new = self.parts.version == Version::HTTP_11;
        new && same && told.next().is_none() && !framed && lists(headers, CONNECTION, b"upgrade")
    }

    /// True for 1xx; the switch to another protocol is looked at before.
    pub fn is_interim(&self) -> bool {
        self.parts.status.is_informational()
    }
}

/// True for a reason phrase that is not the registered one. The parser gives none where it is not ASCII: that is left to
/// the next hop's own (RFC 9112 section 4: a recipient should ignore it).
fn is_its_own(code: Option<StatusCode>, reason: &str) -> bool {
    let registered = code.and_then(|code| code.canonical_reason());
    !reason.is_empty() && registered != Some(reason)
}

/// Headers that an answer gets on its way: room that is made once.
const ADDED: usize = 3;

/// Header lines that were parsed in `text`, as a map that shares its bytes.
pub fn fields(text: &Bytes, lines: &[httparse::Header<'_>], names: &Names) -> Result<HeaderMap, Broken> {
    let mut headers = HeaderMap::with_capacity(lines.len() + ADDED);
    for (place, line) in lines.iter().enumerate() {
        let name = names.at(place, line.name.as_bytes())?;
        let value = HeaderValue::from_maybe_shared(text.slice_ref(line.value)).map_err(|_| Broken::Malformed)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// A trailer must not say where its own message ends (RFC 9110 section 6.5.1).
pub fn frames(trailers: &HeaderMap) -> bool {
    trailers.contains_key(CONTENT_LENGTH) || trailers.contains_key(TRANSFER_ENCODING)
}

fn length(parts: &Parts, bodiless: bool) -> Result<Length, Broken> {
    let coded = parts.headers.contains_key(TRANSFER_ENCODING);
    let exact = content_length(&parts.headers)?;
    // Both at once is how answers are smuggled (RFC 9112 section 6.1), and HTTP/1.0 has no codings.
    if coded && (exact.is_some() || parts.version == Version::HTTP_10 || !is_chunked(&parts.headers)) {
        return Err(Broken::Ambiguous);
    }
    let none = bodiless || parts.status.is_informational() || matches!(parts.status.as_u16(), 204 | 304);
    Ok(match exact {
        _ if none => Length::Exact(0),
        Some(length) => Length::Exact(length),
        None if coded => Length::Chunked(Chunked::default()),
        None => Length::ToClose,
    })
}

/// True for a 204 that speaks of a body, which it must not (RFC 9110 section 8.6, RFC 9112 section 6.1): should one follow,
/// it would be read as the next answer. A 304 may tell the length that the body would have.
fn is_doubtful(parts: &Parts) -> bool {
    let length =
        || parts.headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes().iter().any(|b| *b != b'0'));
    parts.status == StatusCode::NO_CONTENT && (parts.headers.contains_key(TRANSFER_ENCODING) || length())
}

/// One number, written once, in digits alone (RFC 9110 section 8.6).
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Broken> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let digits = value.as_bytes();
    if values.next().is_some() || digits.contains(&b',') {
        return Err(Broken::Ambiguous);
    }
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Broken::Malformed);
    }
    let length = std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok());
    length.map(Some).ok_or(Broken::Malformed)
}

/// No other coding was offered, so none may come.
fn is_chunked(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = values.next().is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"chunked"));
    chunked && values.next().is_none()
}

fn keeps_alive(parts: &Parts) -> bool {
    let listed = |option: &[u8]| {
        let values = parts.headers.get_all(CONNECTION).iter().flat_map(|v| v.as_bytes().split(|b| *b == b','));
        values.into_iter().any(|v| v.trim_ascii().eq_ignore_ascii_case(option))
    };
    match parts.version {
        Version::HTTP_10 => listed(b"keep-alive") && !listed(b"close"),
        _ => !parts.headers.contains_key(CONNECTION) || !listed(b"close"),
    }
}
