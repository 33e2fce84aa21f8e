//! The order in which a name's addresses are tried (RFC 8305 section 4): both families in turn, IPv6 first, what worked
//! before them all.

use std::net::{IpAddr, SocketAddr};

/// Addresses of one name that are kept at most: the largest pools in public DNS answer with 8 to 13.
pub const MAX_ADDRESSES: usize = 32;

/// Orders `addresses`; `proven` is the one that worked last.
pub fn order(addresses: &[IpAddr], proven: Option<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let proven = proven.filter(|ip| addresses.contains(ip));
    let rest = || addresses.iter().copied().filter(|ip| Some(*ip) != proven);
    let (mut six, mut four) = (rest().filter(IpAddr::is_ipv6), rest().filter(IpAddr::is_ipv4));
    let mut ordered: Vec<IpAddr> = proven.into_iter().collect();
    // After one that is proven the other family has its turn.
    let mut six_next = proven.is_none_or(|ip| ip.is_ipv4());
    while ordered.len() < addresses.len() {
        let next = if six_next { six.next().or_else(|| four.next()) } else { four.next().or_else(|| six.next()) };
        let Some(next) = next else { break };
        ordered.push(next);
        six_next = !six_next;
    }
    ordered.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(addresses: &[&str], proven: Option<&str>) -> Vec<String> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().expect("an address")).collect();
        let proven = proven.map(|p| p.parse().expect("an address"));
        order(&addresses, proven, 1).iter().map(|a| a.ip().to_string()).collect()
    }

    #[test]
    fn families_take_turns() {
        assert_eq!(ordered(&["1.1.1.1", "1.1.1.2", "::1", "::2"], None), ["::1", "1.1.1.1", "::2", "1.1.1.2"]);
        assert_eq!(ordered(&["1.1.1.1", "1.1.1.2", "::1"], None), ["::1", "1.1.1.1", "1.1.1.2"]);
        assert_eq!(ordered(&["1.1.1.1"], None), ["1.1.1.1"]);
        assert_eq!(ordered(&[], None), [""; 0]);
    }

    #[test]
    fn what_worked_comes_first_while_it_is_there() {
        let all = ["1.1.1.1", "1.1.1.2", "::1", "::2"];
        assert_eq!(ordered(&all, Some("1.1.1.2")), ["1.1.1.2", "::1", "1.1.1.1", "::2"]);
        assert_eq!(ordered(&all, Some("::2")), ["::2", "1.1.1.1", "::1", "1.1.1.2"]);
        assert_eq!(ordered(&all, Some("9.9.9.9"))[0], "::1");
    }
}
