//! The data path: a reverse proxy that never waits for anything but client and CRM.

use crate::secret::Secret;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
    /// How long running exchanges may go on after SIGTERM.
    pub drain: Duration,
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
}
