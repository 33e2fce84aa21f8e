//! The way to the collector, directly or through the egress proxy; a reload may change it.

use super::exporter::{target, unusable};
use super::{EXPORT_TIMEOUT, Error};
use crate::exchange::ConnectTimes;
use crate::net::{Names, Network, Outlet, Proxy, Target, Transport, Unreached};
use crate::telemetry::{OtlpProtocol, TraceConfig};
use crate::tls;
use http::HeaderValue;
use hyper_util::rt::TokioIo;
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Instant;

/// Shared by the exporter and whoever changes the way.
#[derive(Clone)]
pub(super) struct Way(Arc<Inner>);

struct Inner {
    endpoint: String,
    network: Network,
    tls: bool,
    host: String,
    port: u16,
    carrier: RwLock<Carrier>,
}

/// Who makes the connections.
#[derive(Clone)]
enum Carrier {
    /// Made here, spoken on by tonic.
    Grpc(Outlet),
    /// A client that makes its own.
    Http(reqwest::Client),
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Way")
    }
}

/// The collector was not reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoWay {
    #[error("{}: {}", .0.kind.as_str(), .0.detail)]
    Unreached(Unreached),
    /// Never seen: the exporter is made of the same configuration.
    #[error("the collector is called by the other protocol")]
    OtherProtocol,
}

impl Way {
    pub(super) fn new(endpoint: &str, config: &TraceConfig, network: &Network) -> Result<Self, Error> {
        let (tls, host, port) = target(endpoint)?;
        let proxy = config.egress.as_ref();
        let carrier = match config.protocol {
            OtlpProtocol::Grpc => Carrier::Grpc(outlet(endpoint, network, (&host, port, tls), proxy)?),
            OtlpProtocol::Http => Carrier::Http(client(endpoint, network, tls, proxy)?),
        };
        let (endpoint, network, carrier) = (endpoint.to_owned(), network.clone(), RwLock::new(carrier));
        Ok(Self(Arc::new(Inner { endpoint, network, tls, host, port, carrier })))
    }

    /// Takes another proxy, or none, from the next connection on.
    pub(super) fn renew(&self, proxy: Option<&Arc<Proxy>>) -> Result<(), Error> {
        let Inner { endpoint, network, tls, host, port, carrier } = &*self.0;
        let renewed = match &*carrier.read() {
            Carrier::Grpc(_) => Carrier::Grpc(outlet(endpoint, network, (host, *port, *tls), proxy)?),
            Carrier::Http(_) => Carrier::Http(client(endpoint, network, *tls, proxy)?),
        };
        *carrier.write() = renewed;
        Ok(())
    }

    pub(super) fn tls(&self) -> bool {
        self.0.tls
    }

    /// A connection for gRPC; TLS with the collector comes on top.
    pub(super) async fn connect(&self) -> Result<TokioIo<Transport>, NoWay> {
        let carrier = self.0.carrier.read().clone();
        let Carrier::Grpc(outlet) = carrier else { return Err(NoWay::OtherProtocol) };
        let reached = outlet.reach(Instant::now() + EXPORT_TIMEOUT, &mut ConnectTimes::default()).await;
        reached.map(|reached| TokioIo::new(reached.transport)).map_err(NoWay::Unreached)
    }

    /// A client for HTTP.
    pub(super) fn client(&self) -> Result<reqwest::Client, NoWay> {
        match &*self.0.carrier.read() {
            Carrier::Http(client) => Ok(client.clone()),
            Carrier::Grpc(_) => Err(NoWay::OtherProtocol),
        }
    }
}

fn outlet(
    endpoint: &str,
    network: &Network,
    (host, port, tls): (&str, u16, bool),
    proxy: Option<&Arc<Proxy>>,
) -> Result<Outlet, Error> {
    // gRPC in plain text is HTTP/2 with prior knowledge, where both sides begin.
    let target = Target { host, port, silent: tls };
    Outlet::new(network, &target, proxy).map_err(|error| unusable(endpoint, error))
}

/// It asks a proxy for a tunnel for `https`, and for `http` with the whole address.
fn client(endpoint: &str, network: &Network, tls: bool, proxy: Option<&Arc<Proxy>>) -> Result<reqwest::Client, Error> {
    let wrong = |error: &dyn std::fmt::Display| unusable(endpoint, error);
    // Roots take a few hundred KB, so they are only read for TLS.
    let trust = proxy.filter(|proxy| proxy.tls).map(|proxy| proxy.trust.clone());
    let secure = tls || trust.is_some();
    let mut builder = reqwest::Client::builder()
        .timeout(EXPORT_TIMEOUT)
        // The collector's headers may hold a key: they go to the configured address and nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Names::new(network.resolver.clone()));
    if secure {
        let config = tls::client_config(&trust.unwrap_or_default(), &[]).map_err(|e| wrong(&e))?;
        let config = config.ok_or_else(|| wrong(&"no trusted root certificates: install ca-certificates"))?;
        builder = builder.tls_backend_preconfigured((*config).clone());
    } else {
        builder = builder.tls_backend_preconfigured(tls::untrusting());
    }
    if let Some(proxy) = proxy {
        let mut through = reqwest::Proxy::all(proxy.to_string()).map_err(|e| wrong(&e.without_url()))?;
        if let Some(secret) = &proxy.authorization {
            let mut value = HeaderValue::from_str(secret.expose()).map_err(|e| wrong(&e))?;
            value.set_sensitive(true);
            through = through.custom_http_auth(value);
        }
        builder = builder.proxy(through);
    }
    builder.build().map_err(|e| wrong(&e))
}
