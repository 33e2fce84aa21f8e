//! What no schema can say: references, duplicates, reachability, and what must not leave the machine in plain text.
//!
//! Runs on what the schema left standing, so that all errors come at once; where something was taken out, a check that
//! would need it stays silent instead of guessing.

use super::env::Env;
use super::raw::{File, Http, ListenerTls, Proxy, Upstream};
use super::report::{Report, suggestion};
use super::scalar::{Address, Link, Span};
use super::tree::{Node, Path, Value};
use super::validate::subject;
use crate::vendors::Profile;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

mod admin;
mod credentials;
mod integrations;
mod network;
mod secrets;
mod tls;

pub use credentials::form;
pub use tls::{files, trust};

/// The listener of a file that names none.
pub const DEFAULT_PROXY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// What a listener off loopback needs.
const PROXY_REMEDY: &str = "use 127.0.0.1, give it a certificate in tls, or set allow_plaintext: true beside it";
const ADMIN_REMEDY: &str = "use 127.0.0.1, give it a certificate in tls, or set allow_plaintext: true beside it";
/// Labels of what is in no configured place, and what each stands for.
const RESERVED: [(&str, &str); 4] = [
    ("unknown", "callers that no integration names"),
    ("other", "what goes beyond a cap"),
    ("none", "calls refused before an upstream was found"),
    ("vigie", "the agent itself"),
];

/// One listener, from `address` or from `listeners`, and where it is written.
pub struct Listening<'a> {
    /// Path of its mapping.
    pub path: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its upstream, if it is pinned.
    pub upstream: Option<&'a str>,
    /// Its integration, if it is pinned.
    pub integration: Option<&'a str>,
    /// Its certificate, if it has one.
    pub tls: Option<&'a ListenerTls>,
    /// HTTP/2 in plain text.
    pub prior_knowledge: bool,
    /// What callers call it.
    pub public_url: Option<&'a Link>,
    allow_plaintext: bool,
}

impl Proxy {
    /// The listeners, whichever way they were written.
    pub fn listening(&self) -> Vec<Listening<'_>> {
        let Some(listeners) = &self.listeners else {
            let address = self.address.as_ref().map_or(DEFAULT_PROXY, |Address(a)| *a);
            let (tls, prior_knowledge) = (self.tls.as_ref(), self.http2_prior_knowledge);
            let (path, allow_plaintext) = ("proxy".to_owned(), self.allow_plaintext);
            let public_url = self.public_url.as_ref();
            return vec![Listening {
                path,
                address,
                upstream: None,
                integration: None,
                tls,
                prior_knowledge,
                public_url,
                allow_plaintext,
            }];
        };
        let listening = listeners.iter().enumerate().map(|(i, l)| Listening {
            path: format!("proxy/listeners/{i}"),
            address: l.address.0,
            upstream: l.upstream.as_deref(),
            integration: l.integration.as_deref(),
            tls: l.tls.as_ref(),
            prior_knowledge: l.http2_prior_knowledge,
            public_url: l.public_url.as_ref(),
            allow_plaintext: l.allow_plaintext,
        });
        listening.collect()
    }
}

/// Reports everything that is wrong or doubtful in `file`, which was read from `root`.
pub fn check(file: &File, root: &Node, schema: &serde_json::Value, env: &Env, report: &mut Report) {
    let mut checker = Checker { file, root, report };
    checker.listeners();
    checker.references();
    admin::check(&mut checker);
    checker.names();
    checker.routing();
    checker.upstreams();
    checker.prefixes();
    integrations::check(&mut checker);
    credentials::check(&mut checker);
    checker.bounds();
    network::check(&mut checker, env);
    checker.sinks();
    secrets::check(&mut checker, schema);
}

struct Checker<'a> {
    file: &'a File,
    root: &'a Node,
    report: &'a mut Report,
}

