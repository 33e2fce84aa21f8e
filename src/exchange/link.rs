//! Links in answers: where one leads, and why one was left that leads past the agent.

use std::sync::Arc;
use url::Host;

/// Scheme, host and port of an `http` or `https` URL, in the one form that can be compared (RFC 6454 section 4): the host in
/// lower case, without a dot at its end, names in their ASCII form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    tls: bool,
    host: Host,
    port: u16,
}

impl Origin {
    /// Of a URL's parts; an IPv6 address without brackets. `None` if the host is none.
    pub fn new(tls: bool, host: &str, port: u16) -> Option<Self> {
        let host = match host.parse() {
            Ok(address) => Host::Ipv6(address),
            Err(_) => named(host)?,
        };
        Some(Self { tls, host, port })
    }

    /// The host, if it is a name and no address.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            _ => None,
        }
    }
}

/// Undoes percent-encoding and writes names in ASCII, as clients do before they connect.
fn named(host: &str) -> Option<Host> {
    match Host::parse(host).ok()? {
        Host::Domain(name) => Some(Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned())),
        address => Some(address),
    }
}

/// A URI reference in an answer, told apart as far as it matters here. Raw: it is wire data.
#[derive(PartialEq, Eq)]
pub enum Reference<'a> {
    /// `https://host/…` or `//host/…`: the origin, and path, query and fragment as written.
    Absolute(Origin, &'a str),
    /// `/…`: path, query and fragment.
    Path(&'a str),
    /// An `http` URL that clients may understand in different ways: with user information, without slashes, with a
    /// host that is none.
    Odd,
    /// Relative to what was asked for, or of another scheme.
    Other,
}

impl<'a> Reference<'a> {
    /// Takes a reference apart; `tls` is the scheme that one without any stands for.
    pub fn parse(text: &'a str, tls: bool) -> Self {
        if let Some((tls, rest)) = http_scheme(text) {
            return rest.strip_prefix("//").map_or(Self::Odd, |rest| Self::at_authority(rest, tls));
        }
        match text.as_bytes() {
            [b'/', b'/', ..] => Self::at_authority(&text[2..], tls),
            // Browsers read a backslash as a slash (WHATWG URL section 4.4).
            [b'/' | b'\\', b'\\', ..] | [b'\\', b'/', ..] => Self::Odd,
            [b'/', ..] => Self::Path(text),
            _ => Self::Other,
        }
    }

    fn at_authority(rest: &'a str, tls: bool) -> Self {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let odd = |b: u8| b.is_ascii_whitespace() || b.is_ascii_control() || matches!(b, b'@' | b'\\');
        if authority.bytes().any(odd) {
            return Self::Odd;
        }
        match origin(authority, tls) {
            Some(origin) => Self::Absolute(origin, path),
            None => Self::Odd,
        }
    }
}

/// Whether `text` begins with `http:` or `https:`, and what follows.
fn http_scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    match scheme {
        _ if scheme.eq_ignore_ascii_case("https") => Some((true, rest)),
        _ if scheme.eq_ignore_ascii_case("http") => Some((false, rest)),
        _ => None,
    }
}

fn origin(authority: &str, tls: bool) -> Option<Origin> {
    let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    let (host, port) = colon.map_or((authority, ""), |at| (&authority[..at], &authority[at + 1..]));
    let port = match port {
        "" => {
            if tls {
                443
            } else {
                80
            }
        }
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    Some(Origin { tls, host: named(host)?, port })
}

/// Why a link was left that leads past the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// Links in bodies of this upstream are not rewritten.
    Off,
    /// It leads to a host that is no upstream of this vendor's.
    OtherHost,
    /// No path of the listener that was called leads there.
    Unreachable,
    /// The body is coded, not declared as JSON, broken or cut off.
    Unreadable,
    /// The body is larger than is held back, or there was no room for it.
    TooLarge,
    /// The answer is signed, or says that it must not be changed.
    Signed,
    /// The answer is a part of one.
    Partial,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 7] =
        [Self::Off, Self::OtherHost, Self::Unreachable, Self::Unreadable, Self::TooLarge, Self::Signed, Self::Partial];

    /// The word used as metric label and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OtherHost => "other_host",
            Self::Unreachable => "unreachable",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too_large",
            Self::Signed => "signed",
            Self::Partial => "partial",
        }
    }
}

/// A link that leads past the agent: where it stood, never what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bypass {
    /// A header's name, or a place that the profile names.
    pub field: Arc<str>,
    /// Why it was left.
    pub why: Why,
}

/// What the data path did about an answer's links.
#[derive(Default)]
pub struct Links {
    /// Those it met and left.
    pub left: Vec<Bypass>,
    /// The body's.
    pub body: BodyLinks,
}

/// What became of the links in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLinks {
    /// They are as the upstream sent them.
    Untouched(Why),
    /// They lead to the agent, but for those that are listed as left.
    Rewritten,
}

impl Default for BodyLinks {
    fn default() -> Self {
        Self::Untouched(Why::Off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin_of(text: &str) -> Option<Origin> {
        match Reference::parse(text, true) {
            Reference::Absolute(origin, _) => Some(origin),
            _ => None,
        }
    }

    #[test]
    fn one_origin_may_be_written_in_many_ways() {
        let crm = Origin::new(true, "crm.example", 443);
        assert!(crm.is_some());
        for same in [
            "https://crm.example",
            "HTTPS://CRM.Example:443/a",
            "https://crm.example.:443?q",
            "https://crm.example:#f",
            "//crm.example/a",
            "https://%63rm.example/",
        ] {
            assert_eq!(origin_of(same), crm, "{same}");
        }
        for other in
            ["http://crm.example", "https://crm.example:8443/", "https://crm.example.org", "https://xcrm.example"]
        {
            assert!(origin_of(other).is_some_and(|o| Some(o) != crm), "{other}");
        }
        assert_eq!(origin_of("https://b\u{fc}cher.example/"), Origin::new(true, "xn--bcher-kva.example", 443));
        assert_eq!(origin_of("https://[0:0::1]:8443/"), Origin::new(true, "::1", 8443));
        assert_eq!(origin_of("https://0x7f.1/"), Origin::new(true, "127.0.0.1", 443));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_odd() {
        for odd in [
            "https://user@crm.example/",
            "https://crm.example\\@evil.example/",
            "https:crm.example",
            "https:/crm.example",
            "https://",
            "https://crm.example:x/",
            "https://crm.example:99999/",
            "https://crm example/",
            "/\\crm.example/",
            "\\/crm.example",
        ] {
            assert!(Reference::parse(odd, true) == Reference::Odd, "{odd}");
        }
    }

    #[test]
    fn the_rest_is_as_written() {
        let rest = |text| match Reference::parse(text, false) {
            Reference::Absolute(_, rest) | Reference::Path(rest) => Some(rest.to_owned()),
            _ => None,
        };
        assert_eq!(rest("https://h/a%2Fb?c=d#e").as_deref(), Some("/a%2Fb?c=d#e"));
        assert_eq!(rest("http://h?x").as_deref(), Some("?x"));
        assert_eq!(rest("/a?u=https://h/").as_deref(), Some("/a?u=https://h/"));
        for other in ["a/b", "?q=1", "#f", "../x", "mailto:a@b.example", "", "myapp://callback"] {
            assert_eq!(rest(other), None, "{other}");
        }
    }

    #[test]
    fn every_reason_has_its_own_word() {
        let words: std::collections::BTreeSet<_> = Why::ALL.iter().map(|w| w.as_str()).collect();
        assert_eq!(words.len(), Why::ALL.len());
    }
}
