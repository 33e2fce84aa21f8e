//! Opening one connection to an upstream, each phase timed: name, TCP, TLS, HTTP.

use super::body::RequestBody;
use super::flight::micros;
use super::h1;
use super::last_words::LastWords;
use super::pool::Sender;
use crate::exchange::{AgentError, ConnectTimes};
use crate::telemetry::metrics::NotAfter;
use crate::tls;
use crate::upstream::{self, AnswerHead, HttpVersion};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// HTTP/2 connections are pinged this often while streams are open, so that a dead one is noticed.
const H2_PING: Duration = Duration::from_secs(20);

/// Spawns what a connection needs to go on upon the worker's own thread.
#[derive(Clone, Copy)]
pub struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Opens connections to one upstream.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<TlsConnector>,
    /// The latest handshake's failure of all workers, 0 for none: only a change is worth a line in the log.
    failing: Arc<AtomicU8>,
    /// Until when the upstream's certificate is good, as the last handshake showed it.
    not_after: NotAfter,
}

impl Dialer {
    /// `tls` is the client configuration for an `https` upstream, and `not_after` where its certificate's end is noted.
    pub fn new(tls: Option<Arc<rustls::ClientConfig>>, not_after: NotAfter) -> Self {
        Self { tls: tls.map(TlsConnector::from), failing: Arc::default(), not_after }
    }

    /// Connects; `times` is filled as far as it got, also on failure. `streams` is what the peer of an HTTP/2 connection is
    /// taken to allow until it says.
    pub async fn dial(
        &self,
        upstream: &upstream::Config,
        streams: usize,
        times: &mut ConnectTimes,
    ) -> Result<Sender, AgentError> {
        let started = Instant::now();
        let addresses = resolve(upstream).await;
        times.dns_us = clamp(started);
        let started = Instant::now();
        let stream = connect(&addresses?).await;
        times.tcp_us = clamp(started);
        let stream = stream?;
        let Some(connector) = &self.tls else {
            if upstream.http == HttpVersion::Http2 {
                return http2(stream, streams, upstream.answer_head).await;
            }
            return Ok(Sender::H1(h1::Io::Plain(stream)));
        };
        let started = Instant::now();
        let name = ServerName::try_from(upstream.host.clone()).map_err(|_| AgentError::Tls)?;
        let stream = connector.connect(name, stream).await;
        times.tls_us = clamp(started);
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return Err(self.failed(upstream, &error)),
        };
        self.note(stream.get_ref().1);
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if h2 || upstream.http == HttpVersion::Http2 {
            return http2(LastWords::of(stream), streams, upstream.answer_head).await;
        }
        Ok(Sender::H1(h1::Io::Tls(Box::new(stream))))
    }
}

impl Dialer {
    fn note(&self, session: &rustls::ClientConnection) {
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        if let Some(end) = certificate.and_then(|certificate| tls::not_after(certificate)) {
            self.not_after.store(end, Ordering::Relaxed);
        }
    }

    fn failed(&self, upstream: &upstream::Config, error: &std::io::Error) -> AgentError {
        let kind = tls::upstream_error(error);
        self.tell(upstream, kind, error);
        kind
    }

    /// Tells of a failure in TLS once for each change: every call that fails tells the same.
    pub fn tell(&self, upstream: &upstream::Config, kind: AgentError, error: &dyn std::fmt::Display) {
        let number = AgentError::ALL.iter().position(|k| *k == kind).map_or(u8::MAX, |at| at as u8 + 1);
        if self.failing.swap(number, Ordering::Relaxed) != number {
            tracing::warn!(upstream = %upstream.name, kind = kind.as_str(), %error, "TLS with the upstream fails");
        }
    }

    /// An answer came: not the handshake alone shows that all is well, since a certificate may be refused after it.
    pub fn works(&self, upstream: &upstream::Config) {
        if self.failing.load(Ordering::Relaxed) != 0 && self.failing.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!(upstream = %upstream.name, "TLS with the upstream works again");
        }
    }
}

fn clamp(since: Instant) -> u32 {
    u32::try_from(micros(since.elapsed())).unwrap_or(u32::MAX)
}

async fn resolve(upstream: &upstream::Config) -> Result<Vec<SocketAddr>, AgentError> {
    if let Ok(ip) = upstream.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, upstream.port)]);
    }
    let found = tokio::net::lookup_host((upstream.host.as_str(), upstream.port)).await;
    let addresses: Vec<_> = found.map_err(|_| AgentError::Dns)?.collect();
    if addresses.is_empty() { Err(AgentError::Dns) } else { Ok(addresses) }
}

/// Tries the addresses in the resolver's order; the connect time-out bounds them together.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, AgentError> {
    for address in addresses {
        if let Ok(stream) = TcpStream::connect(address).await {
            // Small requests must not wait for the peer's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(AgentError::Connect)
}

async fn http2<S>(stream: S, streams: usize, answer_head: AnswerHead) -> Result<Sender, AgentError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = http2::Builder::new(LocalExecutor);
    builder.timer(TokioTimer::new()).keep_alive_interval(H2_PING).adaptive_window(true);
    builder.initial_max_send_streams(streams);
    builder.max_header_list_size(u32::try_from(answer_head.bytes).unwrap_or(u32::MAX));
    let handshake = builder.handshake::<_, RequestBody>(TokioIo::new(stream));
    let (sender, driver) = handshake.await.map_err(|_| AgentError::BadAnswer)?;
    let driver = Rc::new(RefCell::new(Some(Box::pin(driver))));
    let told = Rc::clone(&driver);
    tokio::task::spawn_local(async move {
        // How a connection ends is told by the exchanges on it.
        let _ = std::future::poll_fn(|cx| match driver.borrow_mut().as_mut() {
            Some(driver) => driver.as_mut().poll(cx),
            None => Poll::Ready(Ok(())),
        })
        .await;
        // Dropped although it may still be asked: what was sent to a connection that has ended must not wait for it.
        driver.take();
    });
    let allowed = move || match told.try_borrow().as_deref() {
        Ok(Some(driver)) => driver.current_max_send_streams(),
        _ => streams,
    };
    Ok(Sender::H2(sender, Rc::new(allowed)))
}

/// The TLS client configuration of an upstream: 1.2 or newer, always verified, ring.
pub fn tls_config(upstream: &upstream::Config) -> Result<Option<Arc<rustls::ClientConfig>>, TlsSetupError> {
    if !upstream.tls {
        return Ok(None);
    }
    let alpn: &[&[u8]] = match upstream.http {
        HttpVersion::Auto => &[b"h2", b"http/1.1"],
        HttpVersion::Http1 => &[b"http/1.1"],
        HttpVersion::Http2 => &[b"h2"],
    };
    match tls::client_config(&upstream.trust, alpn)? {
        Some(config) => Ok(Some(config)),
        None => Err(TlsSetupError::NoRoots(Arc::clone(&upstream.name))),
    }
}

/// Why an upstream's TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A file is unusable.
    #[error(transparent)]
    File(#[from] tls::FileError),
    /// Nothing to verify against.
    #[error(
        "no trusted root certificates for upstream {0}: install ca-certificates, or name upstreams.{0}.tls.ca_file"
    )]
    NoRoots(Arc<str>),
}
