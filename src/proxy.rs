//! The data path: a reverse proxy that never waits for anything but client and CRM.

mod acceptor;
mod added;
mod admission;
mod body;
mod conn;
mod connect;
mod context;
mod copies;
mod credential;
mod detached;
mod dots;
mod drain;
mod flight;
mod forward;
pub mod framing;
mod gate;
mod h1;
mod headers;
mod held;
mod http2;
mod injection;
mod interim;
mod last_words;
mod limits;
mod links;
mod places;
mod pool;
mod preface;
mod present;
mod reply;
mod retry;
mod router;
mod sending;
mod serve;
mod server_timing;
mod streams;
mod tap;
mod target;
mod tee;
mod tls;
mod tunnel;
mod until_head;
mod upgrade;
mod upstreams;
mod watchdog;
mod worker;

pub use acceptor::{Prepared, Running};
pub use credential::bare as bare_credential;
pub use framing::Limits as MessageLimits;
pub use limits::{Limits, Pace};

use crate::clock::Clock;
use crate::net::Network;
use crate::recorder;
use crate::secret::Secret;
use crate::telemetry::metrics::Metrics;
use crate::tls::ServerFiles;
use crate::upstream;
use crate::vendors::Written;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for the slowest answers that are still worth having, short enough not to pile up behind a hanging upstream.
pub const AFTERLIFE: Duration = Duration::from_secs(30);

/// HTTP/2 streams a caller's connection may have open by default: what RFC 9113 section 6.5.2 recommends not to go below.
pub const MAX_STREAMS: u32 = 100;

/// The proxy's listeners and bounds, resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where callers connect.
    pub listeners: Vec<Listener>,
    /// Data-path threads: one per core under the cgroup's quota, 4 at most by default.
    pub workers: usize,
    /// Bytes of a request body copied for classification.
    pub capture_request_bytes: usize,
    /// Bytes of an answer body copied for classification.
    pub capture_response_bytes: usize,
    /// Bytes of all body copies of running exchanges.
    pub capture_total_bytes: usize,
    /// What one caller may take.
    pub limits: Limits,
    /// How long callers are let in after SIGTERM, while `/ready` says no.
    pub drain_delay: Duration,
    /// How long running exchanges may go on after that.
    pub drain: Duration,
    /// How long the answer to a write is still awaited and read after its caller left: its status decides what happened.
    pub afterlife: Duration,
    /// HTTP/2 streams that one caller's connection may have open.
    pub max_streams: u32,
    /// Known callers, in the order of the file.
    pub integrations: Vec<Integration>,
    /// Share of traces kept where no parent decided, 0 to 1.
    pub trace_ratio: f64,
}

/// One listening address.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// All calls here go to this upstream.
    pub upstream: Option<Arc<str>>,
    /// All calls here belong to this integration.
    pub integration: Option<Arc<str>>,
    /// Callers speak TLS; plain text where absent.
    pub tls: Option<ServerFiles>,
    /// Callers may speak HTTP/2 in plain text, with prior knowledge.
    pub prior_knowledge: bool,
    /// What callers call it, where something in front of it makes that different from what arrives here.
    pub public_url: Option<PublicUrl>,
}

/// A URL by which callers reach a listener through whatever stands in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// Scheme and authority: `https://gateway.example`.
    pub origin: String,
    /// What stands before the paths that arrive here; empty or starting with `/`, no trailing `/`.
    pub path: String,
}

impl Listener {
    /// A plain-text listener for everybody.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, upstream: None, integration: None, tls: None, prior_knowledge: false, public_url: None }
    }
}

