//! Which egress proxy is in force: the file's, else the environment's.
//!
//! As curl does, the variables are read in lower case first, and HTTP_PROXY in upper case not where a request may have set
//! it (CGI, CVE-2016-5385). As Go does, what is on this machine is never asked of a proxy. The file's proxies take the place
//! of all variables; the file's exceptions count beside the environment's.

use super::Config;
use super::env::Env;
use super::raw::File;
use super::report::Report;
use super::scalar;
use super::tree::{Path, Pos};
use crate::net::{self, Egress, Exception, Proxy, Way};
use crate::secret::Secret;
use crate::tls::Trust;
use percent_encoding::percent_decode_str;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a proxy listens when its address does not say: what curl assumes.
const DEFAULT_PORT: u16 = 1080;

/// What is in force; reports what of the environment cannot be used.
pub fn resolve(file: &File, env: &Env, report: &mut Report) -> Egress {
    let raw = &file.network.proxy;
    let no_proxy: Vec<Exception> = raw.no_proxy.iter().map(|entry| entry.0.clone()).collect();
    if raw.https.is_none() && raw.http.is_none() {
        return if raw.environment { of_environment(no_proxy, env, report) } else { Egress::default() };
    }
    let authorization = raw.username.as_ref().map(|user| {
        let password = raw.password.as_ref().map_or("", |password| password.0.expose());
        net::basic(user, password)
    });
    let trust = Trust { ca: raw.tls.ca_file.as_ref().map(PathBuf::from), ..Trust::default() };
    let proxy = |link: &scalar::Link| {
        let scalar::Url { tls, host, port, .. } = link.0.clone();
        Arc::new(Proxy { tls, host, port, authorization: authorization.clone(), trust: trust.clone() })
    };
    let (https, http) = (raw.https.as_ref().map(proxy), raw.http.as_ref().map(proxy));
    Egress { https, http, no_proxy, source: "network.proxy".to_owned() }
}

/// The variables that name a proxy for `https` and for `http`, as far as they are set.
pub fn variables(env: &Env) -> [Option<(&'static str, &str)>; 2] {
    let set = |names: &[&'static str]| {
        names.iter().find_map(|name| Some((*name, env.get(name).filter(|value| !value.trim().is_empty())?)))
    };
    let by_request = env.get("REQUEST_METHOD").is_some();
    let http: &[_] = if by_request { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] };
    let all = set(&["all_proxy", "ALL_PROXY"]);
    [set(&["https_proxy", "HTTPS_PROXY"]).or(all), set(http).or(all)]
}

fn of_environment(mut no_proxy: Vec<Exception>, env: &Env, report: &mut Report) -> Egress {
    let variables = variables(env);
    let mut proxy = |named: Option<(&'static str, &str)>| {
        let (name, text) = named?;
        match of_text(text.trim()) {
            Ok(proxy) => Some(Arc::new(proxy)),
            Err(wrong) => {
                report.error(Pos::Env(name.into()), Path::default(), format!("its value {wrong}"));
                None
            }
        }
    };
    let (https, http) = (proxy(variables[0]), proxy(variables[1]));
    let names: Vec<_> = variables.iter().flatten().map(|(name, _)| *name).collect();
    let mut source = names.first().copied().unwrap_or_default().to_owned();
    if let [first, second] = names[..]
        && first != second
    {
        source = format!("{first}, {second}");
    }
    if https.is_some() || http.is_some() {
        let (name, text) =
            ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| Some((name, env.get(name)?))).unwrap_or_default();
        for entry in text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()) {
            match Exception::parse(entry) {
                Ok(exception) => no_proxy.push(exception),
                // Others read the variable too, and some write for them what nobody else understands.
                Err(_) => report.warn_of_variable(name, "holds an entry that is not understood, which is passed over"),
            }
        }
    }
    Egress { https, http, no_proxy, source }
}

/// `[http[s]://][user[:password]@]host[:port][/]`. Errors complete "its value …" and never repeat it: it may hold a password.
fn of_text(text: &str) -> Result<Proxy, String> {
    const RIGHT: &str = "write for example http://proxy.corp.example:3128";
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        socks if socks.starts_with("socks") => return Err(format!("is a SOCKS proxy, which is not spoken; {RIGHT}")),
        _ => return Err(format!("is neither http nor https; {RIGHT}")),
    };
    let (user, address) = rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
    let address = address.strip_suffix('/').unwrap_or(address);
    let default = if tls { 443 } else { DEFAULT_PORT };
    let (host, port) = scalar::host_and_port(address).ok_or_else(|| format!("has no valid host and port; {RIGHT}"))?;
    let authorization = user.map(credentials).transpose()?;
    Ok(Proxy { tls, host, port: port.unwrap_or(default), authorization, trust: Trust::default() })
}

fn credentials(user: &str) -> Result<Secret, String> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded = |text| percent_decode_str(text).decode_utf8().ok();
    match decoded(user).zip(decoded(password)) {
        Some((user, password)) => Ok(net::basic(&user, &password)),
        None => Err("has credentials that are not UTF-8 once decoded".to_owned()),
    }
}

/// How each upstream and the collector are reached, a line each; nothing where there is no proxy.
pub fn ways(config: &Config) -> Vec<String> {
    let egress = &config.egress;
    if egress.https.is_none() && egress.http.is_none() {
        return Vec::new();
    }
    let told = |what: String, tls, host: &str, port| {
        let way = match egress.way(tls, host, port) {
            Way::Through(proxy) => format!("through {proxy} ({})", egress.source),
            Way::Excepted(exception) => format!("directly (no_proxy: {exception})"),
            Way::Here => "directly (on this machine)".to_owned(),
            Way::Direct => format!("directly ({} names no proxy for {})", egress.source, scheme(tls)),
        };
        format!("{what}: {way}")
    };
    let upstreams = config.upstreams.iter().map(|u| told(format!("upstream {}", u.name), u.tls, &u.host, u.port));
    let collector = config.telemetry.traces.endpoint.as_deref().and_then(|endpoint| scalar::url(endpoint).ok());
    upstreams.chain(collector.map(|c| told("collector".to_owned(), c.tls, &c.host, c.port))).collect()
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

#[cfg(test)]
mod tests;
