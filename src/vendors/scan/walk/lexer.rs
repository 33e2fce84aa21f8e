//! Tokens of JSON, consumed one by one.

use super::{End, MAX_DEPTH, Text, Walk, Walked};
use std::borrow::Cow;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first byte that ends a run of plain text: the quote, the escape, or a control character, which must be escaped.
/// Eight bytes at a time: in each, the test sets the high bit of the first byte that is meant, and perhaps of later ones.
fn special(bytes: &[u8]) -> Option<usize> {
    let is_special = |b: &u8| *b < 0x20 || matches!(b, b'"' | b'\\');
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let found = (control | zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c))) & HIGHS;
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(is_special).map(|at| words.len() * 8 + at)
}

impl<'a> Walk<'a> {
    /// Consumes the next byte that is not white space.
    pub(super) fn token(&mut self) -> Walked<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Walked<u8> {
        while let Some(byte) = self.body.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(End::Cut)
    }

    /// A key must follow: another closing bracket after a comma is no JSON.
    pub(super) fn token_of_key(&mut self) -> Walked<u8> {
        match self.token()? {
            b'"' => Ok(b'"'),
            _ => Err(End::Broken),
        }
    }

    pub(super) fn colon(&mut self) -> Walked<()> {
        if self.token()? == b':' { Ok(()) } else { Err(End::Broken) }
    }

    pub(super) fn enter(&mut self) -> Walked<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(End::Broken) } else { Ok(()) }
    }

    fn byte(&mut self) -> Walked<u8> {
        let byte = *self.body.get(self.at).ok_or(End::Cut)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn literal(&mut self, rest: &[u8], take: impl FnOnce(&mut super::Found)) -> Walked<()> {
        for expected in rest {
            if self.byte()? != *expected {
                return Err(End::Broken);
            }
        }
        take(self.found);
        Ok(())
    }

    /// The rest of a string whose opening quote was consumed.
    pub(super) fn string(&mut self) -> Walked<Text> {
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.body[self.at..];
            let run = special(rest).ok_or(End::Cut)?;
            self.at += run + 1;
            match rest[run] {
                b'"' => return Ok(Text { inner: start..self.at - 1, escaped }),
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(End::Broken),
            }
        }
    }

    fn escape(&mut self) -> Walked<()> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => (0..4).try_for_each(|_| if self.byte()?.is_ascii_hexdigit() { Ok(()) } else { Err(End::Broken) }),
            _ => Err(End::Broken),
        }
    }

    /// What a string says.
    pub(super) fn decode(&self, text: &Text) -> Walked<Cow<'a, str>> {
        let body = self.body;
        if text.escaped {
            let quoted = &body[text.inner.start - 1..=text.inner.end];
            return serde_json::from_slice(quoted).map(Cow::Owned).map_err(|_| End::Broken);
        }
        std::str::from_utf8(&body[text.inner.clone()]).map(Cow::Borrowed).map_err(|_| End::Broken)
    }

    /// The rest of a number whose first byte was consumed.
    pub(super) fn number(&mut self, first: u8) -> Walked<()> {
        let first = if first == b'-' { self.byte()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return Err(End::Broken),
        }
        if first == b'0' && self.body.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Err(End::Broken);
        }
        if self.body.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.body.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.body.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Walked<()> {
        if !self.byte()?.is_ascii_digit() {
            return Err(End::Broken);
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.body.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }
}
