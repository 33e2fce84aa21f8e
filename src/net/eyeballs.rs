//! Happy eyeballs (RFC 8305 section 5): a name's addresses are raced, each with a head start on the next, so that one that
//! swallows packets costs a quarter of a second and not the time-out.

use super::keep_alive::KeepAlive;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The head start: RFC 8305's "Connection Attempt Delay", as recommended there.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Failures kept for the summary.
const MAX_TOLD: usize = 4;

/// What became of the addresses that were tried.
#[derive(Debug, Default)]
pub struct Tried {
    started: usize,
    failed: Vec<(SocketAddr, io::ErrorKind)>,
}

/// `[::1]:443 connection refused, 127.0.0.1:443 no answer yet` in the order of failure.
impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (address, kind)) in self.failed.iter().take(MAX_TOLD).enumerate() {
            write!(f, "{}{address} {kind}", if number > 0 { ", " } else { "" })?;
        }
        let silent = self.started - self.failed.len();
        let more = self.failed.len().saturating_sub(MAX_TOLD);
        match (more, silent) {
            (0, 0) => Ok(()),
            (0, silent) => write!(f, "{}{silent} without an answer", if self.failed.is_empty() { "" } else { ", " }),
            (more, silent) => write!(f, ", {more} more failed, {silent} without an answer"),
        }
    }
}

/// Connects to whichever of `addresses` answers first; losers are closed. `tried` tells of the others, also when the caller
/// gives up waiting.
///
/// # Errors
/// When all of them have failed.
pub async fn connect(
    addresses: &[SocketAddr],
    keep_alive: KeepAlive,
    tried: &mut Tried,
) -> Result<(TcpStream, SocketAddr), ()> {
    let mut waiting = addresses.iter().copied();
    let mut racing = JoinSet::new();
    loop {
        if let Some(address) = waiting.next() {
            tried.started += 1;
            racing.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        let ended = tokio::select! {
            biased;
            ended = racing.join_next() => ended,
            () = tokio::time::sleep(ATTEMPT_DELAY), if waiting.len() > 0 => continue,
        };
        match ended {
            Some(Ok((address, Ok(stream)))) => {
                keep_alive.apply(&stream);
                return Ok((stream, address));
            }
            Some(Ok((address, Err(error)))) => tried.failed.push((address, error.kind())),
            // An attempt cannot panic; it would be as good as failed.
            Some(Err(_)) => {}
            None if waiting.len() == 0 => return Err(()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};
    use tokio::net::TcpListener;

    async fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound")
    }

    #[tokio::test]
    async fn the_next_is_tried_at_once_when_one_fails() {
        let open = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open_at = open.local_addr().expect("bound");
        let mut tried = Tried::default();
        let addresses = [refusing().await, refusing().await, open_at];
        let started = std::time::Instant::now();
        let (_, won) = connect(&addresses, KeepAlive::default(), &mut tried).await.expect("a connection");
        assert_eq!((won, tried.failed.len()), (open_at, 2));
        assert!(started.elapsed() < ATTEMPT_DELAY * 2, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn all_failures_are_told() {
        let addresses = [refusing().await, refusing().await];
        let mut tried = Tried::default();
        assert!(connect(&addresses, KeepAlive::default(), &mut tried).await.is_err());
        let [a, b] = addresses;
        assert_eq!(tried.to_string(), format!("{a} connection refused, {b} connection refused"));
        assert!(connect(&[], KeepAlive::default(), &mut tried).await.is_err());
    }

    #[test]
    fn the_summary_is_bounded() {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
        let failed = vec![(address, io::ErrorKind::TimedOut); 6];
        let text = Tried { started: 7, failed }.to_string();
        assert!(text.ends_with("timed out, 2 more failed, 1 without an answer"), "{text}");
        assert_eq!(Tried { started: 2, failed: Vec::new() }.to_string(), "2 without an answer");
    }
}
