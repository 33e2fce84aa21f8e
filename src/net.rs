//! Ways out of this machine: names become addresses, addresses connections, through the company's egress proxy where there is
//! one. The data path and the exporters go out by here and nowhere else.
//!
//! Invariants: whether a call takes the proxy is decided when the configuration is read, from host and port alone, never a
//! request at a time; a proxy's credentials are sent to that proxy and nowhere else; addresses past their time are used only
//! while nobody can say better ones; every wait is bounded by the caller's deadline.

mod addresses;
mod client;
mod dns;
mod egress;
mod eyeballs;
mod keep_alive;
mod no_proxy;
mod outlet;
mod resolver;
mod tunnel;

pub use client::Names;
pub use egress::{Egress, Proxy, Way, basic, is_here};
pub use keep_alive::KeepAlive;
pub use no_proxy::Exception;
pub use outlet::{Outlet, Reached, SetupError, Target, Transport, Unreached};
pub use resolver::{Counters, DnsResult, Name, Resolver, Unresolved};

use std::net::SocketAddr;
use std::time::Duration;

/// What holds for the whole process, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who turns names into addresses.
    pub resolver: ResolverKind,
    /// Servers to ask in place of the system's; empty for those of /etc/resolv.conf.
    pub servers: Vec<SocketAddr>,
    /// How often names are resolved anew where no time to live is told.
    pub refresh: Duration,
    /// How silent connections are probed.
    pub keep_alive: KeepAlive,
}

impl Default for Config {
    fn default() -> Self {
        let (resolver, servers) = (ResolverKind::default(), Vec::new());
        Self { resolver, servers, refresh: Duration::from_secs(30), keep_alive: KeepAlive::default() }
    }
}

/// Who turns names into addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResolverKind {
    /// /etc/hosts, then DNS, with each answer's own time to live.
    #[default]
    Dns,
    /// The C library, by all that nsswitch.conf names; it tells no time to live.
    System,
}

/// What connections out are made with. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    /// Names to addresses.
    pub resolver: Resolver,
    /// Put on every connection.
    pub keep_alive: KeepAlive,
}

impl Network {
    /// Names are resolved, and kept current, on `runtime`.
    pub fn new(config: &Config, counters: std::sync::Arc<Counters>, runtime: tokio::runtime::Handle) -> Self {
        Self { resolver: Resolver::new(config, counters, runtime), keep_alive: config.keep_alive }
    }
}
