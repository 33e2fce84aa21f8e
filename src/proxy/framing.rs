//! The framing of callers' HTTP/1.1 requests, judged on the raw bytes before hyper's parser sees them (RFC 9112). Answers are
//! judged by the reader of its own that they have (`h1`).
//!
//! hyper parses for us, but is laxer than RFC 9112 where smuggling hides (it takes bare LF, a repeated `Content-Length`,
//! `Transfer-Encoding` beside it), and refuses with an empty answer that says neither why nor whose it is, and leaves no
//! record. So each connection's bytes pass through here first: a head is forwarded only when it can be read in one way.
//!
//! Invariants: pure, no I/O, no allocation; nothing of a head passes before all of it was judged; what passes is passed as
//! it came. Costs: one walk over the head, eight bytes at a time where nothing can stop it (bench/README.md).

mod body;
mod fields;
mod head;
mod reason;
mod stand_in;
mod stream;

pub use reason::Reason;
pub use stand_in::stand_in;
pub use stream::{Fed, Requests};

/// Bounds of what one message may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a head, its first line included.
    pub head_bytes: usize,
    /// Header lines of a head, and of a trailer section.
    pub headers: usize,
    /// Bytes of a request's target.
    pub target_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Twice what nginx takes, four times what Node takes; no more header lines than hyper keeps without allocating.
        Self { head_bytes: 64 << 10, headers: 100, target_bytes: 16 << 10 }
    }
}

#[cfg(test)]
mod tests;
