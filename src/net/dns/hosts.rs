//! /etc/hosts (hosts(5)): what the machine knows itself comes before what servers say.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Bytes read of the file: a hundred times what usual ones hold, and enough for large block lists.
const MAX_BYTES: u64 = 8 << 20;

/// The addresses that `host` has in the file at `path`, and those of this machine for `localhost`.
pub fn addresses(path: &Path, host: &str) -> Vec<IpAddr> {
    let mut text = String::new();
    if let Ok(file) = std::fs::File::open(path) {
        // What is read until it fails counts; a file that is not text says nothing.
        let _ = file.take(MAX_BYTES).read_to_string(&mut text);
    }
    let found = find(&text, host);
    let here = found.is_empty() && super::super::egress::is_here(host);
    if here { vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()] } else { found }
}

fn find(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(ip) = words.next().and_then(|ip| ip.parse().ok()) else { continue };
        if words.any(|name| name.eq_ignore_ascii_case(host)) && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_found() {
        let text = "127.0.0.1 localhost\n10.0.0.1 crm.corp CRM # crm2\n::2 crm.corp\nbad crm.corp\n10.0.0.1 crm.corp\n";
        let found = |host| find(text, host).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("crm.corp."), ["10.0.0.1", "::2"]);
        assert_eq!(found("crm"), ["10.0.0.1"]);
        assert_eq!(found("crm2"), [""; 0]);
    }

    #[test]
    fn localhost_is_here_whatever_the_file_says() {
        assert_eq!(addresses(Path::new("/nonexistent"), "api.localhost").len(), 2);
        assert_eq!(addresses(Path::new("/nonexistent"), "crm.example"), [] as [IpAddr; 0]);
    }
}
