//! The read side: `/metrics`, `/live`, `/ready`, `/api/v1/…`.

use crate::secret::Secret;
use std::net::SocketAddr;

/// The admin listener, resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Loopback by default.
    pub address: SocketAddr,
    /// Bearer tokens, required off loopback.
    pub tokens: Vec<Secret>,
    /// Values of `Host` answered beside the address itself, `localhost` and loopback.
    pub allowed_hosts: Vec<String>,
}
