//! /etc/resolv.conf (resolv.conf(5)): whom to ask, how patiently, and under which names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Where DNS servers listen.
const PORT: u16 = 53;
/// Servers asked at most, as in the C library.
const MAX_SERVERS: usize = 3;
/// Domains searched at most: Kubernetes writes up to six.
const MAX_SEARCH: usize = 8;
/// How long one server is waited for where nothing else is said. The C library's 5 s would be all of a connect time-out.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The largest `ndots` that counts, as in the C library.
const MAX_NDOTS: usize = 15;

/// How DNS is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Servers, in the order they are asked.
    pub servers: Vec<SocketAddr>,
    /// Domains to look below.
    pub search: Vec<String>,
    /// Dots from which on a name is first asked for as it is.
    pub ndots: usize,
    /// How long one server is waited for.
    pub timeout: Duration,
    /// How often all servers are asked.
    pub attempts: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout: TIMEOUT, attempts: 2 }
    }
}

impl Settings {
    /// Reads the file; `servers` stand in for its own where there are any. Without a file or a server in it, there is one
    /// on this machine.
    pub fn read(path: &Path, servers: &[SocketAddr]) -> Self {
        let mut settings = Self::parse(&std::fs::read_to_string(path).unwrap_or_default());
        if !servers.is_empty() {
            settings.servers = servers.to_vec();
        }
        settings
    }

    fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let server = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    settings.servers.extend(server.map(|ip| SocketAddr::new(ip, PORT)));
                }
                // The last of them counts.
                Some("search" | "domain") => {
                    let domains = words.map(|d| d.trim_matches('.').to_owned()).filter(|d| !d.is_empty());
                    settings.search = domains.take(MAX_SEARCH).collect();
                }
                Some("options") => words.for_each(|word| settings.option(word)),
                _ => {}
            }
        }
        settings.servers.truncate(MAX_SERVERS);
        if settings.servers.is_empty() {
            settings.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        settings
    }

    fn option(&mut self, word: &str) {
        let Some((name, Ok(value))) = word.split_once(':').map(|(name, v)| (name, v.parse::<u32>())) else { return };
        match name {
            "ndots" => self.ndots = (value as usize).min(MAX_NDOTS),
            "timeout" => self.timeout = Duration::from_secs(u64::from(value.clamp(1, 30))),
            "attempts" => self.attempts = value.clamp(1, 5),
            _ => {}
        }
    }

    /// The names that `host` may mean, in the order they are asked for.
    pub fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(absolute) = host.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{host}.{domain}")).collect();
        let dots = host.bytes().filter(|b| *b == b'.').count();
        names.insert(if dots >= self.ndots { 0 } else { names.len() }, host.to_owned());
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_writes_is_understood() {
        let text = "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\n\
                    options ndots:5 timeout:1 attempts:3 edns0\n";
        let settings = Settings::parse(text);
        assert_eq!(settings.servers, ["10.96.0.10:53".parse().expect("an address")]);
        assert_eq!((settings.timeout, settings.attempts), (Duration::from_secs(1), 3));
        let names = settings.candidates("acme.myfreshworks.com");
        assert_eq!(names[0], "acme.myfreshworks.com.shop.svc.cluster.local");
        assert_eq!(names[3], "acme.myfreshworks.com");
        assert_eq!(settings.candidates("acme.myfreshworks.com."), ["acme.myfreshworks.com"]);
    }

    #[test]
    fn odd_files_are_borne() {
        let settings =
            Settings::parse("# x\nnameserver nonsense\nnameserver fe80::1%eth0\noptions ndots:x\nsearch .\n");
        let one = Settings { servers: vec!["127.0.0.1:53".parse().expect("an address")], ..Settings::default() };
        assert_eq!(settings, one);
        assert_eq!(settings.candidates("crm.example"), ["crm.example"]);
        let many = Settings::parse(&"nameserver ::1\n".repeat(9));
        assert_eq!(many.servers, vec!["[::1]:53".parse::<SocketAddr>().expect("an address"); 3]);
    }

    #[test]
    fn a_name_with_dots_enough_is_asked_for_first() {
        let settings = Settings::parse("domain corp.example");
        assert_eq!(settings.candidates("crm"), ["crm.corp.example", "crm"]);
        assert_eq!(settings.candidates("crm.example"), ["crm.example", "crm.example.corp.example"]);
    }
}
