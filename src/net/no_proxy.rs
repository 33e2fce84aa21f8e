//! Entries of `no_proxy`: what is called directly although there is a proxy.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One entry: a name (with everything below it), an address, a network, or `*`; each with a port if need be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    what: What,
    port: Option<u16>,
    written: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Everything,
    Network(IpAddr, u8),
    /// Lower case, without dots around it.
    Domain(String),
}

impl Exception {
    /// Reads an entry. A leading `.` or `*.` makes no difference: both forms are in use for the same.
    ///
    /// # Errors
    /// Completes "`text` …" and says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        const RIGHT: &str = "write for example internal.example, 10.0.0.0/8, [fd00::1]:8443 or *";
        let wrong = || format!("is not an exception; {RIGHT}");
        let (host, port) = split_port(text).ok_or_else(wrong)?;
        let what = match host {
            "*" => What::Everything,
            host if host.contains('/') => network(host).ok_or_else(wrong)?,
            host => match host.parse::<IpAddr>() {
                Ok(ip) => What::Network(ip, bits(ip)),
                Err(_) => domain(host).ok_or_else(wrong)?,
            },
        };
        Ok(Self { what, port, written: text.to_owned() })
    }

    /// True when `host` (a name, or an address without brackets) at `port` is to be called directly. Networks cover
    /// addresses that are written as such: names are not resolved for it.
    pub fn covers(&self, host: &str, port: u16) -> bool {
        if self.port.is_some_and(|p| p != port) {
            return false;
        }
        match &self.what {
            What::Everything => true,
            What::Network(network, length) => host.parse().is_ok_and(|ip: IpAddr| within(ip, *network, *length)),
            What::Domain(domain) => {
                let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
                let above = host.strip_suffix(domain.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Host without brackets, and port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let port = |p: &str| p.parse().ok().filter(|p: &u16| *p > 0);
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return if after.is_empty() { Some((host, None)) } else { Some((host, Some(port(after.strip_prefix(':')?)?))) };
    }
    match text.split_once(':') {
        Some((host, p)) if !p.contains(':') => Some((host, Some(port(p)?))),
        // Without brackets several colons are an IPv6 address, or a network of them.
        _ => Some((text, None)),
    }
}

fn network(text: &str) -> Option<What> {
    let (ip, length) = text.split_once('/')?;
    let (ip, length) = (ip.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?);
    (length <= bits(ip)).then_some(What::Network(ip, length))
}

fn domain(text: &str) -> Option<What> {
    let name = text.strip_prefix('*').unwrap_or(text);
    // `*example` is no form that anybody reads alike.
    if name.len() < text.len() && !name.starts_with('.') {
        return None;
    }
    let name = name.strip_prefix('.').unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |l: &str| {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !l.is_empty() && l.len() <= 63 && l.chars().all(word)
    };
    (name.len() <= 253 && name.split('.').all(label)).then(|| What::Domain(name.to_ascii_lowercase()))
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn within(ip: IpAddr, network: IpAddr, length: u8) -> bool {
    let same = |a: u128, b: u128, bits: u8| length == 0 || (a ^ b) >> (bits - length) == 0;
    match (ip.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, host: &str, port: u16) -> bool {
        Exception::parse(entry).unwrap_or_else(|e| panic!("{entry} {e}")).covers(host, port)
    }

    #[test]
    fn names_cover_themselves_and_what_is_below() {
        for entry in ["corp.example", ".corp.example", "*.corp.example", "CORP.Example.", "corp.example:443"] {
            for (host, covered) in [
                ("corp.example", true),
                ("crm.corp.example", true),
                ("CRM.Corp.Example.", true),
                ("a.b.corp.example", true),
                ("xcorp.example", false),
                ("example", false),
                ("corp.example.org", false),
            ] {
                assert_eq!(covers(entry, host, 443), covered, "{entry} {host}");
            }
        }
    }

    #[test]
    fn addresses_and_networks_cover_addresses() {
        for (entry, host, covered) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.70", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("[fd00::1]", "fd00::1", true),
            ("fd00::1", "fd00::1", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "crm.example", false),
            ("*", "anything", true),
        ] {
            assert_eq!(covers(entry, host, 1), covered, "{entry} {host}");
        }
    }

    #[test]
    fn ports_narrow_an_entry() {
        for (entry, host) in [
            ("crm.example:8443", "crm.example"),
            ("[fd00::1]:8443", "fd00::1"),
            ("*:8443", "x"),
            ("10.0.0.0/8:8443", "10.1.2.3"),
        ] {
            assert!(covers(entry, host, 8443) && !covers(entry, host, 443), "{entry}");
        }
    }

    #[test]
    fn mistakes_are_refused() {
        for entry in
            ["", ".", "a b", "10.0.0.0/33", "fd00::/129", "x:0", "x:port", "[::1", "[x]:1", "http://x", "*x", "a..b"]
        {
            assert!(Exception::parse(entry).is_err(), "{entry}");
        }
    }
}
