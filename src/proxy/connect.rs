//! Opening one connection to an upstream, each phase timed: name, TCP, TLS, HTTP.

use super::answer_tap::{AnswerTap, Line};
use super::body::RequestBody;
use super::flight::micros;
use super::framing::Limits;
use super::pool::{Sender, Single};
use crate::exchange::{AgentError, ConnectTimes};
use crate::upstream::{self, HttpVersion};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// HTTP/2 connections are pinged this often while streams are open, so that a dead one is noticed.
const H2_PING: Duration = Duration::from_secs(20);

/// Spawns the connection's driver on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Opens connections to one upstream.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<TlsConnector>,
    limits: Limits,
}

impl Dialer {
    /// `tls` is the client configuration for an `https` upstream; `limits` bound the heads of its answers.
    pub fn new(tls: Option<Arc<rustls::ClientConfig>>, limits: Limits) -> Self {
        Self { tls: tls.map(TlsConnector::from), limits }
    }

    /// Connects; `times` is filled as far as it got, also on failure.
    pub async fn dial(&self, upstream: &upstream::Config, times: &mut ConnectTimes) -> Result<Sender, AgentError> {
        let started = Instant::now();
        let addresses = resolve(upstream).await;
        times.dns_us = clamp(started);
        let started = Instant::now();
        let stream = connect(&addresses?).await;
        times.tcp_us = clamp(started);
        let stream = stream?;
        let Some(connector) = &self.tls else {
            return handshake(stream, upstream.http == HttpVersion::Http2, self.limits).await;
        };
        let started = Instant::now();
        let name = ServerName::try_from(upstream.host.clone()).map_err(|_| AgentError::Tls)?;
        let stream = connector.connect(name, stream).await;
        times.tls_us = clamp(started);
        let stream = stream.map_err(|error| {
            tracing::warn!(upstream = %upstream.name, %error, "TLS handshake with the upstream failed");
            AgentError::Tls
        })?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        handshake(stream, h2 || upstream.http == HttpVersion::Http2, self.limits).await
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

async fn handshake<S>(stream: S, h2: bool, limits: Limits) -> Result<Sender, AgentError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    if h2 {
        let io = TokioIo::new(stream);
        let mut builder = http2::Builder::new(LocalExecutor);
        builder.timer(TokioTimer::new()).keep_alive_interval(H2_PING).adaptive_window(true);
        let (sender, driver) = builder.handshake::<_, RequestBody>(io).await.map_err(|_| AgentError::BadAnswer)?;
        tokio::task::spawn_local(async move {
            // How a connection ends is told by the exchanges on it.
            let _ = driver.await;
        });
        return Ok(Sender::H2(sender));
    }
    let line = Line::new(limits);
    let io = TokioIo::new(AnswerTap::new(stream, Rc::clone(&line)));
    let mut builder = http1::Builder::new();
    if limits.headers > super::limits::HYPERS_HEADERS {
        builder.max_headers(limits.headers);
    }
    let (sender, driver) = builder.handshake::<_, RequestBody>(io).await.map_err(|_| AgentError::Connect)?;
    tokio::task::spawn_local(async move {
        let _ = driver.await;
    });
    Ok(Sender::H1(Single { sender, line }))
}

/// The TLS client configuration of an upstream: 1.2 or newer, always verified, ring.
pub fn tls_config(upstream: &upstream::Config) -> Result<Option<Arc<rustls::ClientConfig>>, TlsSetupError> {
    if !upstream.tls {
        return Ok(None);
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A root the verifier cannot read is no reason to refuse the others.
        let _ = roots.add(certificate);
    }
    if let Some(path) = &upstream.ca_file {
        use rustls::pki_types::pem::PemObject;
        let pem = std::fs::read(path).map_err(|e| TlsSetupError::CaFile(path.clone(), e.to_string()))?;
        let before = roots.len();
        for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(&pem) {
            let added = certificate.map_err(|e| e.to_string()).and_then(|c| roots.add(c).map_err(|e| e.to_string()));
            added.map_err(|e| TlsSetupError::CaFile(path.clone(), e))?;
        }
        if roots.len() == before {
            return Err(TlsSetupError::CaFile(path.clone(), "no PEM certificate in it".into()));
        }
    }
    if roots.is_empty() {
        return Err(TlsSetupError::NoRoots(Arc::clone(&upstream.name)));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match upstream.http {
        HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Some(Arc::new(config)))
}

/// Why an upstream's TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The private CA bundle is unusable.
    #[error("the CA file {0} cannot be used: {1}; give a PEM file with at least one certificate")]
    CaFile(std::path::PathBuf, String),
    /// Nothing to verify against.
    #[error(
        "no trusted root certificates for upstream {0}: install ca-certificates, or name upstreams.{0}.tls.ca_file"
    )]
    NoRoots(Arc<str>),
}
