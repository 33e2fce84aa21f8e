//! `network`: the egress proxy, names, silent connections.

use crate::config::scalar::{Address, Exception, Link, SecretText, Span};
use crate::net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ways out of the machine.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The company's proxy on the way to upstreams and collector. What is on this machine is always called directly.
    pub proxy: EgressProxy,
    /// How names become addresses.
    #[schemars(extend("x-vigie-restart" = true))]
    pub dns: Dns,
    /// A connection, of callers or to upstreams, is probed after so much silence, 6s to 2h, and ended after twice that without an answer; 0s for no probes.
    #[schemars(extend("x-vigie-restart" = true))]
    pub keep_alive: Span,
}

impl Default for Network {
    fn default() -> Self {
        let keep_alive = Span(net::KeepAlive::IDLE);
        Self { proxy: EgressProxy::default(), dns: Dns::default(), keep_alive }
    }
}

/// The egress proxy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EgressProxy {
    /// For `https` upstreams and collectors, e.g. `http://proxy.corp.example:3128`; `https://…` speaks TLS with the proxy as well.
    pub https: Option<Link>,
    /// The same for `http` ones; they are asked for by CONNECT, too.
    pub http: Option<Link>,
    /// What is called directly: names, with everything below them, addresses, networks, or `*`; each with a port if need be.
    #[schemars(length(max = 200))]
    pub no_proxy: Vec<Exception>,
    /// User for the proxy, shown as Basic credentials.
    #[schemars(length(min = 1))]
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<SecretText>,
    /// TLS with a proxy whose address is `https://…`.
    pub tls: ProxyTls,
    /// Takes the proxy from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in lower case first, where `https` and `http` name none.
    pub environment: bool,
}

impl Default for EgressProxy {
    fn default() -> Self {
        let (https, http, username, password) = (None, None, None, None);
        Self { https, http, no_proxy: Vec::new(), username, password, tls: ProxyTls::default(), environment: true }
    }
}

/// How the proxy's certificate is verified, which it always is.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyTls {
    /// PEM file of a private CA, trusted beside the system's.
    #[schemars(length(min = 1))]
    pub ca_file: Option<String>,
}

/// How names become addresses.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// `dns` reads /etc/hosts and asks the servers of /etc/resolv.conf, and follows each answer's time to live; `system` asks the C library, with all that nsswitch.conf names (mDNS, LDAP, …).
    pub resolver: Resolver,
    /// Servers asked in place of those of /etc/resolv.conf; for `dns` only.
    #[schemars(length(max = 3))]
    pub servers: Vec<Address>,
    /// How often a name is resolved anew by `system`, which tells no time to live, 1s to 1h.
    pub refresh: Span,
}

impl Default for Dns {
    fn default() -> Self {
        let net::Config { refresh, .. } = net::Config::default();
        Self { resolver: Resolver::Dns, servers: Vec::new(), refresh: Span(refresh) }
    }
}

/// Who resolves names.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Resolver {
    #[default]
    Dns,
    System,
}

impl Network {
    /// As the connections are made with it.
    pub fn resolved(&self) -> net::Config {
        let resolver = match self.dns.resolver {
            Resolver::Dns => net::ResolverKind::Dns,
            Resolver::System => net::ResolverKind::System,
        };
        net::Config {
            resolver,
            servers: self.dns.servers.iter().map(|server| server.0).collect(),
            refresh: self.dns.refresh.0,
            keep_alive: net::KeepAlive::after(self.keep_alive.0),
        }
    }

    /// Bounds of the lengths of time: path, value, least, most, in words. `0s` of `keep_alive` is for none.
    pub fn bounds(&self) -> [(&'static str, &Span, Duration, Duration, &'static str); 2] {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let least = if self.keep_alive.0.is_zero() { Duration::ZERO } else { second * 6 };
        [
            ("network/dns/refresh", &self.dns.refresh, second, hour, "1s to 1h"),
            ("network/keep_alive", &self.keep_alive, least, hour * 2, "6s to 2h, or 0s"),
        ]
    }
}
