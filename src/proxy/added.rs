//! What a request gets on its way beside its caller's headers: `Host`, `Via`, `X-Forwarded-*`, trace context, correlation id,
//! and what speaks of the next connection alone.
//!
//! Written once, as HTTP/1.1 has it: a map of headers costs several times as much, and only HTTP/2 needs one.

use super::context;
use super::headers::{Caller, FORWARDED_FOR, via};
use super::present::{Asked, Present};
use crate::exchange::Trace;
use http::header::{HOST, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

/// Bytes of these lines as a rule: two names of hosts and a correlation id vary.
const USUAL_BYTES: usize = 320;

/// These lines, each ended by CR LF.
pub struct Added {
    lines: Vec<u8>,
    /// Where the value of `traceparent` begins.
    traceparent: usize,
    next: Next,
}

/// What the next connection is told of itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Plain,
    /// Trailers are taken. `TE` speaks of one connection and must say so (RFC 9110 section 10.1.4).
    Trailers,
    /// It is to be switched to this protocol.
    Switch(HeaderValue),
}

/// What the lines are made of.
pub struct Parts<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// By which version.
    pub version: Version,
    /// The upstream's authority.
    pub upstream: &'a HeaderValue,
    /// The exchange's trace.
    pub trace: &'a Trace,
    /// The span that the upstream is called in.
    pub span: u64,
    /// The transaction's id.
    pub correlation_id: &'a str,
}

impl Added {
    /// Makes the lines, and takes out of the caller's `headers` what they stand for.
    pub fn new(headers: &mut HeaderMap, present: Present, parts: &Parts<'_>) -> Self {
        let mut added = Self { lines: Vec::with_capacity(USUAL_BYTES), traceparent: 0, next: Next::Plain };
        let host = headers.remove(HOST);
        added.line("host", parts.upstream.as_bytes());
        added.line("via", via(parts.version).as_bytes());
        added.forward_for(headers, present, &parts.caller.address);
        if let (Some(host), false) = (host, present.has(Asked::FORWARDED_HOST)) {
            added.line("x-forwarded-host", host.as_bytes());
        }
        if !present.has(Asked::FORWARDED_PROTO) {
            added.line("x-forwarded-proto", if parts.caller.tls { b"https" } else { b"http" });
        }
        // The caller's own of these are replaced.
        present.remove(Asked::CORRELATION_ID, headers);
        present.remove(Asked::TRACEPARENT, headers);
        added.line("x-correlation-id", parts.correlation_id.as_bytes());
        added.line("traceparent", &context::traceparent(parts.trace, parts.span));
        added.traceparent = added.lines.len() - context::TRACEPARENT_BYTES - "\r\n".len();
        added
    }

    /// Tells the next connection of itself.
    pub fn tell(mut self, next: Next) -> Self {
        self.next = next;
        self
    }

    /// Names another span: the request is sent once more.
    pub fn set_span(&mut self, trace: &Trace, span: u64) {
        let value = context::traceparent(trace, span);
        self.lines[self.traceparent..][..value.len()].copy_from_slice(&value);
    }

    /// The protocol to switch to.
    pub fn switch(&self) -> Option<&HeaderValue> {
        if let Next::Switch(protocol) = &self.next { Some(protocol) } else { None }
    }

