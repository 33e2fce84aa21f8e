//! Opening one connection to an upstream, each phase timed: the way there (`net`), TLS, HTTP.

use super::body::RequestBody;
use super::flight::micros;
use super::h1;
use super::last_words::LastWords;
use super::pool::Sender;
use crate::exchange::{AgentError, ConnectTimes};
use crate::net::{Network, Outlet, SetupError, Target, Transport};
use crate::telemetry::metrics::NotAfter;
use crate::tls;
use crate::upstream::{self, AnswerHead, HttpVersion};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

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
    outlet: Outlet,
    tls: Option<TlsConnector>,
    /// The latest failure of all workers, 0 for none: only a change is worth a line in the log.
    failing: Arc<AtomicU8>,
    /// Until when the upstream's certificate is good, as the last handshake showed it.
    not_after: NotAfter,
}

/// A new connection.
pub struct Dialed {
    /// What carries exchanges.
    pub sender: Sender,
    /// Whom it was made to: the upstream, or the egress proxy on the way.
    pub peer: IpAddr,
}

impl Dialer {
    /// For `upstream`; reads the files that its TLS needs, and the egress proxy's. Its certificate's end is noted in `not_after`.
    ///
    /// # Errors
    /// Names what cannot be set up.
    pub fn new(upstream: &upstream::Config, network: &Network, not_after: NotAfter) -> Result<Self, TlsSetupError> {
        // In plain text HTTP/2 both sides begin with a word of their own.
        let silent = upstream.tls || upstream.http != HttpVersion::Http2;
        let target = Target { host: &upstream.host, port: upstream.port, silent };
        let outlet = Outlet::new(network, &target, upstream.egress.as_ref())?;
        let tls = tls_config(upstream)?.map(TlsConnector::from);
        Ok(Self { outlet, tls, failing: Arc::default(), not_after })
    }

    /// Where it leads to.
    pub fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// Connects within the upstream's time for it; `times` is filled as far as it got, also on failure. `streams` is what
    /// the peer of an HTTP/2 connection is taken to allow until it says.
    pub async fn dial(
        &self,
        upstream: &upstream::Config,
        streams: usize,
        times: &mut ConnectTimes,
    ) -> Result<Dialed, AgentError> {
        let deadline = Instant::now() + upstream.timeouts.connect;
        let reached = self.outlet.reach(deadline, times).await.map_err(|unreached| {
            self.tell(upstream, unreached.kind, &unreached.detail);
            unreached.kind
        })?;
        let opening = self.open(upstream, streams, reached.transport, times);
        let opened = tokio::time::timeout_at(deadline.into(), opening).await;
        let sender = opened.unwrap_or_else(|_| {
            self.tell(upstream, AgentError::ConnectTimeout, &"connected, but TLS or HTTP/2 did not begin in time");
            Err(AgentError::ConnectTimeout)
        })?;
        Ok(Dialed { sender, peer: reached.peer })
    }

    /// TLS with the upstream and HTTP's beginning, over whatever leads there.
    async fn open(
        &self,
        upstream: &upstream::Config,
        streams: usize,
        transport: Transport,
        times: &mut ConnectTimes,
    ) -> Result<Sender, AgentError> {
        let h2 = upstream.http == HttpVersion::Http2;
        match (transport, &self.tls) {
            (Transport::Plain(tcp), None) if h2 => http2(tcp, streams, upstream.answer_head).await,
            (Transport::Plain(tcp), None) => Ok(Sender::H1(h1::Io::Plain(tcp))),
            (Transport::Tls(tls), None) if h2 => http2(tls, streams, upstream.answer_head).await,
            (Transport::Tls(tls), None) => Ok(Sender::H1(h1::Io::Tls(tls))),
            (Transport::Plain(tcp), Some(connector)) => {
                let stream = self.secure(connector, upstream, tcp, times).await?;
                if h2 || agreed_on_h2(&stream) {
                    return http2(LastWords::of(stream), streams, upstream.answer_head).await;
                }
                Ok(Sender::H1(h1::Io::Tls(Box::new(stream))))
            }
            (Transport::Tls(tls), Some(connector)) => {
                let stream = self.secure(connector, upstream, *tls, times).await?;
                if h2 || agreed_on_h2(&stream) {
                    return http2(LastWords::of(stream), streams, upstream.answer_head).await;
                }
                Ok(Sender::H1(h1::Io::Nested(Box::new(stream))))
            }
        }
    }

    async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connector: &TlsConnector,
        upstream: &upstream::Config,
        stream: S,
        times: &mut ConnectTimes,
    ) -> Result<TlsStream<S>, AgentError> {
        let started = Instant::now();
        let name = ServerName::try_from(upstream.host.clone()).map_err(|error| {
            self.tell(upstream, AgentError::Tls, &error);
            AgentError::Tls
        })?;
        let stream = connector.connect(name, stream).await;
        times.tls_us = clamp(started);
        let stream = stream.map_err(|error| {
            let kind = tls::upstream_error(&error);
            self.tell(upstream, kind, &error);
            kind
        })?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        if let Some(end) = certificate.and_then(|certificate| tls::not_after(certificate)) {
            self.not_after.store(end, Ordering::Relaxed);
        }
        Ok(stream)
    }

    /// Tells of a failure to connect once for each change: every call that fails tells the same.
    pub fn tell(&self, upstream: &upstream::Config, kind: AgentError, error: &dyn std::fmt::Display) {
        let number = AgentError::ALL.iter().position(|k| *k == kind).map_or(u8::MAX, |at| at as u8 + 1);
        if self.failing.swap(number, Ordering::Relaxed) == number {
            return;
        }
        let (upstream, kind_word) = (&upstream.name, kind.as_str());
        if kind.is_tls() {
            tracing::warn!(%upstream, kind = kind_word, %error, "TLS with the upstream fails");
        } else {
            tracing::warn!(%upstream, kind = kind_word, %error, "the upstream cannot be reached");
        }
    }

    /// An answer came by a new connection: not the handshake alone shows that all is well, since a certificate may be
    /// refused after it.
    pub fn works(&self, upstream: &upstream::Config) {
        let number = match self.failing.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.failing.swap(0, Ordering::Relaxed),
        };
        let was = usize::from(number).checked_sub(1).and_then(|at| AgentError::ALL.get(at));
        match was {
            Some(kind) if kind.is_tls() => {
                tracing::info!(upstream = %upstream.name, "TLS with the upstream works again")
            }
            Some(_) => tracing::info!(upstream = %upstream.name, "the upstream can be reached again"),
            None => {}
        }
    }
}

fn agreed_on_h2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

fn clamp(since: Instant) -> u32 {
    u32::try_from(micros(since.elapsed())).unwrap_or(u32::MAX)
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
fn tls_config(upstream: &upstream::Config) -> Result<Option<Arc<rustls::ClientConfig>>, TlsSetupError> {
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
    /// The egress proxy's.
    #[error(transparent)]
    Proxy(#[from] SetupError),
    /// Nothing to verify against.
    #[error(
        "no trusted root certificates for upstream {0}: install ca-certificates, or name upstreams.{0}.tls.ca_file"
    )]
    NoRoots(Arc<str>),
}
