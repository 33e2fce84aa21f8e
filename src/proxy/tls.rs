//! The caller's handshake, before anything of HTTP: bounded in time, its failures counted by reason.

use super::drain::Watch;
use crate::telemetry::metrics::Metrics;
use crate::tls::HandshakeFailure;
use rustls::ServerConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A handshake takes two round trips; what takes longer than this holds a connection for nothing.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What listeners offer by ALPN, most wanted first.
pub const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Shakes hands; `None` when that failed, which has been counted, or when a drain is over before the caller has begun.
pub async fn accept(
    config: Arc<ServerConfig>,
    stream: TcpStream,
    watch: &mut Watch,
    metrics: &Metrics,
) -> Option<TlsStream<TcpStream>> {
    let accepting =
        async { if watch.spoken(&stream).await { Some(TlsAcceptor::from(config).accept(stream).await) } else { None } };
    let failure = match tokio::time::timeout(HANDSHAKE, accepting).await {
        Ok(None) => return None,
        Ok(Some(Ok(stream))) => return Some(stream),
        Ok(Some(Err(error))) => {
            let failure = HandshakeFailure::of(&error);
            // Whoever scans ports can cause these: the metric tells of them, the log only on request.
            tracing::debug!(reason = failure.as_str(), %error, "a caller's TLS handshake failed");
            failure
        }
        Err(_) => HandshakeFailure::Timeout,
    };
    metrics.agent().handshake_failed(failure);
    None
}

/// True when both agreed on HTTP/2.
pub fn speaks_h2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// True when the caller showed a certificate. It was verified, or the handshake had failed.
pub fn is_certified(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty())
}
