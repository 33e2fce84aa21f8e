//! The messages of one connection, one after the other.

use super::body::{Body, Followed};
use super::head::{Head, Walk};
use super::{Limits, Reason};

/// Empty lines before a request at most: RFC 9112 section 2.2 asks for one, old clients send one or two.
const MAX_EMPTY_LINES: u8 = 8;

/// What may be passed on of the bytes given. What is left over starts an unfinished head or trailer line: give it again,
/// with what comes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Bytes that may pass.
    pub pass: usize,
    /// Why nothing may pass behind them.
    pub refused: Option<Reason>,
}

/// A caller's requests.
#[derive(Debug)]
pub struct Requests {
    limits: Limits,
    head: Head,
    body: Option<Body>,
    empty_lines: u8,
    paused: bool,
    /// Heads that passed.
    pub heads: u64,
}

impl Requests {
    /// A new connection's.
    pub fn new(limits: Limits) -> Self {
        Self { limits, head: Head::default(), body: None, empty_lines: 0, paused: false, heads: 0 }
    }

    /// True within a body.
    pub fn in_body(&self) -> bool {
        self.body.is_some()
    }

    /// True behind a head that asks for another protocol: until its answer is known nobody can say whether what comes next
    /// is a request (RFC 9110 section 7.8), so nothing passes.
    pub fn are_paused(&self) -> bool {
        self.paused
    }

    /// That head was answered, and HTTP goes on.
    pub fn go_on(&mut self) {
        self.paused = false;
    }

    /// Judges what came.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut at = 0;
        while at < bytes.len() && !self.paused {
            let rest = &bytes[at..];
            if let Some(body) = &mut self.body {
                match follow(body, rest, &self.limits) {
                    Ok((pass, true)) => {
                        self.body = None;
                        at += pass;
                    }
                    Ok((pass, false)) => return Fed { pass: at + pass, refused: None },
                    Err((pass, reason)) => return Fed { pass: at + pass, refused: Some(reason) },
                }
                continue;
            }
            if let [b'\r', b'\n', ..] = rest {
                self.empty_lines += 1;
                if self.empty_lines > MAX_EMPTY_LINES {
                    return Fed { pass: at, refused: Some(Reason::BadStartLine) };
                }
                at += 2;
                continue;
            }
            if rest == b"\r" {
                return Fed { pass: at, refused: None };
            }
            match self.head.request(rest, &self.limits) {
                Ok(Walk::Whole(length)) => {
                    at += length;
                    self.heads += 1;
                    self.empty_lines = 0;
                    let head = std::mem::take(&mut self.head);
                    self.body = Body::of(head.coding());
                    self.paused = head.asks_to_switch();
                }
                Ok(Walk::Partial) => return Fed { pass: at, refused: None },
                Err(reason) => return Fed { pass: at, refused: Some(reason) },
            }
        }
        Fed { pass: at, refused: None }
    }
}

/// How much of `bytes` passes, and whether the body ended.
fn follow(body: &mut Body, bytes: &[u8], limits: &Limits) -> Result<(usize, bool), (usize, Reason)> {
    match body.follow(bytes, limits) {
        Followed::All => Ok((bytes.len(), false)),
        Followed::Partial(pass) => Ok((pass, false)),
        Followed::Ended(pass) => Ok((pass, true)),
        Followed::Broken(pass, reason) => Err((pass, reason)),
    }
}
