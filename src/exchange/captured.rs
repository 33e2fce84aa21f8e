//! What is kept of a message while its exchange waits for the recorder: copies of its own.
//!
//! A header value or target taken over from the parser holds the whole read buffer it came in, so that the connection
//! needs a new one for its next message, and the buffer is freed on another core. A few hundred bytes are cheaper to copy.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName};

/// Longest header value kept; what a profile reads is far shorter.
const MAX_VALUE_BYTES: usize = u16::MAX as usize;

/// Names of headers to keep.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<HeaderName>,
    /// The lengths that occur, as bits: most names on the wire fail this test and need no comparison.
    lengths: u64,
}

impl Names {
    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.names.iter()
    }

    fn hold(&self, name: &HeaderName) -> bool {
        self.lengths & length_bit(name) != 0 && self.names.contains(name)
    }
}

impl FromIterator<HeaderName> for Names {
    fn from_iter<I: IntoIterator<Item = HeaderName>>(names: I) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        let lengths = names.iter().fold(0, |bits, name| bits | length_bit(name));
        Self { names, lengths }
    }
}

fn length_bit(name: &HeaderName) -> u64 {
    1 << name.as_str().len().min(63)
}

/// Names and values of some headers, in one buffer: `name length (1), value length (2), name, value` each.
#[derive(Clone, Default)]
pub struct Headers(Vec<u8>);

impl Headers {
    /// Copies of those that are named.
    pub fn capture(headers: &HeaderMap, names: &Names) -> Self {
        let mut kept = Self::default();
        for (name, value) in headers.iter().filter(|(name, _)| names.hold(name)) {
            kept.push(name.as_str(), value.as_bytes());
        }
        kept
    }

    /// Adds a header; `name` is in lower case. A name of over 255 bytes is left out: nobody asks for it.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        let Ok(name_length) = u8::try_from(name.len()) else { return };
        let value = &value[..value.len().min(MAX_VALUE_BYTES)];
        if self.0.capacity() == 0 {
            // Request id, type and quota of an answer fill some 150 bytes.
            self.0.reserve(192.max(3 + name.len() + value.len()));
        }
        self.0.push(name_length);
        self.0.extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(value);
    }

    /// The first value of a header, if it is text (visible ASCII, spaces and tabs).
    pub fn get(&self, name: &str) -> Option<&str> {
        value(&mut self.0.as_slice(), name).and_then(text)
    }

    /// Every value of a header that is text, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || value(&mut rest, name)).filter_map(text)
    }
}

/// The next value of a header; `rest` is then what follows it.
fn value<'a>(rest: &mut &'a [u8], name: &str) -> Option<&'a [u8]> {
    while let [name_length, low, high, after @ ..] = *rest {
        let (name_length, value_length) = (usize::from(*name_length), usize::from(u16::from_le_bytes([*low, *high])));
        *rest = after.get(name_length + value_length..)?;
        if name_length == name.len() && after.starts_with(name.as_bytes()) {
            return after.get(name_length..name_length + value_length);
        }
    }
    None
}

fn text(value: &[u8]) -> Option<&str> {
    let visible = value.iter().fold(true, |all, b| all & (matches!(b, b' '..=b'~') | (*b == b'\t')));
    std::str::from_utf8(value).ok().filter(|_| visible)
}

/// Path and query as sent, raw.
#[derive(Clone, Default)]
pub struct Target {
    text: Box<str>,
    path: usize,
}

impl Target {
    /// The path, without query.
    pub fn path(&self) -> &str {
        &self.text[..self.path]
    }

    /// The query, without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path + 1..)
    }
}

impl From<&PathAndQuery> for Target {
    fn from(target: &PathAndQuery) -> Self {
        Self { text: target.as_str().into(), path: target.path().len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_name_is_found_if_it_is_text() {
        let mut headers = Headers::default();
        let long = "v".repeat(MAX_VALUE_BYTES + 1);
        for (name, value) in [("x-a", "1"), ("x-b", ""), ("x-a", "2"), ("x-c", "caf\u{e9}"), ("x-d", long.as_str())] {
            headers.push(name, value.as_bytes());
        }
        assert_eq!((headers.get("x-a"), headers.get("x-b")), (Some("1"), Some("")));
        assert_eq!((headers.get("x-c"), headers.get("x")), (None, None));
        assert_eq!(headers.get("x-d").map(str::len), Some(MAX_VALUE_BYTES));
        assert_eq!(headers.all("x-a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(Headers::default().get("x-a"), None);
    }

    #[test]
    fn a_target_has_a_path_and_perhaps_a_query() {
        let target = |text: &'static str| Target::from(&PathAndQuery::from_static(text));
        let cases = [("/a/b", "/a/b", None), ("/a?", "/a", Some("")), ("/?q=1?2", "/", Some("q=1?2"))];
        for (text, path, query) in cases {
            let target = target(text);
            assert_eq!((target.path(), target.query()), (path, query), "{text}");
        }
        assert_eq!((Target::default().path(), Target::default().query()), ("", None));
    }
}
