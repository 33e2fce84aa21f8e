//! Which of the headers that the path asks for a message has.

use http::HeaderMap;

/// Asked for of every message, and rarely there: one walk over the names there are is cheaper than a look-up of each name
/// there may be.
///
/// What was noted may have gone since: it says that a header may be there, or that it is not.
#[derive(Clone, Copy, Debug)]
pub struct Present(u32);

/// Those that speak of one connection only come first.
const ASKED: [&str; 18] = [
    // It names the alternative that a caller came by (RFC 7838 section 5), which cannot be the upstream's.
    "alt-used",
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "traceparent",
    "tracestate",
    "x-correlation-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-vigie-error",
    "x-vigie-token",
];

/// Headers that speak of one connection only.
pub const HOP_BY_HOP: &[&str] = ASKED.split_at(10).0;

/// Longest of these names, and how many have one length at most.
const LONGEST: usize = 19;
const SAME_LENGTH: usize = 3;

/// Which of them have a length: most names on the wire are told from all of them by length and last byte.
const BY_LENGTH: [[Option<u8>; SAME_LENGTH]; LONGEST + 1] = {
    let mut table = [[None; SAME_LENGTH]; LONGEST + 1];
    let mut i = 0;
    while i < ASKED.len() {
        let row = &mut table[ASKED[i].len()];
        let mut free = 0;
        while row[free].is_some() {
            free += 1;
        }
        row[free] = Some(i as u8);
        i += 1;
    }
    table
};

/// One of them.
#[derive(Clone, Copy)]
pub struct Asked(u8);

impl Asked {
    /// `connection`
    pub const CONNECTION: Self = Self::of("connection");
    /// `te`
    pub const TE: Self = Self::of("te");
    /// `x-forwarded-for`
    pub const FORWARDED_FOR: Self = Self::of("x-forwarded-for");
    /// `x-forwarded-host`
    pub const FORWARDED_HOST: Self = Self::of("x-forwarded-host");
    /// `x-forwarded-proto`
    pub const FORWARDED_PROTO: Self = Self::of("x-forwarded-proto");
    /// `x-correlation-id`
    pub const CORRELATION_ID: Self = Self::of("x-correlation-id");
    /// `traceparent`
    pub const TRACEPARENT: Self = Self::of("traceparent");
    /// `tracestate`
    pub const TRACESTATE: Self = Self::of("tracestate");
    /// `x-vigie-error`
    pub const VIGIE_ERROR: Self = Self::of("x-vigie-error");
    /// `x-vigie-token`
    pub const VIGIE_TOKEN: Self = Self::of("x-vigie-token");

    /// By its name; any other does not compile.
    const fn of(name: &str) -> Self {
        let mut i = 0;
        while i < ASKED.len() {
            if same(ASKED[i].as_bytes(), name.as_bytes()) {
                return Self(i as u8);
            }
            i += 1;
        }
        panic!("a header that is not asked for")
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

impl Present {
    /// Looks through the names.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut found = 0;
        for name in headers.keys().map(|name| name.as_str().as_bytes()) {
            for at in BY_LENGTH.get(name.len()).into_iter().flatten().map_while(|at| *at) {
                let asked = ASKED[usize::from(at)].as_bytes();
                if asked.last() == name.last() && asked == name {
                    found |= 1 << at;
                }
            }
        }
        Self(found)
    }

    /// False where it is not there.
    pub fn has(self, asked: Asked) -> bool {
        self.0 & (1 << asked.0) != 0
    }

    /// Takes it out, wherever it is there.
    pub fn remove(self, asked: Asked, headers: &mut HeaderMap) {
        if self.has(asked) {
            headers.remove(ASKED[usize::from(asked.0)]);
        }
    }

    /// False where nothing speaks of the connection alone.
    pub fn hop_by_hop(self) -> bool {
        self.0 & ((1 << HOP_BY_HOP.len()) - 1) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn present(names: &[&'static str]) -> Present {
        Present::of(&names.iter().map(|n| (HeaderName::from_static(n), HeaderValue::from_static(""))).collect())
    }

    #[test]
    fn each_is_seen_among_others_and_only_it() {
        for (at, name) in ASKED.iter().enumerate() {
            let found = present(&["host", "x-b3-traceid", name, "accept"]);
            assert_eq!(found.0, 1 << at, "{name}");
            assert!(found.has(Asked::of(name)));
            assert_eq!(found.hop_by_hop(), HOP_BY_HOP.contains(name), "{name}");
        }
    }

    #[test]
    fn others_are_not_seen() {
        let long = "a-name-of-more-than-sixty-four-bytes-that-no-list-of-ours-has-in-it-anywhere";
        assert_eq!(present(&["host", "authorization", "x-forwarded-prefix", "tracefather", long]).0, 0);
    }
}
