//! How many connections there may be, all together and from one address, and what one too many is told.

use super::limits::Limits;
use super::reply;
use crate::exchange::AgentError;
use crate::telemetry::metrics::{ConnectionRefused, Metrics};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Refused connections that are told so at the same time; beyond, they are closed at once.
const MAX_TOLD: usize = 256;
/// How long one is told.
const TELLING: Duration = Duration::from_secs(1);

/// Between two lines in the log about refused connections: a flood of them must not become one of lines.
const LINE_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Untold {
    refused: u64,
    line_at: Option<Instant>,
}

impl Untold {
    /// How many the line tells that is due at `now`, if one is.
    fn line(&mut self, now: Instant) -> Option<u64> {
        self.refused += 1;
        if self.line_at.is_some_and(|at| now < at + LINE_EVERY) {
            return None;
        }
        self.line_at = Some(now);
        Some(std::mem::take(&mut self.refused))
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
        let caller = caller.to_canonical();
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

    /// Tells a caller in plain text that there is no place for it, and closes. It waits for nobody longer than a second.
    pub fn turn_away(self: &Arc<Self>, mut stream: TcpStream, refused: ConnectionRefused) {
        self.metrics.agent().connection_refused(refused);
        self.log(refused);
        if self.told.fetch_add(1, Ordering::Relaxed) >= MAX_TOLD {
            self.told.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let admission = Arc::clone(self);
        tokio::spawn(async move {
            let told = async {
                stream.write_all(&reply::raw(AgentError::TooManyConnections)).await?;
                stream.shutdown().await?;
                // Closing on unread bytes would reset the connection, and could destroy the answer on its way.
                let mut scratch = [0; 1 << 10];
                while stream.read(&mut scratch).await? > 0 {}
                std::io::Result::Ok(())
            };
            // A caller that is gone, or stays, needs no more telling.
            let _ = tokio::time::timeout(TELLING, told).await;
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
    fn a_flood_of_refusals_is_a_line_a_minute() {
        let (start, mut untold) = (Instant::now(), Untold::default());
        assert_eq!(untold.line(start), Some(1), "the first at once");
        let lines: Vec<_> = (1..=130).filter_map(|s| untold.line(start + Duration::from_secs(s))).collect();
        assert_eq!(lines, [60, 60], "the rest counted");
    }
}
