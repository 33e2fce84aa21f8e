//! The read side's listener, in plain text or TLS. Handshakes run beside each other and are bounded in number and time, so that
//! a peer that does not finish one keeps nobody else out; certificates that are renewed serve the next connection.

use crate::telemetry::metrics::Metrics;
use crate::tls::HandshakeFailure;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use parking_lot::RwLock;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// Handshakes under way at once; those beyond wait in the kernel's queue.
const MAX_SHAKING: usize = 64;

/// A handshake takes two round trips.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Pause after a failed accept (usually no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What peers are shown; a reload puts another in its place.
#[derive(Clone)]
pub struct Shown(Arc<RwLock<Arc<ServerConfig>>>);

impl Shown {
    /// Begins with `config`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }

    /// The next connection is shown this.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.write() = config;
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.read()))
    }
}

/// See the module.
pub struct Door {
    listener: TcpListener,
    shown: Option<Shown>,
    shaking: JoinSet<Option<(Io, SocketAddr)>>,
    metrics: Arc<Metrics>,
}

impl Door {
    /// Over `listener`; speaks TLS where something is to be shown.
    pub fn new(listener: TcpListener, shown: Option<Shown>, metrics: Arc<Metrics>) -> Self {
        Self { listener, shown, shaking: JoinSet::new(), metrics }
    }

    fn shake(&mut self, shown: &Shown, stream: TcpStream, peer: SocketAddr) {
        let (acceptor, metrics) = (shown.acceptor(), Arc::clone(&self.metrics));
        self.shaking.spawn(async move {
            let failure = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => return Some((Io::Right(Box::new(stream)), peer)),
                Ok(Err(error)) => HandshakeFailure::of(&error),
                Err(_) => HandshakeFailure::Timeout,
            };
            metrics.agent().handshake_failed(failure);
            None
        });
    }
}

impl Listener for Door {
    type Io = Io;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Io, SocketAddr) {
        loop {
            let accepted = tokio::select! {
                Some(shaken) = self.shaking.join_next() => {
                    if let Ok(Some(ready)) = shaken {
                        return ready;
                    }
                    continue;
                }
                accepted = self.listener.accept(), if self.shaking.len() < MAX_SHAKING => accepted,
            };
            match (accepted, self.shown.clone()) {
                (Ok((stream, peer)), None) => return (Io::Left(stream), peer),
                (Ok((stream, peer)), Some(shown)) => self.shake(&shown, stream, peer),
                (Err(error), _) => {
                    tracing::warn!(%error, "accepting a connection of the read side failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The connection's other end: failed log-ins are limited by it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Plain, or TLS over TCP; that is boxed, since its state is kilobytes.
pub type Io = Either<TcpStream, Box<TlsStream<TcpStream>>>;
