//! URLs of upstreams and collectors: only what a connection needs, and nothing that could hide a secret.

use super::{NO_ZONE, unreserved};

/// An `http` or `https` URL without credentials, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `https`.
    pub tls: bool,
    /// Name or address; IPv6 without brackets.
    pub host: String,
    /// Port, given or the scheme's.
    pub port: u16,
    /// Path without trailing `/`.
    pub path: String,
}

impl Url {
    /// True when the host is this machine by its very name.
    pub fn is_loopback(&self) -> bool {
        let ip = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tls, host, port, path } = self;
        let scheme = if *tls { "https" } else { "http" };
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}{path}"),
            false => write!(f, "{scheme}://{host}:{port}{path}"),
        }
    }
}

/// Reads an upstream's URL. Errors never repeat it: it may hold a secret.
pub fn url(text: &str) -> Result<Url, String> {
    read(text, "https://acme.myfreshworks.com")
}

/// Reads a collector's URL, by the same rules. The ports are those registered for OTLP.
pub fn collector(text: &str) -> Result<Url, String> {
    read(text, "http://127.0.0.1:4317 (gRPC) or http://127.0.0.1:4318 (HTTP)")
}

fn read(text: &str, example: &str) -> Result<Url, String> {
    let right = format!("write for example {example}");
    let (scheme, rest) = text.split_once("://").ok_or(format!("is not a URL; {right}"))?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err(format!("is neither http nor https; {right}")),
    };
    if rest.contains('@') {
        return Err("holds credentials; URLs end up in logs, so leave them out".to_owned());
    }
    if rest.contains(['?', '#']) {
        return Err("holds a query or fragment, which may hide a secret; end it before the ? or #".to_owned());
    }
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if authority.starts_with('[') && authority.contains('%') {
        return Err(NO_ZONE.to_owned());
    }
    let (host, port) = host_and_port(authority).ok_or(format!("has no valid host and port; {right}"))?;
    let path = path.trim_end_matches('/');
    if !path.is_empty() && http::uri::PathAndQuery::try_from(path).is_err() {
        return Err("has a path with characters that must be percent-encoded".to_owned());
    }
    Ok(Url { tls, host, port: port.unwrap_or(if tls { 443 } else { 80 }), path: path.to_owned() })
}

/// Host, lower case and without brackets, and the port if one is written.
pub fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
            let label = |l: &str| !l.is_empty() && l.len() <= 63 && l.chars().all(|c| unreserved(c) && c != '~');
            (host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)).then_some(())?;
            (host, port)
        }
    };
    let port = port.map(|p| p.parse::<u16>().ok().filter(|p| *p > 0).ok_or(())).transpose().ok()?;
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parsed = url("HTTPS://Acme.Example:8443/crm/").expect("valid");
        assert_eq!(parsed, Url { tls: true, host: "acme.example".into(), port: 8443, path: "/crm".into() });
        assert_eq!(
            url("http://[::1]").map(|u| (u.host.clone(), u.port, u.is_loopback())),
            Ok(("::1".into(), 80, true))
        );
        for wrong in [
            "acme",
            "ftp://a",
            "https://",
            "https://a:0",
            "https://a:x",
            "https://[::1",
            "https://a b",
            "https://a..b",
            "https://a/ b",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        let secret = url("https://user:hunter2@acme.example").expect_err("credentials");
        assert!(!secret.contains("hunter2"));
    }
}
