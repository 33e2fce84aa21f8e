//! One request on the wire, and what its end says.

use super::AgentError;

/// A wait of this length, microseconds, says that the upstream is slow although its answer was never seen: the caller left,
/// and the answer would have taken longer still. It is where the rule for slow answers draws its line (a mean above 2 s), so
/// such a wait can only be too small a part of the mean. A shorter one says nothing: most answers may be as fast.
pub const ABANDONED_TELLS_US: u64 = 2_000_000;

/// How a new connection's time was spent; absent for a reused one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectTimes {
    /// Name resolution, microseconds.
    pub dns_us: u32,
    /// TCP connect, to the upstream or to the egress proxy before it, microseconds.
    pub tcp_us: u32,
    /// From the connection with an egress proxy to its tunnel, TLS with it included, microseconds; 0 without one.
    pub tunnel_us: u32,
    /// TLS handshake, microseconds; 0 for plain text.
    pub tls_us: u32,
}

impl ConnectTimes {
    /// All phases together, microseconds.
    pub fn total_us(&self) -> u64 {
        [self.dns_us, self.tcp_us, self.tunnel_us, self.tls_us].into_iter().map(u64::from).sum()
    }
}

/// One request on the wire.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The CLIENT span's id, also sent in `traceparent`.
    pub span: u64,
    /// Start, microseconds after the exchange's start.
    pub start_us: u64,
    /// Request sent to answer head, microseconds; for a failure, the time until it was known. Where the caller left before:
    /// how long the answer of a request that was sent whole was waited for, 0 if it was not sent whole.
    pub upstream_us: u64,
    /// The upstream's status, when an answer head came.
    pub status: Option<u16>,
    /// Why there was no (complete) answer.
    pub error: Option<AgentError>,
    /// Present when a connection had to be opened.
    pub connect: Option<ConnectTimes>,
    /// Negotiated version towards the upstream: `1.1` or `2`.
    pub http_version: &'static str,
}

impl Attempt {
    /// The request was on the wire: a connection that was never made carried none.
    pub fn was_sent(&self) -> bool {
        !self.error.is_some_and(AgentError::prevents_sending)
    }

    /// Its time is the vendor's: it answered, or let the time for its answer's head run out, or kept a caller waiting until
    /// that gave up ([`ABANDONED_TELLS_US`]). The windows count the same ones, live and rebuilt.
    pub fn is_timed(&self) -> bool {
        is_timed(self.status, self.error, self.upstream_us)
    }
}

/// [`Attempt::is_timed`] for its parts.
pub fn is_timed(status: Option<u16>, error: Option<AgentError>, upstream_us: u64) -> bool {
    match (status, error) {
        (Some(_), _) | (None, Some(AgentError::HeadTimeout)) => true,
        (None, Some(_)) => false,
        (None, None) => upstream_us >= ABANDONED_TELLS_US,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(status: Option<u16>, error: Option<AgentError>, upstream_us: u64) -> Attempt {
        Attempt { span: 1, start_us: 0, upstream_us, status, error, connect: None, http_version: "1.1" }
    }

    #[test]
    fn a_wait_that_was_given_up_tells_when_it_was_long() {
        for (status, error, us, timed) in [
            (Some(200), None, 1, true),
            (None, Some(AgentError::HeadTimeout), 1, true),
            (None, Some(AgentError::UpstreamClosed), 5_000_000, false),
            (None, None, ABANDONED_TELLS_US, true),
            (None, None, ABANDONED_TELLS_US - 1, false),
        ] {
            assert_eq!(attempt(status, error, us).is_timed(), timed, "{status:?} {error:?} {us}");
        }
    }
}
