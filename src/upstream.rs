//! What is known of one CRM endpoint that calls are forwarded to.

use crate::exchange::Origin;
use crate::net::Proxy;
use crate::tls::Trust;
use crate::vendors::{Profile, Written};
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;

/// Idle connections a worker keeps by default: enough for the largest fan-in measured, a few KiB each.
pub const MAX_IDLE_PER_WORKER: usize = 512;

/// One upstream, resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name used in labels.
    pub name: Arc<str>,
    /// The vendor's profile.
    pub profile: Arc<Profile>,
    /// True for `https`.
    pub tls: bool,
    /// Host to connect to and to send as `Host`.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// Path put before the caller's path; empty or starting with `/`, no trailing `/`.
    pub base_path: String,
    /// Requests whose path starts with this prefix come here, and the prefix is stripped; `None` for the only upstream or a pinned listener.
    pub path_prefix: Option<String>,
    /// How it is verified, and what it is shown.
    pub trust: Trust,
    /// The proxy on the way to it, if it is not called directly.
    pub egress: Option<Arc<Proxy>>,
    /// Which HTTP versions to speak to it.
    pub http: HttpVersion,
    /// Protocols that callers may switch to, in lower case.
    pub upgrades: Vec<HeaderValue>,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// How large the head of an answer may be.
    pub answer_head: AnswerHead,
    /// Idle connections kept per worker.
    pub max_idle_per_worker: usize,
    /// The limit to count against where the vendor tells none.
    pub quota: Option<DeclaredQuota>,
    /// Links in bodies are rewritten where the profile names their places.
    pub rewrite_links: bool,
    /// What the agent puts on calls in place of what callers send.
    pub credential: Option<Written>,
    /// Who may call.
    pub access: Access,
}

/// Who may call an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Callers must show a token or a certificate on loopback too; elsewhere they must where a credential is put on.
    pub always: bool,
    /// Only these integrations may, and must prove that they are.
    pub integrations: Option<Vec<Arc<str>>>,
}

impl Config {
    /// A plain-text upstream with every default, of the generic vendor.
    pub fn plain(name: &str, host: &str, port: u16, path_prefix: Option<&str>) -> Self {
        Self {
            name: Arc::from(name),
            profile: Profile::builtin("generic").expect("the generic profile is built in"),
            tls: false,
            host: host.to_string(),
            port,
            base_path: String::new(),
            path_prefix: path_prefix.map(str::to_string),
            trust: Trust::default(),
            egress: None,
            http: HttpVersion::Auto,
            upgrades: Vec::new(),
            timeouts: Timeouts::default(),
            answer_head: AnswerHead::default(),
            max_idle_per_worker: MAX_IDLE_PER_WORKER,
            quota: None,
            rewrite_links: false,
            credential: None,
            access: Access::default(),
        }
    }

    /// Its origin, as links in its answers are held against; `None` for a host that no URL can name.
    pub fn origin(&self) -> Option<Origin> {
        Origin::new(self.tls, &self.host, self.port)
    }

    /// `host`, or `host:port` when the port is not the scheme's default: the value of `Host`.
    pub fn authority(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
}

/// Bounds of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    /// Bytes, its first line included; in HTTP/2 of its decoded fields as RFC 9113 section 6.5.2 counts them.
    pub bytes: usize,
    /// Header lines.
    pub lines: usize,
}

impl Default for AnswerHead {
    fn default() -> Self {
        // CRMs send 1 to 4 KB; large policies and cookies may double that.
        Self { bytes: 64 << 10, lines: 100 }
    }
}

/// HTTP versions offered to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HttpVersion {
    /// Over TLS whatever ALPN agrees on, HTTP/2 preferred; in plain text HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only (with prior knowledge in plain text).
    Http2,
}

/// Time-outs towards an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP, the egress proxy's tunnel and TLS together.
    pub connect: Duration,
    /// Request sent to answer head.
    pub head: Duration,
    /// Longest standstill of a body, in either direction.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), head: Duration::from_secs(60), idle: Duration::from_secs(60) }
    }
}

/// A quota the operator knows from the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredQuota {
    /// Calls per window.
    pub limit: u64,
    /// Window length.
    pub window: Duration,
}
