//! Headers on their way through: hop-by-hop ones go (RFC 9110 section 7.6.1), the proxy's own are added.

use super::conn::Conn;
use super::present::{Asked, HOP_BY_HOP, Present};
use bytes::Bytes;
use http::header::{CONNECTION, TE, UPGRADE, VIA};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use http_body::Frame;
use hyper::ext::ReasonPhrase;
use std::net::IpAddr;
use std::rc::Rc;

/// Carries the transaction's id, in both directions.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Names the error when the answer is Vigie's own.
pub const VIGIE_ERROR: HeaderName = HeaderName::from_static("x-vigie-error");
/// Where the time went, for the caller's own tools.
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Whom a call came from, the nearest last.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Names that a `Connection` header must not be able to remove: end-to-end semantics and Vigie's own.
const PROTECTED: [&str; 18] = [
    "authorization",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "cookie",
    "set-cookie",
    "traceparent",
    "tracestate",
    "x-correlation-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-api-key",
    "api-key",
    "private-token",
    "expect",
    "via",
];

/// Other protocols that a message's sender would rather speak.
#[derive(Debug)]
pub struct Offer {
    /// What `Upgrade` lists; several lines are one list.
    pub protocols: HeaderValue,
    /// `Connection` lists `upgrade`, as it must (RFC 9110 section 7.8).
    pub announced: bool,
}

impl Offer {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(UPGRADE).iter();
        let first = lines.next()?.clone();
        let protocols = lines.try_fold(first, |joint, line| {
            HeaderValue::from_bytes(&[joint.as_bytes(), b", ", line.as_bytes()].concat()).ok()
        })?;
        Some(Self { protocols, announced: lists(headers, CONNECTION, b"upgrade") })
    }
}

/// Removes what must not be forwarded, in either direction. Framing headers go as well: the next hop's are written anew.
/// Gives the protocols that were asked for or offered, if any were.
pub fn strip_hop_by_hop(headers: &mut HeaderMap, present: Present) -> Option<Offer> {
    if !present.hop_by_hop() {
        return None;
    }
    let offer = Offer::of(headers);
    if present.has(Asked::CONNECTION) {
        strip_listed(headers);
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
    offer
}

/// Says with an answer which protocol was switched to.
pub fn announce_switch(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// True when the sender takes trailers. `TE` speaks of its own connection, which HTTP/1.1 has it say beside
/// (RFC 9110 section 10.1.4), so it is said anew on the next.
pub fn takes_trailers(headers: &HeaderMap, present: Present, version: Version) -> bool {
    present.has(Asked::TE)
        && lists(headers, TE, b"trailers")
        && (version == Version::HTTP_2 || lists(headers, CONNECTION, b"te"))
}

/// True when a header that is a list holds `word`.
pub fn lists(headers: &HeaderMap, name: HeaderName, word: &[u8]) -> bool {
    let words = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    words.map(<[u8]>::trim_ascii).any(|listed| listed.eq_ignore_ascii_case(word))
}

fn strip_listed(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        // Byte by byte: what is no name among the words of a line must not save the others.
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|word| HeaderName::from_bytes(word.trim_ascii()).ok())
        .filter(|name| !is_protected(name))
        .collect();
    for name in listed {
        headers.remove(name);
    }
}

fn is_protected(name: &HeaderName) -> bool {
    PROTECTED.contains(&name.as_str()) || name.as_str().starts_with("x-vigie-")
}

/// Takes out of a request's trailers what has no place there, such as a credential that a lenient upstream might prefer to the
/// one in the head (RFC 9110 section 6.5.1).
pub fn strip_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    let mut trailers = match frame.into_trailers() {
        Ok(trailers) => trailers,
        Err(other) => return other,
    };
    let names: Vec<HeaderName> = trailers.keys().filter(|name| is_protected(name)).cloned().collect();
    for name in names {
        trailers.remove(name);
    }
    Frame::trailers(trailers)
}

/// What the proxy knows of the caller's connection.
#[derive(Clone)]
pub struct Caller {
    /// The peer's address, as `X-Forwarded-For` tells it: made once a connection.
    pub address: HeaderValue,
    /// True when the caller speaks TLS to us.
    pub tls: bool,
    /// The authorities by which its certificate was verified, if it showed one.
    pub certified: Option<[u8; 32]>,
    /// The connection of HTTP/1.1, or the stream of HTTP/2.
    pub conn: Option<Rc<Conn>>,
}

impl Caller {
    /// A caller at `ip`.
    pub fn new(ip: IpAddr, tls: bool) -> Self {
        let address = HeaderValue::try_from(ip.to_string()).expect("an address is digits, letters, dots and colons");
        Self { address, tls, certified: None, conn: None }
    }

    /// On this connection or stream.
    pub fn on(mut self, conn: Rc<Conn>) -> Self {
        self.conn = Some(conn);
        self
    }
}

/// What `Via` gets: the version by which the message came is what counts (RFC 9110 section 7.6.3).
pub fn via(version: Version) -> HeaderValue {
    const VIA_1_0: HeaderValue = HeaderValue::from_static("1.0 vigie");
    const VIA_1_1: HeaderValue = HeaderValue::from_static("1.1 vigie");
    const VIA_2: HeaderValue = HeaderValue::from_static("2 vigie");
    match version {
        Version::HTTP_10 => VIA_1_0,
        Version::HTTP_2 => VIA_2,
        _ => VIA_1_1,
    }
}

/// Marks an answer as having passed through. What marks Vigie's own answers is believed only when Vigie made them.
pub fn announce_reply(headers: &mut HeaderMap, present: Present, version: Version) {
    headers.append(VIA, via(version));
    present.remove(Asked::VIGIE_ERROR, headers);
}

/// Gives an unregistered status an empty reason, where the upstream gave none: hyper would write `<none>`.
pub fn name_status(parts: &mut Parts) {
    if parts.status.canonical_reason().is_none() && parts.extensions.get::<ReasonPhrase>().is_none() {
        parts.extensions.insert(ReasonPhrase::from_static(b""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn an_upstream_cannot_pass_its_answer_off_as_vigies() {
        let mut headers = map(&[("x-vigie-error", "upstream_closed"), ("via", "1.1 cache")]);
        let present = Present::of(&headers);
        announce_reply(&mut headers, present, Version::HTTP_2);
        assert_eq!(headers.get(VIGIE_ERROR), None);
        assert_eq!(headers.get_all(VIA).iter().collect::<Vec<_>>(), ["1.1 cache", "2 vigie"]);
    }

    #[test]
    fn hop_by_hop_headers_and_those_listed_go() {
        let mut headers = map(&[
            ("connection", "close, authorization"),
            ("x-private", "1"),
            ("authorization", "Token token=k"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("alt-used", "h3.example"),
            ("accept", "*/*"),
        ]);
        // What is no name does not save the names beside it.
        headers.append(CONNECTION, HeaderValue::from_bytes(b"\xff, X-Private , a b").expect("a value"));
        let present = Present::of(&headers);
        strip_hop_by_hop(&mut headers, present);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "authorization"]);
    }
}
