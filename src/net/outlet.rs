//! A way to one target: directly, or through the egress proxy; each step bounded, timed and told apart when it fails.

use super::addresses::order;
use super::egress::{Proxy, authority};
use super::eyeballs::{self, Tried};
use super::resolver::Name;
use super::{Network, tunnel};
use crate::exchange::{AgentError, ConnectTimes};
use crate::tls;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is to be reached.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Name or address; IPv6 without brackets.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// It speaks only when spoken to: everything but HTTP/2 in plain text.
    pub silent: bool,
}

/// Why a connection cannot be tried at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file for TLS with the proxy is unusable.
    #[error("egress proxy: {0}")]
    File(#[from] tls::FileError),
    /// Nothing to verify the proxy's certificate against.
    #[error(
        "no trusted root certificates for the egress proxy: install ca-certificates, or name network.proxy.tls.ca_file"
    )]
    NoRoots,
}

/// There is no connection.
#[derive(Debug)]
pub struct Unreached {
    /// Which step failed.
    pub kind: AgentError,
    /// How, for the log: addresses and closed words, nothing of what a peer wrote.
    pub detail: String,
}

/// Opens connections to one target. Cheap to clone; what one has learned, all know.
#[derive(Clone)]
pub struct Outlet {
    network: Network,
    /// Of the target, or of the proxy on the way to it.
    name: Arc<Name>,
    port: u16,
    via: Option<Arc<Via>>,
    /// The address that answered last.
    proven: Arc<Mutex<Option<IpAddr>>>,
}

struct Via {
    proxy: Arc<Proxy>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    target: String,
    silent: bool,
}

/// An open connection.
pub struct Reached {
    /// What carries the bytes.
    pub transport: Transport,
    /// Whom it was made to: the target, or the proxy.
    pub peer: IpAddr,
}

/// Plain, or inside TLS with the proxy.
pub enum Transport {
    /// TCP.
    Plain(TcpStream),
    /// TLS with an egress proxy.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Outlet {
    /// A way to `target`, through `proxy` if there is one.
    ///
    /// # Errors
    /// When TLS with the proxy cannot be set up.
    pub fn new(network: &Network, target: &Target<'_>, proxy: Option<&Arc<Proxy>>) -> Result<Self, SetupError> {
        let (host, port) = proxy.map_or((target.host, target.port), |proxy| (&*proxy.host, proxy.port));
        let via = proxy.map(|proxy| Via::new(proxy, target)).transpose()?.map(Arc::new);
        Ok(Self { network: network.clone(), name: network.resolver.name(host), port, via, proven: Arc::default() })
    }

    /// Connects until `deadline`; `times` is filled as far as it got.
    ///
    /// # Errors
    /// [`Unreached`].
    pub async fn reach(&self, deadline: Instant, times: &mut ConnectTimes) -> Result<Reached, Unreached> {
        let (stream, peer) = self.connect(deadline, times).await?;
        let Some(via) = &self.via else { return Ok(Reached { transport: Transport::Plain(stream), peer }) };
        let started = Instant::now();
        let tunnelled = tokio::time::timeout_at(deadline.into(), via.tunnel(stream)).await;
        times.tunnel_us = micros(started);
        let late = || Unreached { kind: AgentError::ProxyTimeout, detail: "the proxy does not answer in time".into() };
        let transport = tunnelled.unwrap_or_else(|_| Err(late())).map_err(|unreached| via.named(unreached))?;
        Ok(Reached { transport, peer })
    }

    /// Name and TCP.
    async fn connect(&self, deadline: Instant, times: &mut ConnectTimes) -> Result<(TcpStream, IpAddr), Unreached> {
        let proxied = self.via.is_some();
        let kinds = if proxied {
            [AgentError::ProxyDns, AgentError::ProxyConnect, AgentError::ProxyTimeout]
        } else {
            [AgentError::Dns, AgentError::Connect, AgentError::ConnectTimeout]
        };
        let fail = |kind, detail| {
            let unreached = Unreached { kind, detail };
            match &self.via {
                Some(via) => via.named(unreached),
                None => unreached,
            }
        };
        let started = Instant::now();
        let resolved = tokio::time::timeout_at(deadline.into(), self.name.addresses()).await;
        times.dns_us = micros(started);
        let addresses = match resolved {
            Ok(Ok(addresses)) => order(&addresses, *self.proven.lock(), self.port),
            Ok(Err(unresolved)) => return Err(fail(kinds[0], unresolved.to_string())),
            Err(_) => return Err(fail(kinds[0], "the name does not resolve in time".to_owned())),
        };
        let (started, mut tried) = (Instant::now(), Tried::default());
        let racing = eyeballs::connect(&addresses, self.network.keep_alive, &mut tried);
        let connected = tokio::time::timeout_at(deadline.into(), racing).await;
        times.tcp_us = micros(started);
        match connected {
            Ok(Ok((stream, address))) => {
                *self.proven.lock() = Some(address.ip());
                Ok((stream, address.ip()))
            }
            Ok(Err(())) => Err(fail(kinds[1], tried.to_string())),
            Err(_) => Err(fail(kinds[2], tried.to_string())),
        }
    }

    /// The addresses that connections may be kept to, as last known. Keeps the name current.
    pub fn current(&self) -> Option<Arc<[IpAddr]>> {
        self.name.current()
    }

    /// Counts connections that were closed because their address is no longer among those.
    pub fn drained(&self, connections: u64) {
        self.network.resolver.counters().drained(connections);
    }
}

impl Via {
    fn new(proxy: &Arc<Proxy>, target: &Target<'_>) -> Result<Self, SetupError> {
        let tls = if proxy.tls {
            let config = tls::client_config(&proxy.trust, &[b"http/1.1"])?.ok_or(SetupError::NoRoots)?;
            // Checked with the configuration: what is no name for a certificate is none for an address either.
            let name = ServerName::try_from(proxy.host.clone()).map_err(|_| SetupError::NoRoots)?;
            Some((TlsConnector::from(config), name))
        } else {
            None
        };
        let target_authority = authority(target.host, target.port);
        Ok(Self { proxy: Arc::clone(proxy), tls, target: target_authority, silent: target.silent })
    }

    async fn tunnel(&self, stream: TcpStream) -> Result<Transport, Unreached> {
        let authorization = self.proxy.authorization.as_ref();
        let Some((connector, name)) = &self.tls else {
            let mut stream = stream;
            tunnel::open(&mut stream, &self.target, authorization, self.silent).await?;
            return Ok(Transport::Plain(stream));
        };
        let secured = connector.connect(name.clone(), stream).await;
        let failed = |error: std::io::Error| {
            let detail = format!("TLS with the proxy fails: {}", tls::upstream_error(&error).as_str());
            Unreached { kind: AgentError::ProxyTls, detail }
        };
        let mut stream = Box::new(secured.map_err(failed)?);
        tunnel::open(&mut stream, &self.target, authorization, self.silent).await?;
        Ok(Transport::Tls(stream))
    }

    /// Says which proxy it is.
    fn named(&self, unreached: Unreached) -> Unreached {
        Unreached { detail: format!("{}: {}", self.proxy, unreached.detail), ..unreached }
    }
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
