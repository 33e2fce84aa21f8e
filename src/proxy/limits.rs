//! What one caller may take: of bytes, of connections, of time. Each bound is a key of `proxy.limits`.

use super::framing;
use std::time::Duration;

/// Header lines that hyper reads without allocating room for them.
pub const HYPERS_HEADERS: usize = 100;

/// The bounds, resolved.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of one message's head.
    pub message: framing::Limits,
    /// Bytes of a request's body; `None` for no bound: bodies stream through and take no memory.
    pub body_bytes: Option<u64>,
    /// Connections from callers, all together.
    pub connections: usize,
    /// Connections from one address, or one /64 of IPv6.
    pub connections_per_caller: usize,
    /// How fast a caller must be.
    pub pace: Pace,
}

/// How fast a caller must be.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From a head's first byte to its last.
    pub head: Duration,
    /// A connection without a request is kept so long: longer than the usual client pools keep one, so that none of them finds
    /// it closed.
    pub keep_alive: Duration,
    /// Bytes a second of a body, in either direction, while the caller is waited for; 0 for no bound.
    pub min_rate: u64,
    /// The rate is a mean over so long, and so long a standstill is borne.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: framing::Limits::default(),
            body_bytes: None,
            connections: 10_000,
            connections_per_caller: 5_000,
            pace: Pace::default(),
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            // What Kestrel asks for by default, over a longer time than its 5 s: mobile and batch callers pause.
            min_rate: 240,
            grace: Duration::from_secs(30),
        }
    }
}
