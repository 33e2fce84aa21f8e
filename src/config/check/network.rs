//! Whether the ways out fit together: the proxy's keys with each other, names with their resolver.

use super::Checker;
use crate::config::raw::Resolver;
use crate::config::{egress, env::Env};
use crate::net;
use crate::tls::Trust;
use std::path::PathBuf;

/// Reports what is wrong or doubtful in `network`.
pub fn check(checker: &mut Checker<'_>, env: &Env) {
    let network = &checker.file.network;
    for (path, span, least, most, words) in network.bounds() {
        checker.range(path, span, least..=most, words);
    }
    if network.dns.resolver == Resolver::System && !network.dns.servers.is_empty() {
        checker.error("network/dns/servers", "are asked by resolver: dns alone; remove them, or resolver: system");
    }
    proxies(checker, env);
    credentials(checker);
    trust(checker);
}

fn proxies(checker: &mut Checker<'_>, env: &Env) {
    let proxy = &checker.file.network.proxy;
    for (key, link) in [("https", &proxy.https), ("http", &proxy.http)] {
        if link.as_ref().is_some_and(|link| !link.0.path.is_empty()) {
            checker.error(&format!("network/proxy/{key}"), "has a path, but a proxy has none; end it after the port");
        }
    }
    let named = proxy.https.is_some() || proxy.http.is_some();
    if let Some((name, _)) = egress::variables(env).into_iter().flatten().next().filter(|_| named) {
        checker.warn("network/proxy", format!("takes the place of {name} and the environment's other proxies"));
    }
}

fn credentials(checker: &mut Checker<'_>) {
    let proxy = &checker.file.network.proxy;
    let links =
        || [("https", &proxy.https), ("http", &proxy.http)].into_iter().filter_map(|(k, l)| Some((k, l.as_ref()?)));
    if proxy.password.is_some() && proxy.username.is_none() {
        checker.error("network/proxy/username", "missing; password needs the user it belongs to");
    }
    if proxy.username.as_ref().is_some_and(|user| user.contains(':')) {
        checker.error("network/proxy/username", "holds a colon, which Basic credentials cannot carry (RFC 7617)");
    }
    if proxy.username.is_some() && links().next().is_none() && !checker.report.broken("network/proxy") {
        checker.warn("network/proxy/username", "is shown to nobody: neither https nor http names a proxy");
    }
    let plain = links().find(|(_, link)| !link.0.tls && !net::is_here(&link.0.host)).map(|(key, _)| key);
    if let Some(key) = plain.filter(|_| proxy.password.is_some()) {
        checker.warn(
            &format!("network/proxy/{key}"),
            "the password reaches the proxy in plain text; use https:// if it can",
        );
    }
}

fn trust(checker: &mut Checker<'_>) {
    let proxy = &checker.file.network.proxy;
    let Some(ca) = &proxy.tls.ca_file else { return };
    let tls = [&proxy.https, &proxy.http].into_iter().flatten().any(|link| link.0.tls);
    if !tls {
        checker.warn("network/proxy/tls/ca_file", "has no effect: no proxy's address is https://…");
    }
    let trust = Trust { ca: Some(PathBuf::from(ca)), ..Trust::default() };
    for error in trust.check() {
        super::tls::tell(checker, "network/proxy/tls", &error);
    }
}
