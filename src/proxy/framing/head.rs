//! One message's head: walked once, also when it comes in pieces.

use super::fields::{self, Line, TOKEN};
use super::{Limits, Reason};

/// A method is no longer than this: the longest registered one has 18 letters (RFC 5323 and IANA's registry).
const MAX_METHOD: usize = 32;

/// Which bytes of a target need no second look: RFC 3986's, without those that http's parser treats differently.
const TARGET: [bool; 256] = fields::alphanumeric_and(b"-._~%!$&'()*+,;=:@/?");

/// How the body is told from what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Neither header.
    Unframed,
    /// This many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// How far a head was walked.
#[derive(Debug, Default)]
pub struct Head {
    /// Where the next line starts; what is before it was judged.
    at: usize,
    lines: usize,
    old: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

/// What a walk found.
#[derive(Debug, PartialEq, Eq)]
pub enum Walk {
    /// The head's end: its length.
    Whole(usize),
    /// More is needed.
    Partial,
}

impl Head {
    /// Walks a request's head that starts at `bytes[0]`; call it again with more of the same bytes while it is partial.
    pub fn request(&mut self, bytes: &[u8], limits: &Limits) -> Result<Walk, Reason> {
        if self.at == 0 && !self.request_line(bytes, limits)? {
            return self.partial(bytes, limits);
        }
        self.fields(bytes, limits)
    }

    /// How the body is framed, once the head is whole.
    pub fn coding(&self) -> Coding {
        match (self.chunked, self.length) {
            (true, _) => Coding::Chunked,
            (false, Some(length)) => Coding::Length(length),
            (false, None) => Coding::Unframed,
        }
    }

    /// Another protocol is asked for: what comes behind this head may be of that one.
    pub fn asks_to_switch(&self) -> bool {
        self.upgrade && matches!(self.coding(), Coding::Unframed | Coding::Length(0))
    }

    fn partial(&self, bytes: &[u8], limits: &Limits) -> Result<Walk, Reason> {
        if bytes.len() > limits.head_bytes { Err(Reason::HeadTooLarge) } else { Ok(Walk::Partial) }
    }

    fn fields(&mut self, bytes: &[u8], limits: &Limits) -> Result<Walk, Reason> {
        loop {
            match fields::line(bytes, self.at)? {
                Line::Field { colon, end, next } => {
                    self.lines += 1;
                    if self.lines > limits.headers {
                        return Err(Reason::TooManyHeaders);
                    }
                    self.field(&bytes[self.at..colon], &bytes[colon + 1..end])?;
                    self.at = next;
                }
                Line::End(end) if end > limits.head_bytes => return Err(Reason::HeadTooLarge),
                Line::End(end) => return Ok(Walk::Whole(end)),
                Line::Partial => return self.partial(bytes, limits),
            }
        }
    }

    /// Only two names frame a message and one may end HTTP behind it; their lengths are rare among the others.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(fields::trim(value)),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(fields::trim(value)),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.chunked {
            return Err(Reason::LengthAndCoding);
        }
        if self.length.is_some() || value.contains(&b',') {
            return Err(Reason::RepeatedLength);
        }
        self.length = Some(number(value).ok_or(Reason::BadLength)?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.length.is_some() {
            return Err(Reason::LengthAndCoding);
        }
        if self.old {
            return Err(Reason::CodingInOldVersion);
        }
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(not_just_chunked(self.chunked, value));
        }
        self.chunked = true;
        Ok(())
    }

    /// False while the line is not all there.
    fn request_line(&mut self, bytes: &[u8], limits: &Limits) -> Result<bool, Reason> {
        let within = &bytes[..bytes.len().min(MAX_METHOD + 1)];
        let method = within.iter().position(|b| !TOKEN[usize::from(*b)]);
        let method = match method {
            None if bytes.len() > MAX_METHOD => return Err(Reason::BadStartLine),
            None => return Ok(false),
            Some(length) if length > 0 && bytes[length] == b' ' => &bytes[..length],
            Some(_) => return Err(Reason::BadStartLine),
        };
        let start = method.len() + 1;
        let target = &bytes[start..];
        let plain = target.iter().position(|b| !TARGET[usize::from(*b)]).unwrap_or(target.len());
        let rest = target[plain..].iter().position(|b| *b <= b' ' || *b == 127).map(|more| plain + more);
        if rest.unwrap_or(target.len()) > limits.target_bytes {
            return Err(Reason::TargetTooLong);
        }
        let Some(length) = rest else { return Ok(false) };
        if target[length] != b' ' {
            return Err(Reason::BadStartLine);
        }
        let Some(end) = self.version(bytes, start + length + 1)? else { return Ok(false) };
        check_target(method, &target[..length], length == plain)?;
        self.at = end;
        Ok(true)
    }

    /// The index behind the request line; `None` while it is not all there.
    fn version(&mut self, bytes: &[u8], at: usize) -> Result<Option<usize>, Reason> {
        match bytes[at..] {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), b'\r', b'\n', ..] => {
                self.old = minor == b'0';
                Ok(Some(at + 10))
            }
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b'\n', ..] => Err(Reason::BareLf),
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, ..] => {
                match major.is_ascii_digit() && minor.is_ascii_digit() {
                    true if major == b'1' && minor <= b'1' && bytes.len() < at + 10 => Ok(None),
                    true if major == b'1' && minor <= b'1' => Err(Reason::BadStartLine),
                    true => Err(Reason::Version),
                    false => Err(Reason::BadStartLine),
                }
            }
            ref rest if rest.len() < 8 && is_start_of_version(rest) => Ok(None),
            _ => Err(Reason::BadStartLine),
        }
    }
}

fn is_start_of_version(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .zip(b"HTTP/0.0")
        .all(|(found, wanted)| if *wanted == b'0' { found.is_ascii_digit() } else { found == wanted })
}

/// Digits only, and a number of bytes that a signed counter elsewhere can hold too.
fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    let digit = |sum: u64, b: &u8| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0'));
    value.iter().try_fold(0, digit).filter(|n| i64::try_from(*n).is_ok())
}

/// A list may be well formed and yet not be what we take: `gzip, chunked` is told apart from nonsense.
fn not_just_chunked(chunked_before: bool, value: &[u8]) -> Reason {
    let mut codings = value.split(|b| *b == b',').map(fields::trim).rev();
    let last = codings.next().unwrap_or_default();
    let named = |coding: &[u8]| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"chunked");
    match !chunked_before && last.eq_ignore_ascii_case(b"chunked") && codings.all(named) {
        true => Reason::UnknownCoding,
        false => Reason::CodingNotChunked,
    }
}

fn check_target(method: &[u8], target: &[u8], plain: bool) -> Result<(), Reason> {
    if target.first() == Some(&b'/') && plain {
        return Ok(());
    }
    let valid = !target.contains(&b'#') && http::Uri::try_from(target).is_ok();
    match target {
        [b'/', ..] | b"*" if valid => Ok(()),
        [b'/', ..] => Err(Reason::BadTarget),
        // Refused further on, where it gets its record's correlation id.
        _ if valid && method == b"CONNECT" => Ok(()),
        _ if valid && (starts_with(target, b"http://") || starts_with(target, b"https://")) => Ok(()),
        _ if valid => Err(Reason::Form),
        _ => Err(Reason::BadTarget),
    }
}

fn starts_with(target: &[u8], scheme: &[u8]) -> bool {
    target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}