/// One caller, and how it is recognised. What served to find it (prefix, header, token) is stripped before forwarding.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Name used in labels.
    pub name: Arc<str>,
    /// Display name, logged as `system`.
    pub system: Arc<str>,
    /// Caller tokens, sent as `x-vigie-token`: blake3 hashes, or secrets hashed at load.
    pub token_hashes: Vec<[u8; 32]>,
    /// Credentials (whole `Authorization` values or keys) that only this caller uses.
    pub credentials: Vec<Secret>,
    /// Fingerprints (16 hex digits, as `/api/v1/callers` lists them) of such credentials.
    pub fingerprints: Vec<u64>,
    /// A path prefix that only this caller uses.
    pub path_prefix: Option<String>,
    /// A header and its value that only this caller sends.
    pub header: Option<(http::HeaderName, String)>,
    /// What is put on its calls in place of the upstream's own credential, by upstream.
    pub upstream_credentials: Vec<(Arc<str>, Written)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            workers: 1,
            capture_request_bytes: 64 << 10,
            capture_response_bytes: 64 << 10,
            drain_delay: Duration::ZERO,
            capture_total_bytes: 64 << 20,
            limits: Limits::default(),
            drain: Duration::from_secs(30),
            afterlife: AFTERLIFE,
            max_streams: MAX_STREAMS,
            integrations: Vec::new(),
            trace_ratio: 0.0,
        }
    }
}

impl Integration {
    /// Whoever is not configured.
    pub fn unknown() -> Self {
        Self {
            name: Arc::from("unknown"),
            system: Arc::from("unknown"),
            token_hashes: Vec::new(),
            credentials: Vec::new(),
            fingerprints: Vec::new(),
            path_prefix: None,
            header: None,
            upstream_credentials: Vec::new(),
        }
    }
}

/// What the data path is given by its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// Metric families.
    pub metrics: Arc<Metrics>,
    /// Where finished exchanges go.
    pub recorder: recorder::Handle,
    /// Time.
    pub clock: Clock,
    /// Ways out.
    pub network: Network,
    /// Keys the credential fingerprints.
    pub fingerprint_key: [u8; 32],
}

/// Binds and serves; errors name what could not be set up.
pub async fn start(
    config: &Config,
    upstreams: &[upstream::Config],
    surroundings: Surroundings,
) -> Result<Running, StartError> {
    acceptor::start(config, upstreams, surroundings).await
}

/// One configuration made ready for the workers. `slots` are the numbers of its listeners, in their order.
fn make_ready(
    config: &Config,
    upstreams: &[upstream::Config],
    slots: &[usize],
    surroundings: &Surroundings,
) -> Result<worker::Shared, StartError> {
    let mut router = router::Router::new(config, upstreams, surroundings.fingerprint_key);
    router.number_listeners(slots);
    let mut entrances = vec![None; slots.iter().max().map_or(0, |last| last + 1)];
    for (listener, slot) in config.listeners.iter().zip(slots) {
        let tls = listener.tls.as_ref().map(|files| crate::tls::server_config(files, &tls::ALPN)).transpose();
        let tls = tls.map_err(connect::TlsSetupError::from)?;
        entrances[*slot] = Some(worker::Entrance {
            tls,
            prior_knowledge: listener.prior_knowledge,
            loopback: listener.address.ip().is_loopback(),
            authority: listener.tls.as_ref().and_then(crate::tls::ServerFiles::authority),
        });
    }
    let (network, certificates) = (&surroundings.network, surroundings.metrics.agent().certificates());
    let ready = upstreams.iter().map(|u| upstreams::Upstream::new(u.clone(), network, certificates));
    let ready = ready.collect::<Result<_, _>>()?;
    Ok(worker::Shared {
        entrances,
        router,
        max_streams: config.max_streams,
        grace: config.drain,
        upstreams: ready,
        gates: gate::Gate::all(config, upstreams, &surroundings.fingerprint_key),
        places: places::Places::default(),
        links: links::Places::new(config, upstreams, slots),
        metrics: Arc::clone(&surroundings.metrics),
        recorder: surroundings.recorder.clone(),
        clock: surroundings.clock.clone(),
        keep_alive: surroundings.network.keep_alive,
        trace_ratio: config.trace_ratio,
        afterlife: config.afterlife,
        capture_request: config.capture_request_bytes,
        capture_response: config.capture_response_bytes,
        capture_share: config.capture_total_bytes / config.workers.max(1),
        limits: config.limits.clone(),
    })
}

/// Why the data path did not start, or cannot be reloaded.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Certificates and keys.
    #[error(transparent)]
    Tls(#[from] connect::TlsSetupError),
    /// An address.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
