//! Interim answers (1xx) on their way to the caller: "A proxy MUST forward 1xx responses unless the proxy itself requested the
//! generation of the 1xx response" (RFC 9110 section 15.2).
//!
//! What can be done of it: from an HTTP/1.1 upstream to an HTTP/1.1 caller they pass, written between two messages by the
//! connection's tap, since hyper's server cannot. Left out are those for callers of HTTP/1.0, which must get none, and of
//! HTTP/2, and those of HTTP/2 upstreams, since hyper has no way for them; and 100, which the caller was sent by Vigie when
//! it began to read the body. A 101 is no interim answer.

use super::conn::Conn;
use super::h1;
use super::headers;
use super::injection::Injection;
use super::present::Present;
use http::response::Parts;
use http::{StatusCode, header};
use std::cell::Cell;

/// Where one attempt's interim answers go, and what became of them.
#[derive(Default)]
pub struct Interim<'a> {
    conn: Option<&'a Conn>,
    credential: Option<&'a Injection>,
    forwarded: Cell<u64>,
    left_out: Cell<u64>,
}

impl<'a> Interim<'a> {
    /// To the caller on `conn`, if it may get them, and without `credential`, which it must not.
    pub fn to(conn: Option<&'a Conn>, credential: Option<&'a Injection>) -> Self {
        Self { conn, credential, ..Self::default() }
    }

    /// One came.
    pub fn came(&self, mut parts: Parts) {
        if parts.status == StatusCode::CONTINUE {
            return;
        }
        let present = Present::of(&parts.headers);
        headers::strip_hop_by_hop(&mut parts.headers, present);
        parts.headers.remove(header::ALT_SVC);
        if let Some(credential) = self.credential {
            credential.conceal(&mut parts.headers);
        }
        headers::announce_reply(&mut parts.headers, present, parts.version);
        let passed = self.conn.is_some_and(|conn| conn.inform(&h1::interim_head(&parts)));
        let counter = if passed { &self.forwarded } else { &self.left_out };
        counter.set(counter.get() + 1);
    }

    /// How many passed, and how many did not.
    pub fn counts(&self) -> (u64, u64) {
        (self.forwarded.get(), self.left_out.get())
    }
}