    /// Writes the lines.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lines);
        match &self.next {
            Next::Plain => {}
            Next::Trailers => out.extend_from_slice(b"te: trailers\r\nconnection: TE\r\n"),
            Next::Switch(protocol) => {
                out.extend_from_slice(b"connection: upgrade\r\nupgrade: ");
                out.extend_from_slice(protocol.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Puts them into a map for HTTP/2, which has no `Host` and says nothing of a connection.
    pub fn put_into(&self, headers: &mut HeaderMap) {
        for line in self.lines.split(|b| *b == b'\n') {
            let Some(colon) = line.iter().position(|b| *b == b':').filter(|_| !line.starts_with(b"host:")) else {
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        if self.next == Next::Trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }

    fn line(&mut self, name: &str, value: &[u8]) {
        self.lines.extend_from_slice(name.as_bytes());
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
    }

    fn forward_for(&mut self, headers: &mut HeaderMap, present: Present, address: &HeaderValue) {
        self.lines.extend_from_slice(b"x-forwarded-for: ");
        if present.has(Asked::FORWARDED_FOR) {
            // Several lines are one list (RFC 9110 section 5.3).
            for part in headers.get_all(FORWARDED_FOR).iter().filter(|part| part.to_str().is_ok()) {
                self.lines.extend_from_slice(part.as_bytes());
                self.lines.extend_from_slice(b", ");
            }
            present.remove(Asked::FORWARDED_FOR, headers);
        }
        self.lines.extend_from_slice(address.as_bytes());
        self.lines.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn added(headers: &mut HeaderMap, version: Version) -> Added {
        let caller = Caller::new(IpAddr::from([127, 0, 0, 1]), false);
        let trace = Trace { trace_id: 7, parent: None, server_span: 1, sampled: true, random: false };
        let upstream = HeaderValue::from_static("acme.myfreshworks.com");
        let present = Present::of(headers);
        let parts =
            Parts { caller: &caller, version, upstream: &upstream, trace: &trace, span: 9, correlation_id: "c-1" };
        Added::new(headers, present, &parts)
    }

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    const TRACEPARENT: &str = "00-00000000000000000000000000000007-0000000000000009-01";

    #[test]
    fn the_chain_of_callers_grows_and_host_is_the_upstreams() {
        let mut headers = map(&[
            ("host", "localhost:8080"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-correlation-id", "not me"),
            ("traceparent", "nor me"),
            ("accept", "*/*"),
        ]);
        let mut text = Vec::new();
        added(&mut headers, Version::HTTP_11).write(&mut text);
        let wanted = format!(
            "host: acme.myfreshworks.com\r\nvia: 1.1 vigie\r\nx-forwarded-for: 203.0.113.9, 10.0.0.1, 127.0.0.1\r\n\
             x-forwarded-host: localhost:8080\r\nx-forwarded-proto: http\r\nx-correlation-id: c-1\r\ntraceparent: {TRACEPARENT}\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&text), wanted);
        assert_eq!(headers, map(&[("accept", "*/*")]));
    }

    #[test]
    fn what_a_caller_says_of_itself_stays() {
        let sent = [("x-forwarded-host", "shop.example"), ("x-forwarded-proto", "https"), ("via", "1.1 edge")];
        let mut headers = map(&sent);
        let added = added(&mut headers, Version::HTTP_2);
        added.put_into(&mut headers);
        assert_eq!(headers.get_all("via").iter().collect::<Vec<_>>(), ["1.1 edge", "2 vigie"]);
        for (name, value) in &sent[..2] {
            assert_eq!(headers.get_all(*name).iter().collect::<Vec<_>>(), [value], "{name}");
        }
        assert_eq!((headers.get("host"), &headers["x-forwarded-for"]), (None, &HeaderValue::from_static("127.0.0.1")));
        assert_eq!(
            (&headers["traceparent"], &headers["x-correlation-id"]),
            (&TRACEPARENT.parse().unwrap(), &"c-1".parse().unwrap())
        );
    }

    #[test]
    fn a_request_that_is_sent_once_more_names_another_span() {
        let mut headers = HeaderMap::new();
        let mut added = added(&mut headers, Version::HTTP_11).tell(Next::Trailers);
        let trace = Trace { trace_id: 7, parent: None, server_span: 1, sampled: true, random: false };
        added.set_span(&trace, 10);
        added.put_into(&mut headers);
        assert_eq!(headers["traceparent"], TRACEPARENT.replace("9-01", "a-01"));
        assert_eq!((&headers["te"], headers.get("connection")), (&HeaderValue::from_static("trailers"), None));
        let mut text = Vec::new();
        added.write(&mut text);
        assert!(text.ends_with(b"te: trailers\r\nconnection: TE\r\n"));
    }
}