impl Checker<'_> {
    fn error(&mut self, path: &str, message: impl Into<String>) {
        if !self.report.broken(path) {
            self.report.error_in(self.root, path, message);
        }
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.report.warn_in(self.root, path, message);
    }

    fn written(&self, path: &str) -> bool {
        self.root.at(&Path::of(path)).is_some()
    }

    fn listeners(&mut self) {
        if self.written("proxy/address") && self.written("proxy/listeners") {
            self.error("proxy/address", "given beside listeners; move it into the list or remove it");
        }
        for key in ["allow_plaintext", "tls", "http2_prior_knowledge", "public_url"] {
            let path = format!("proxy/{key}");
            if self.written(&path) && self.written("proxy/listeners") {
                self.error(&path, "applies to address only; write it on each listener");
            }
        }
        let mut taken: BTreeMap<SocketAddr, String> = BTreeMap::new();
        for listener in self.file.proxy.listening() {
            let address = format!("{}/address", listener.path);
            if !self.written(&format!("{}/tls", listener.path)) {
                self.plaintext(&listener.path, listener.address, listener.allow_plaintext, PROXY_REMEDY);
            }
            tls::listener(self, &listener);
            self.once(&mut taken, listener.address, &address);
        }
        self.once(&mut taken, self.file.admin.address.0, "admin/address");
    }

    /// Refuses an address that is already taken; port 0 never is.
    fn once(&mut self, taken: &mut BTreeMap<SocketAddr, String>, address: SocketAddr, path: &str) {
        if address.port() == 0 {
            return;
        }
        match taken.get(&address) {
            Some(first) => {
                let message =
                    format!("{address} is already the address of {}; use another port", Path::of(first).parent());
                self.error(path, message);
            }
            None => drop(taken.insert(address, path.to_owned())),
        }
    }

    fn plaintext(&mut self, path: &str, address: SocketAddr, allowed: bool, remedy: &str) {
        match (address.ip().is_loopback(), allowed) {
            (true, _) => {}
            (false, false) => self.error(
                &format!("{path}/address"),
                format!(
                    "{address} is not a loopback address, so tokens would cross the network in plain text; {remedy}"
                ),
            ),
            (false, true) => {
                self.warn(
                    &format!("{path}/allow_plaintext"),
                    format!("tokens reach {address} in plain text; let something in front of it end TLS"),
                );
            }
        }
    }

    /// Reads the names from the tree: they can be judged although something else in the list is wrong.
    fn references(&mut self) {
        let listeners = match self.root.at(&Path::of("proxy/listeners")).map(|n| &n.value) {
            Some(Value::Sequence(items)) => items.len(),
            _ => 0,
        };
        for i in 0..listeners {
            self.known(&format!("proxy/listeners/{i}/upstream"), "upstream");
            self.known(&format!("proxy/listeners/{i}/integration"), "integration");
        }
    }

    fn known(&mut self, path: &str, kind: &str) {
        let Some(Value::Scalar(scalar)) = self.root.at(&Path::of(path)).map(|n| &n.value) else { return };
        let names = self.root.keys(&format!("{kind}s"));
        if names.contains(&scalar.text.as_str()) {
            return;
        }
        let right = if names.is_empty() { format!("{kind}s is empty") } else { suggestion(&scalar.text, names) };
        let name = self.subject(path);
        self.error(path, format!("there is no {kind} called {name}; {right}"));
    }

    fn names(&mut self) {
        for section in ["upstreams", "integrations"] {
            for name in self.root.keys(section) {
                let Some((_, what)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) else { continue };
                let message = format!("in metrics and records \"{name}\" stands for {what}; choose another name");
                self.error(&format!("{section}/{name}"), message);
            }
        }
    }

    /// Whether every upstream can be reached.
    fn routing(&mut self) {
        let names = self.root.keys("upstreams");
        if names.is_empty() {
            let message = "missing; name at least one CRM endpoint, e.g. crm: {vendor: freshsales, url: https://acme.myfreshworks.com}";
            self.error("upstreams", message);
        }
        if names.is_empty() || self.report.broken("proxy/listeners") {
            return;
        }
        let listening = self.file.proxy.listening();
        let pinned = |name: &str| listening.iter().any(|l| l.upstream == Some(name));
        let open = listening.iter().any(|l| l.upstream.is_none());
        let mut rest = None;
        for name in &names {
            let prefix = format!("upstreams/{name}/path_prefix");
            // What could not be read at all may have one.
            let prefixed = self.written(&prefix) || self.report.refused(&format!("upstreams/{name}"));
            let pinned = pinned(name);
            if !pinned && !open {
                let message = "no listener leads here; each is pinned to another upstream";
                self.error(&format!("upstreams/{name}"), message);
            } else if !prefixed && let Some(first) = rest {
                let message = format!(
                    "missing; upstreams.{first} takes all calls without a prefix, so it needs one, or a listener pinned to it"
                );
                if !pinned {
                    self.error(&prefix, message);
                }
            } else if !prefixed {
                // The first without a prefix answers for every path that no prefix matches.
                rest = Some(name);
            }
        }
    }

    fn upstreams(&mut self) {
        let (short, long) = (Duration::from_millis(10), Duration::from_secs(3600));
        for (name, upstream) in &self.file.upstreams {
            let path = |key: &str| format!("upstreams/{name}/{key}");
            let times = &upstream.timeouts;
            for (key, span) in [("connect", &times.connect), ("head", &times.head), ("idle", &times.idle)] {
                self.range(&path(&format!("timeouts/{key}")), span, short..=long, "10ms to 1h");
            }
            if let Some(quota) = &upstream.quota {
                let bounds = Duration::from_secs(1)..=Duration::from_secs(31 * 86_400);
                self.range(&path("quota/window"), &quota.window, bounds, "1s to 31d");
            }
            tls::upstream(self, name, upstream);
            if !upstream.upgrades.is_empty() && matches!(upstream.http, Http::Two) {
                self.error(&path("upgrades"), "needs HTTP/1.1, and http: 2 rules it out; remove one of them");
            }
            self.links(name, upstream);
            let plain = !upstream.url.0.tls && !upstream.url.0.is_loopback();
            if plain && !upstream.allow_plaintext {
                self.error(&path("url"), "credentials would cross the network in plain text; use https, or set allow_plaintext: true beside it");
            } else if plain {
                self.warn(&path("allow_plaintext"), "credentials reach it in plain text");
            }
        }
    }

    fn links(&mut self, name: &str, upstream: &Upstream) {
        let names = |vendor| Profile::builtin(vendor).is_none_or(|profile| profile.names_links());
        if upstream.rewrite_links && !names(&upstream.vendor) {
            let message = format!("has no effect; the profile {} names no places of links", upstream.vendor);
            self.warn(&format!("upstreams/{name}/rewrite_links"), message);
        }
    }

    fn prefixes(&mut self) {
        let mut taken: BTreeMap<&str, String> = BTreeMap::new();
        for section in ["upstreams", "integrations"] {
            for name in self.root.keys(section) {
                let prefix = match section {
                    "upstreams" => self.file.upstreams.get(name).and_then(|u| u.path_prefix.as_deref()),
                    _ => self.file.integrations.get(name).and_then(|i| i.path_prefix.as_deref()),
                };
                let Some(prefix) = prefix else { continue };
                match taken.get(prefix) {
                    Some(first) => {
                        let path = format!("{section}/{name}/path_prefix");
                        let prefix = self.subject(&path);
                        self.error(&path, format!("{prefix} is already the prefix of {first}; choose another"));
                    }
                    None => drop(taken.insert(prefix, format!("{section}.{name}"))),
                }
            }
        }
    }

    fn range(&mut self, path: &str, span: &Span, bounds: std::ops::RangeInclusive<Duration>, words: &str) {
        if !bounds.contains(&span.0) {
            self.out_of_range(path, words);
        }
    }

    fn file_named(&self, path: &str) -> String {
        match self.subject(path) {
            text if text.starts_with('"') => format!("file {text}"),
            hidden => format!("the file named by {}", hidden.trim_start_matches("the value of ")),
        }
    }

    /// The value at `path` as messages call it; what came from a variable is not shown.
    fn subject(&self, path: &str) -> String {
        subject(self.root.at(&Path::of(path)), &serde_json::Value::Null)
    }

    fn out_of_range(&mut self, path: &str, words: &str) {
        let value = self.subject(path);
        self.error(path, format!("{value} is out of range; use {words}"));
    }

    fn bounds(&mut self) {
        let file = self.file;
        self.range("proxy/drain", &file.proxy.drain, Duration::ZERO..=Duration::from_secs(600), "0s to 10m");
        self.range("proxy/drain_delay", &file.proxy.drain_delay, Duration::ZERO..=Duration::from_secs(300), "0s to 5m");
        let slow = Duration::from_millis(1)..=Duration::from_secs(3600);
        self.range("traces/keep_slower_than", &file.traces.keep_slower_than, slow, "1ms to 1h");
        let limits = &file.proxy.limits;
        let (second, ten, hour) = (Duration::from_secs(1), Duration::from_secs(600), Duration::from_secs(3600));
        self.range("proxy/limits/head_timeout", &limits.head_timeout, second..=ten, "1s to 10m");
        self.range("proxy/limits/rate_window", &limits.rate_window, second..=ten, "1s to 10m");
        self.range("proxy/limits/keep_alive", &limits.keep_alive, second..=hour, "1s to 1h");
        let sizes = [
            ("proxy/limits/head", limits.head.0, 4 << 10, 256 << 10, "4KiB to 256KiB"),
            ("proxy/limits/answer_head", limits.answer_head.0, 4 << 10, 256 << 10, "4KiB to 256KiB"),
            ("proxy/limits/uri", limits.uri.0, 1 << 10, 60 << 10, "1KiB to 60KiB"),
            ("proxy/limits/body", limits.body.as_ref().map_or(1 << 10, |b| b.0), 1 << 10, 1 << 50, "1KiB or more"),
            ("proxy/limits/min_rate", limits.min_rate.0, 0, 1 << 20, "at most 1MiB"),
            ("proxy/capture/total", file.proxy.capture.total.0, 1 << 20, 64 << 30, "1MiB to 64GiB"),
            ("proxy/capture/request", file.proxy.capture.request.0, 0, 16 << 20, "at most 16MiB"),
            ("proxy/capture/response", file.proxy.capture.response.0, 0, 16 << 20, "at most 16MiB"),
            ("recorder/queue_bytes", file.recorder.queue_bytes.0, 1 << 20, 64 << 30, "1MiB to 64GiB"),
            (
                "log/file/max_size",
                file.log.file.as_ref().map_or(4 << 10, |f| f.max_size.0),
                4 << 10,
                1 << 40,
                "4KiB to 1TiB",
            ),
            ("history/max_size", file.history.max_size.0, 16 << 20, 1 << 50, "16MiB to 1024TiB"),
        ];
        for (path, bytes, min, max, words) in sizes {
            if !(min..=max).contains(&bytes) {
                self.out_of_range(path, words);
            }
        }
    }

    fn sinks(&mut self) {
        let File { log, history, .. } = self.file;
        if !log.stdout && log.file.is_none() && !history.enabled && !self.report.broken("log") {
            self.warn("log", "no exchange is kept anywhere: stdout, file and history are all off");
        }
    }
}
