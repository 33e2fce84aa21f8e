//! The egress proxy: which calls take it, and what it is shown.

use super::no_proxy::Exception;
use crate::secret::Secret;
use crate::tls::Trust;
use base64::Engine;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A forward proxy that connections are asked of by CONNECT.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// It is itself spoken to over TLS.
    pub tls: bool,
    /// Name or address; IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The value of `Proxy-Authorization`; shown to this proxy and to nobody else.
    pub authorization: Option<Secret>,
    /// How its certificate is verified, and what it is shown.
    pub trust: Trust,
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        let authorization = match (&self.authorization, &other.authorization) {
            (Some(a), Some(b)) => a.matches(b.expose().as_bytes()),
            (a, b) => a.is_none() && b.is_none(),
        };
        let address = |p: &Self| (p.tls, p.port);
        authorization && address(self) == address(other) && self.host == other.host && self.trust == other.trust
    }
}

/// Its address; never its credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, authority(&self.host, self.port))
    }
}

/// `host:port`, IPv6 in brackets.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// `Basic` credentials (RFC 7617), as `Proxy-Authorization` carries them.
pub fn basic(user: &str, password: &str) -> Secret {
    let pair = zeroize::Zeroizing::new(format!("{user}:{password}"));
    Secret::new(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes())))
}

/// Which proxy is for what, and where that is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Egress {
    /// For `https` targets.
    pub https: Option<Arc<Proxy>>,
    /// For `http` targets.
    pub http: Option<Arc<Proxy>>,
    /// Targets that are called directly.
    pub no_proxy: Vec<Exception>,
    /// What the proxies are written in, for people: a key or variables.
    pub source: String,
}

/// How a target is reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// There is no proxy for it.
    Direct,
    /// It is on this machine, where no proxy is ever asked: that would reach the proxy's own.
    Here,
    /// An exception covers it.
    Excepted(Exception),
    /// Through this proxy.
    Through(Arc<Proxy>),
}

impl Egress {
    /// The way to `host` at `port`, for `https` if `tls`.
    pub fn way(&self, tls: bool, host: &str, port: u16) -> Way {
        let Some(proxy) = (if tls { &self.https } else { &self.http }) else { return Way::Direct };
        if is_here(host) {
            return Way::Here;
        }
        match self.no_proxy.iter().find(|exception| exception.covers(host, port)) {
            Some(exception) => Way::Excepted(exception.clone()),
            None => Way::Through(Arc::clone(proxy)),
        }
    }

    /// The proxy for `host` at `port`, if it is reached through one.
    pub fn proxy(&self, tls: bool, host: &str, port: u16) -> Option<Arc<Proxy>> {
        match self.way(tls, host, port) {
            Way::Through(proxy) => Some(proxy),
            _ => None,
        }
    }
}

/// True when `host` is this machine by its very name (RFC 6761 section 6.3) or address.
pub fn is_here(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(host: &str) -> Proxy {
        Proxy { tls: false, host: host.into(), port: 3128, authorization: None, trust: Trust::default() }
    }

    #[test]
    fn the_way_is_told_by_scheme_and_exceptions() {
        let (secure, plain) = (Arc::new(proxy("s.example")), Arc::new(proxy("p.example")));
        let no_proxy = vec![Exception::parse("corp.example").expect("an entry")];
        let egress = Egress { https: Some(secure.clone()), http: Some(plain.clone()), no_proxy, source: String::new() };
        assert_eq!(egress.way(true, "crm.example", 443), Way::Through(secure));
        assert_eq!(egress.way(false, "crm.example", 80), Way::Through(plain));
        assert!(matches!(egress.way(true, "crm.corp.example", 443), Way::Excepted(_)));
        for here in ["localhost", "x.localhost", "127.0.0.1", "127.9.9.9", "::1", "LOCALHOST."] {
            assert_eq!(egress.way(true, here, 443), Way::Here, "{here}");
        }
        assert_eq!(Egress::default().way(true, "127.0.0.1", 443), Way::Direct);
        assert_eq!(egress.proxy(true, "::1", 443), None);
    }

    #[test]
    fn credentials_are_compared_and_never_shown() {
        let with = |password: &str| Proxy { authorization: Some(basic("vigie", password)), ..proxy("fd00::1") };
        assert_eq!(with("a"), with("a"));
        assert_ne!(with("a"), with("b"));
        assert_ne!(with("a"), proxy("fd00::1"));
        assert_eq!(with("hunter2").to_string(), "http://[fd00::1]:3128");
        assert!(!format!("{:?}", with("hunter2")).contains("dmln"));
        assert_eq!(basic("Aladdin", "open sesame").expose(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
