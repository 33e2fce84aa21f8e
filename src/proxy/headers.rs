//! Headers on their way through: hop-by-hop ones go (RFC 9110 section 7.6.1), the proxy's own are added.

use super::conn::Conn;
use crate::exchange::Headers;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA};
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
/// Vendors' parts of the trace context.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Names the alternative that a caller came by (RFC 7838 section 5), which cannot be the upstream's.
const ALT_USED: HeaderName = HeaderName::from_static("alt-used");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const VIA_VALUE: HeaderValue = HeaderValue::from_static("1.1 vigie");
const VIA_2: HeaderValue = HeaderValue::from_static("2 vigie");
const VIA_1_0: HeaderValue = HeaderValue::from_static("1.0 vigie");

/// Headers that speak of one connection only.
const HOP_BY_HOP: [HeaderName; 10] = [
    ALT_USED,
    CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    HTTP2_SETTINGS,
    TRANSFER_ENCODING,
    UPGRADE,
];

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
pub fn strip_hop_by_hop(headers: &mut HeaderMap) -> Option<Offer> {
    // It is listed in `Connection` as a rule, so it is read before what is listed goes.
    let listed = headers.contains_key(CONNECTION).then(|| Offer::of(headers)).flatten();
    if headers.contains_key(CONNECTION) {
        strip_listed(headers);
    }
    let lengths = lengths(&HOP_BY_HOP);
    // Usually there is none: one walk over the names there are is cheaper than a look-up of every name there may be.
    if !headers.keys().any(|name| may_be_in(lengths, name) && HOP_BY_HOP.contains(name)) {
        return listed;
    }
    let upgrade = listed.or_else(|| Offer::of(headers));
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    upgrade
}

/// Says on the next hop which protocol is asked for, or was switched to.
pub fn announce_switch(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// The lengths that occur in a list of names, as bits: most names on the wire fail this test and need no comparison.
const fn length_bit(length: usize) -> u64 {
    1 << (if length < 63 { length } else { 63 })
}

fn lengths(names: &[HeaderName]) -> u64 {
    names.iter().fold(0, |bits, name| bits | length_bit(name.as_str().len()))
}

fn may_be_in(lengths: u64, name: &HeaderName) -> bool {
    lengths & length_bit(name.as_str().len()) != 0
}

/// True when the sender takes trailers. `TE` speaks of its own connection, which HTTP/1.1 has it say beside
/// (RFC 9110 section 10.1.4), so it is said anew on the next.
pub fn takes_trailers(headers: &HeaderMap, version: Version) -> bool {
    headers.contains_key(TE)
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
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !PROTECTED.contains(&name.as_str()) && !name.starts_with("x-vigie-"))
        .filter_map(|name| HeaderName::try_from(name).ok())
        .collect();
    for name in listed {
        headers.remove(name);
    }
}

/// Takes out of a request's trailers what has no place there, such as a credential that a lenient upstream might prefer to the
/// one in the head (RFC 9110 section 6.5.1).
pub fn strip_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    let mut trailers = match frame.into_trailers() {
        Ok(trailers) => trailers,
        Err(other) => return other,
    };
    let misplaced = |name: &&HeaderName| PROTECTED.contains(&name.as_str()) || name.as_str().starts_with("x-vigie-");
    let names: Vec<HeaderName> = trailers.keys().filter(misplaced).cloned().collect();
    for name in names {
        trailers.remove(name);
    }
    Frame::trailers(trailers)
}

/// What the proxy knows of the caller's connection.
#[derive(Clone)]
pub struct Caller {
    /// The peer's address, as `X-Forwarded-For` tells it: made once a connection.
    address: HeaderValue,
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

/// Adds `Via` and `X-Forwarded-*`, and points `Host` at the upstream.
pub fn announce(headers: &mut HeaderMap, caller: &Caller, upstream: &HeaderValue, version: Version) {
    let host = headers.insert(HOST, upstream.clone());
    headers.append(
        VIA,
        match version {
            Version::HTTP_10 => VIA_1_0,
            Version::HTTP_2 => VIA_2,
            _ => VIA_VALUE,
        },
    );
    append_forwarded_for(headers, &caller.address);
    if let (Some(host), false) = (host, headers.contains_key(FORWARDED_HOST)) {
        headers.insert(FORWARDED_HOST, host);
    }
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if caller.tls { "https" } else { "http" }));
    }
}

fn append_forwarded_for(headers: &mut HeaderMap, address: &HeaderValue) {
    if !headers.contains_key(FORWARDED_FOR) {
        headers.insert(FORWARDED_FOR, address.clone());
        return;
    }
    let mut text = String::new();
    // Several lines are one list (RFC 9110 section 5.3).
    for part in headers.get_all(FORWARDED_FOR).iter().filter_map(|v| v.to_str().ok()) {
        text.push_str(part);
        text.push_str(", ");
    }
    text.push_str(address.to_str().unwrap_or_default());
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// Marks an answer as having passed through. What marks Vigie's own answers is believed only when Vigie made them.
pub fn announce_reply(headers: &mut HeaderMap) {
    headers.append(VIA, VIA_VALUE);
    headers.remove(VIGIE_ERROR);
}

/// Gives an unregistered status an empty reason, where the upstream gave none: hyper would write `<none>`.
pub fn name_status(parts: &mut Parts) {
    if parts.status.canonical_reason().is_none() && parts.extensions.get::<ReasonPhrase>().is_none() {
        parts.extensions.insert(ReasonPhrase::from_static(b""));
    }
}

/// Copies the headers named, for the recorder.
pub fn capture(headers: &HeaderMap, names: &[HeaderName]) -> Headers {
    let lengths = lengths(names);
    let mut found = Headers::default();
    for (name, value) in headers {
        if may_be_in(lengths, name) && names.contains(name) {
            found.push(name.as_str(), value.as_bytes());
        }
    }
    found
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
        announce_reply(&mut headers);
        assert_eq!(headers.get(VIGIE_ERROR), None);
        assert_eq!(headers.get_all(VIA).iter().count(), 2);
    }

    #[test]
    fn hop_by_hop_headers_and_those_listed_go() {
        let mut headers = map(&[
            ("connection", "close, X-Private , authorization"),
            ("x-private", "1"),
            ("authorization", "Token token=k"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("alt-used", "h3.example"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "authorization"]);
    }

    #[test]
    fn the_chain_of_callers_grows_and_host_is_the_upstreams() {
        let mut headers = map(&[("host", "localhost:8080"), ("x-forwarded-for", "203.0.113.9")]);
        let caller = Caller::new(IpAddr::from([127, 0, 0, 1]), false);
        announce(&mut headers, &caller, &HeaderValue::from_static("acme.myfreshworks.com"), Version::HTTP_11);
        assert_eq!(headers["x-forwarded-for"], "203.0.113.9, 127.0.0.1");
        assert_eq!(headers["x-forwarded-host"], "localhost:8080");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["host"], "acme.myfreshworks.com");
        assert_eq!(headers["via"], "1.1 vigie");
    }
}
