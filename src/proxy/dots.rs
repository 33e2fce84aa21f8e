//! Dot segments in a path (RFC 3986 section 3.3): `..` leads out of the place that a path was put below.
//!
//! What is sent on unchanged is for the CRM to resolve. Below a base path or in place of a prefix it is not the caller's own
//! path any more, and no normalising of ours can know how the CRM reads it (nginx and Envoy resolve `%2e`, servlet
//! containers take `..;x` for `..`, others decode `%2f` or take `\` for `/`): so all of these are refused there.

/// True when a segment of `path` is `.` or `..`, in any spelling that some server reads so: percent-encoded once or several
/// times, with parameters (`..;a=b`), between encoded slashes or backslashes.
pub fn any(path: &str) -> bool {
    let path = path.as_bytes();
    // Few paths have either, and none of those that are looked at here needs more.
    if memchr::memchr2(b'.', b'%', path).is_none() {
        return false;
    }
    let (mut rest, mut segment) = (path, Segment::default());
    while let Some((byte, after)) = next(rest) {
        rest = after;
        match byte {
            b'/' | b'\\' if segment.is_dots() => return true,
            b'/' | b'\\' => segment = Segment::default(),
            b';' => segment.ended = true,
            _ if segment.ended => {}
            b'.' => segment.dots += 1,
            _ => segment.other = true,
        }
    }
    segment.is_dots()
}

/// What was seen of a segment.
#[derive(Default)]
struct Segment {
    dots: usize,
    other: bool,
    /// Its parameters have begun.
    ended: bool,
}

impl Segment {
    fn is_dots(&self) -> bool {
        !self.other && (1..=2).contains(&self.dots)
    }
}

/// The first byte as the most eager decoder reads it, and what follows.
fn next(path: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = path.split_first()?;
    if *first != b'%' {
        return Some((*first, rest));
    }
    let mut digits = rest;
    // `%25` is the sign itself: `%252e` becomes `%2e`, and that `.`, where it is decoded twice.
    while let [b'2', b'5', more @ ..] = digits {
        digits = more;
    }
    let hex = |digit: &u8| char::from(*digit).to_digit(16);
    match digits {
        [high, low, after @ ..] => match (hex(high), hex(low)) {
            (Some(high), Some(low)) => Some(((high * 16 + low) as u8, after)),
            _ => Some((b'%', rest)),
        },
        _ => Some((b'%', rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_seen() {
        for path in [
            "/..",
            "/../x",
            "/a/../x",
            "/a/..",
            "/./x",
            "/a/.",
            "/%2e%2E/x",
            "/.%2e/x",
            "/%2e",
            "/%252e%252e/x",
            "/%25252e./x",
            "/..;/x",
            "/..;a=b/x",
            "/%2e%2e%3bx/y",
            "/a%2f..%2fx",
            "/a%2F%2e%2e",
            "/a%252f../x",
            "/..\\x",
            "/a%5c..%5cx",
            "/a\\..",
        ] {
            assert!(any(path), "{path}");
        }
    }

    #[test]
    fn dots_within_a_segment_are_plain() {
        for path in [
            "",
            "/",
            "/a.b",
            "/...",
            "/..a",
            "/a..",
            "/.well-known/x",
            "/a/b;v=..",
            "/deals/1.5",
            "/x%20y",
            "/%2e%2e%2e",
            "/a%2fb",
            "/100%",
            "/100%2",
            "/%zz",
            "/a;..",
            "//",
            "/%25",
        ] {
            assert!(!any(path), "{path}");
        }
    }
}
