//! How many connections there may be, all together and from one address, and what one too many is told, in the words of the
//! protocol that its listener speaks.

use super::limits::Limits;
use super::worker::Entrance;
use super::{preface, reply};
use crate::exchange::AgentError;
use crate::telemetry::metrics::{ConnectionRefused, Metrics};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Refused connections that are told so at the same time; beyond, they are closed at once.
const MAX_TOLD: usize = 256;
/// How long one is told.
const TELLING: Duration = Duration::from_secs(1);

/// Between two lines in the log about connections that came to nothing: a flood of them must not become one of lines.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// A fatal alert in a record of its own, in plain text as all is before the handshake: internal_error, which is what TLS has
/// for troubles that are not the caller's (RFC 8446 sections 5.1 and 6).
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// What an HTTP/2 server begins with, empty settings, and a GOAWAY: no stream was looked at, ENHANCE_YOUR_CALM, and why
/// (RFC 9113 sections 3.4, 6.5 and 6.8).
fn goaway(error: AgentError) -> Vec<u8> {
    let why = error.as_str().as_bytes();
    let length = u8::try_from(8 + why.len()).unwrap_or(u8::MAX);
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let head = [0, 0, length, 7, 0, 0, 0, 0, 0];
    [&settings[..], &head, &[0, 0, 0, 0], &[0, 0, 0, 11], why].concat()
}

/// How callers are told that there is no place for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// HTTP/1.1 in plain text.
    Http1,
    /// By the version of HTTP that they begin with.
    Either,
    /// By an alert.
    Tls,
}

impl Tongue {
    /// That of a listener.
    pub fn of(entrance: Option<&Entrance>) -> Self {
        match entrance {
            Some(entrance) if entrance.tls.is_some() => Self::Tls,
            Some(entrance) if entrance.prior_knowledge => Self::Either,
            _ => Self::Http1,
        }
    }

    async fn tell(self, stream: TcpStream) -> std::io::Result<()> {
        const WHY: AgentError = AgentError::TooManyConnections;
        match self {
            Self::Tls => part(stream, &ALERT).await,
            Self::Http1 => part(stream, &reply::raw(WHY)).await,
            Self::Either => match preface::tell(stream).await? {
                (true, stream) => part(stream, &goaway(WHY)).await,
                (false, stream) => part(stream, &reply::raw(WHY)).await,
            },
        }
    }
}

/// Says `words` and closes.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, words: &[u8]) -> std::io::Result<()> {
    stream.write_all(words).await?;
    stream.shutdown().await?;
    // Closing on unread bytes would reset the connection, and could destroy the answer on its way.
    let mut scratch = [0; 1 << 10];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

/// What the log was not told yet.
#[derive(Default)]
pub struct Untold {
    count: u64,
    line_at: Option<Instant>,
}

impl Untold {
    /// Counts one more; gives how many the line tells that is due at `now`, if one is.
    pub fn line(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.line_at.is_some_and(|at| now < at + LINE_EVERY) {
            return None;
        }
        self.line_at = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

/// Counts the connections there are.
pub struct Admission {
    total: AtomicUsize,
    per_caller: AtomicUsize,
    open: AtomicUsize,
    callers: Mutex<HashMap<IpAddr, usize>>,
    told: AtomicUsize,
    /// Refused since the last line in the log, and when that was.
    untold: Mutex<Untold>,
    metrics: Arc<Metrics>,
}

/// Whom connections are counted for: an address, or a network of IPv6, as whoever has one of its addresses has all of them.
fn network(caller: IpAddr) -> IpAddr {
    match caller.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64)).into(),
        four => four,
    }
}

/// A connection's place; free again once it is dropped.
pub struct Place {
    admission: Arc<Admission>,
    caller: IpAddr,
}

impl Admission {
    /// None yet.
    pub fn new(limits: &Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            total: AtomicUsize::new(limits.connections),
            per_caller: AtomicUsize::new(limits.connections_per_caller),
            open: AtomicUsize::new(0),
            callers: Mutex::default(),
            told: AtomicUsize::new(0),
            untold: Mutex::default(),
            metrics,
        })
    }

    /// Other bounds from now on; connections that are there stay.
    pub fn bound_by(&self, limits: &Limits) {
        self.total.store(limits.connections, Ordering::Relaxed);
        self.per_caller.store(limits.connections_per_caller, Ordering::Relaxed);
    }

    /// A place for a connection from `caller`, if there is one.
    pub fn admit(self: &Arc<Self>, caller: IpAddr) -> Result<Place, ConnectionRefused> {
        let caller = network(caller);
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.total.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(ConnectionRefused::Total);
        }
        let mut callers = self.callers.lock();
        let count = callers.entry(caller).or_default();
        if *count >= self.per_caller.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(ConnectionRefused::PerCaller);
        }
        *count += 1;
        Ok(Place { admission: Arc::clone(self), caller })
    }

    /// Tells a caller that there is no place for it, and closes. It waits for nobody longer than a second.
    pub fn turn_away(self: &Arc<Self>, stream: TcpStream, tongue: Tongue, refused: ConnectionRefused) {
        self.metrics.agent().connection_refused(refused);
        self.log(refused);
        if self.told.fetch_add(1, Ordering::Relaxed) >= MAX_TOLD {
            self.told.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let admission = Arc::clone(self);
        tokio::spawn(async move {
            // A caller that is gone, says nothing, or stays, needs no more telling.
            let _ = tokio::time::timeout(TELLING, tongue.tell(stream)).await;
            admission.told.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

impl Admission {
    /// The first refusal is told at once, then how many there were every minute. No record is made: nothing was read, so
    /// there is no call to tell of, and a flood would take the history's place.
    fn log(&self, refused: ConnectionRefused) {
        let Some(connections) = self.untold.lock().line(Instant::now()) else { return };
        let key = match refused {
            ConnectionRefused::Total => "proxy.limits.connections",
            ConnectionRefused::PerCaller => "proxy.limits.connections_per_caller",
        };
        tracing::warn!(connections, last = refused.as_str(), "callers' connections refused: {key} is reached");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        let mut callers = self.admission.callers.lock();
        if let Some(count) = callers.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_caller() {
        let of = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(of("2001:db8:0:1:ffff::1"), "2001:db8:0:1::");
        assert_eq!(of("2001:db8:0:1::2"), of("2001:db8:0:1:8000::"));
        assert_ne!(of("2001:db8:0:2::2"), of("2001:db8:0:1::2"));
        assert_eq!((of("192.0.2.7"), of("::ffff:192.0.2.7")), ("192.0.2.7".into(), "192.0.2.7".into()));
    }

    #[test]
    fn a_flood_of_refusals_is_a_line_a_minute() {
        let (start, mut untold) = (Instant::now(), Untold::default());
        assert_eq!(untold.line(start), Some(1), "the first at once");
        let lines: Vec<_> = (1..=130).filter_map(|s| untold.line(start + Duration::from_secs(s))).collect();
        assert_eq!(lines, [60, 60], "the rest counted");
    }
}
