//! Probes on silent connections: a peer that has gone, or a firewall that has forgotten, is noticed though nobody sends.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// Probes without an answer after which a connection counts as dead.
const PROBES: u32 = 6;

/// When a silent connection is probed; a sixth of that lies between probes, so that a dead one ends after twice the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive(Option<Duration>);

impl Default for KeepAlive {
    fn default() -> Self {
        Self::after(Self::IDLE)
    }
}

impl KeepAlive {
    /// The silence borne by default: cloud load balancers and firewalls forget connections after 60 s to 350 s.
    pub const IDLE: Duration = Duration::from_secs(60);

    /// Probes after so much silence, in whole seconds; zero for none.
    pub fn after(idle: Duration) -> Self {
        Self((!idle.is_zero()).then_some(idle))
    }

    /// Puts it on a connection, which is also told to send small messages at once. What the system does not know is left
    /// out: the connection works without.
    pub fn apply(&self, stream: &TcpStream) {
        // Small messages must not wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let _ = self.probe(stream);
    }

    fn probe(&self, stream: &TcpStream) -> io::Result<()> {
        let Some(idle) = self.0 else { return Ok(()) };
        let interval = (idle / PROBES).max(Duration::from_secs(1));
        let socket = SockRef::from(stream);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(PROBES))?;
        // Probes wait while data is unacknowledged; without this its repetition alone would go on for 15 minutes.
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(idle + interval * PROBES))?;
        Ok(())
    }
}
