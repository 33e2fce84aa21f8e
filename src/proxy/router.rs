//! Who calls, and where to: pure, from the request's head and the configuration alone.
//!
//! An integration is found by, in this order: listener, caller token, credential fingerprint, path prefix, header.
//! What served to find it (prefix, header, token) is stripped before forwarding.

use super::{Config, Integration};
use crate::exchange::AgentError;
use crate::upstream;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use std::collections::HashMap;

/// The header a caller's token is sent in; never forwarded.
pub const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-vigie-token");

/// Index of the integration that stands for callers nobody named.
pub const UNKNOWN: usize = 0;

/// Where one request goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Routed<'a> {
    /// Index into the upstreams.
    pub upstream: usize,
    /// Index into the integrations, 0 being `unknown`.
    pub integration: usize,
    /// The path with routing prefixes stripped; starts with `/` or is empty.
    pub path: &'a str,
    /// The header that named the integration, to be stripped.
    pub strip: Option<HeaderName>,
    /// Keyed hash of the credential, if one was sent.
    pub fingerprint: Option<u64>,
}

/// The configuration, indexed for look-up.
pub struct Router {
    integrations: Vec<Integration>,
    listeners: Vec<(Option<usize>, Option<usize>)>,
    prefixes: Vec<(String, usize)>,
    default_upstream: Option<usize>,
    tokens: HashMap<[u8; 32], usize>,
    fingerprints: HashMap<u64, usize>,
    integration_prefixes: Vec<(String, usize)>,
    headers: Vec<(HeaderName, Vec<u8>, usize)>,
    fingerprint_key: [u8; 32],
}

impl Router {
    /// Indexes the configuration. `fingerprint_key` keys the credential hashes.
    pub fn new(config: &Config, upstreams: &[upstream::Config], fingerprint_key: [u8; 32]) -> Self {
        let mut integrations = vec![Integration::unknown()];
        integrations.extend(config.integrations.iter().cloned());
        let find = |name: &Option<std::sync::Arc<str>>| {
            name.as_ref().and_then(|n| integrations.iter().position(|i| i.name == *n))
        };
        let listeners = config
            .listeners
            .iter()
            .map(|l| {
                let pinned = l.upstream.as_ref().and_then(|n| upstreams.iter().position(|u| u.name == *n));
                (pinned, find(&l.integration))
            })
            .collect();
        let mut prefixes: Vec<_> =
            upstreams.iter().enumerate().filter_map(|(i, u)| Some((u.path_prefix.clone()?, i))).collect();
        longest_first(&mut prefixes);
        let mut integration_prefixes: Vec<_> =
            integrations.iter().enumerate().filter_map(|(i, x)| Some((x.path_prefix.clone()?, i))).collect();
        longest_first(&mut integration_prefixes);
        let numbered = || integrations.iter().enumerate();
        let tokens = numbered().flat_map(|(i, x)| x.token_hashes.iter().map(move |h| (*h, i))).collect();
        let headers = numbered()
            .filter_map(|(i, x)| x.header.as_ref().map(|(n, v)| (n.clone(), v.clone().into_bytes(), i)))
            .collect();
        let fingerprints = numbered()
            .flat_map(|(i, x)| {
                let of_credentials = x
                    .credentials
                    .iter()
                    .map(|c| fingerprint(&fingerprint_key, credential(c.expose().as_bytes())))
                    .collect::<Vec<_>>();
                x.fingerprints.iter().copied().chain(of_credentials).map(move |f| (f, i))
            })
            .collect();
        Self {
            listeners,
            prefixes,
            default_upstream: upstreams.iter().position(|u| u.path_prefix.is_none()),
            tokens,
            fingerprints,
            integration_prefixes,
            headers,
            fingerprint_key,
            integrations,
        }
    }

    /// Gives the listeners numbers of their own; until then they have those of their order.
    pub fn number_listeners(&mut self, slots: &[usize]) {
        let mut numbered = vec![(None, None); slots.iter().max().map_or(0, |last| last + 1)];
        for (listener, slot) in self.listeners.iter().zip(slots) {
            numbered[*slot] = *listener;
        }
        self.listeners = numbered;
    }

    /// The integration at an index that [`Router::route`] gave.
    pub fn integration(&self, index: usize) -> &Integration {
        &self.integrations[index]
    }

    /// Finds integration and upstream of a request that came in by `listener`.
    pub fn route<'a>(&self, listener: usize, path: &'a str, headers: &HeaderMap) -> Result<Routed<'a>, AgentError> {
        let (pinned, by_listener) = self.listeners.get(listener).copied().unwrap_or_default();
        let fingerprint =
            headers.get(AUTHORIZATION).map(|v| fingerprint(&self.fingerprint_key, credential(v.as_bytes())));
        let by_prefix = match_prefix(&self.integration_prefixes, path);
        let by_header = || self.headers.iter().find(|(n, v, _)| headers.get(n).is_some_and(|h| h.as_bytes() == v));
        let by_token = || {
            let token = headers.get(TOKEN_HEADER)?;
            self.tokens.get(blake3::hash(token.as_bytes()).as_bytes()).copied()
        };
        let by_header = by_header();
        let integration = by_listener
            .or_else(by_token)
            .or_else(|| self.fingerprints.get(&fingerprint?).copied())
            .or_else(|| by_prefix.map(|(_, i)| i))
            .or_else(|| by_header.map(|(.., i)| *i))
            .unwrap_or(UNKNOWN);
        // It names the integration that was chosen, by whatever evidence: the CRM has no use for it.
        let strip = by_header.filter(|(.., i)| *i == integration).map(|(name, ..)| name.clone());
        let path = match by_prefix {
            Some((prefix, i)) if i == integration => &path[prefix.len()..],
            _ => path,
        };
        let (upstream, path) = match (pinned, match_prefix(&self.prefixes, path)) {
            (Some(pinned), Some((prefix, i))) if i == pinned => (pinned, &path[prefix.len()..]),
            (Some(pinned), _) => (pinned, path),
            (None, Some((prefix, i))) => (i, &path[prefix.len()..]),
            (None, None) => (self.default_upstream.ok_or(AgentError::NoUpstream)?, path),
        };
        Ok(Routed { upstream, integration, path, strip, fingerprint })
    }
}

/// The credential inside an `Authorization` value: without scheme word, `token=` and quotes, so that a key configured
/// alone and the whole header value give the same fingerprint.
fn credential(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let rest = memchr::memchr(b' ', value).map_or(value, |at| value[at..].trim_ascii());
    let rest = rest.strip_prefix(b"token=").unwrap_or(rest);
    rest.strip_prefix(b"\"").and_then(|r| r.strip_suffix(b"\"")).unwrap_or(rest)
}

fn fingerprint(key: &[u8; 32], credential: &[u8]) -> u64 {
    let hash = blake3::keyed_hash(key, credential);
    u64::from_be_bytes(hash.as_bytes()[..8].try_into().expect("a blake3 hash has 32 bytes"))
}

fn longest_first(prefixes: &mut [(String, usize)]) {
    prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
}

/// The longest prefix that ends at a segment border of `path`.
fn match_prefix<'p>(prefixes: &'p [(String, usize)], path: &str) -> Option<(&'p str, usize)> {
    let at_border = |rest: &str| rest.is_empty() || rest.starts_with('/');
    prefixes
        .iter()
        .find(|(prefix, _)| path.strip_prefix(prefix.as_str()).is_some_and(at_border))
        .map(|(prefix, i)| (prefix.as_str(), *i))
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
