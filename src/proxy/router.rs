//! Who calls, and where to: pure, from the request's head and the configuration alone.
//!
//! An integration is found by, in this order: listener, caller token, credential fingerprint, path prefix, header.
//! What served to find it (prefix, header, token) is stripped before forwarding.

use super::credential::Credentials;
use super::{Config, Integration};
use crate::exchange::AgentError;
use crate::upstream;
use http::{HeaderMap, HeaderName};
use std::collections::HashMap;

/// The header a caller's token is sent in; never forwarded.
pub const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-vigie-token");

/// What a caller shows to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// A token that is nobody's, or more than one.
    Invalid,
    /// A token of this integration.
    TokenOf(usize),
}

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
    /// The prefixes that were taken off the path.
    pub stripped: Stripped,
}

/// Which prefixes a caller's path began with: those of its integration and of its upstream, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stripped {
    /// Of the integration.
    pub integration: bool,
    /// Of the upstream.
    pub upstream: bool,
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
    credentials: Credentials,
    /// Some upstream gets a credential from the agent: then a token may stand where callers put that credential.
    injects: bool,
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
        let credentials = Credentials::new(upstreams, fingerprint_key);
        let fingerprints = numbered()
            .flat_map(|(i, x)| {
                let of_credentials =
                    x.credentials.iter().map(|c| credentials.fingerprint(c.expose().as_bytes())).collect::<Vec<_>>();
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
            credentials,
            injects: upstreams.iter().any(|u| u.credential.is_some())
                || integrations.iter().any(|i| !i.upstream_credentials.is_empty()),
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

    /// Of several credentials, the one that names an integration, else the first.
    fn fingerprint(&self, headers: &HeaderMap, query: Option<&str>) -> Option<u64> {
        let mut first = None;
        for sent in self.credentials.sent(headers, query) {
            if self.fingerprints.contains_key(&sent) {
                return Some(sent);
            }
            first.get_or_insert(sent);
        }
        first
    }

    /// The integration that callers of `listener` are said to be.
    pub fn pinned(&self, listener: usize) -> Option<usize> {
        self.listeners.get(listener)?.1
    }

    /// What the caller shows. Tokens are looked up by their hash, so how long that takes tells nothing of them.
    ///
    /// Where the agent holds keys, a token may also be sent in a key's place: a caller that knows of one setting only,
    /// its key, needs no other.
    pub fn shown(&self, headers: &HeaderMap) -> Shown {
        let mut tokens = headers.get_all(TOKEN_HEADER).iter();
        match (tokens.next(), tokens.next()) {
            (Some(token), None) => self.token(token.as_bytes()).map_or(Shown::Invalid, Shown::TokenOf),
            (Some(_), Some(_)) => Shown::Invalid,
            (None, _) => self.in_place_of_key(headers).map_or(Shown::Nothing, |(_, of)| Shown::TokenOf(of)),
        }
    }

    /// Takes out a token in a key's place: it is for the agent alone.
    pub fn take_token(&self, headers: &mut HeaderMap) {
        while let Some(name) = self.in_place_of_key(headers).map(|(name, _)| name.clone()) {
            headers.remove(name);
        }
    }

    fn token(&self, token: &[u8]) -> Option<usize> {
        self.tokens.get(blake3::hash(token).as_bytes()).copied()
    }

    fn in_place_of_key<'a>(&'a self, headers: &'a HeaderMap) -> Option<(&'a HeaderName, usize)> {
        if !self.injects || self.tokens.is_empty() {
            return None;
        }
        self.credentials.keys(headers).find_map(|(name, key)| Some((name, self.token(&key)?)))
    }

    /// Finds integration and upstream of a request that came in by `listener`.
    pub fn route<'a>(
        &self,
        listener: usize,
        path: &'a str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Routed<'a>, AgentError> {
        let (pinned, by_listener) = self.listeners.get(listener).copied().unwrap_or_default();
        let fingerprint = self.fingerprint(headers, query);
        let by_prefix = match_prefix(&self.integration_prefixes, path);
        let by_header = || self.headers.iter().find(|(n, v, _)| headers.get(n).is_some_and(|h| h.as_bytes() == v));
        let by_token = || match (!self.tokens.is_empty()).then(|| self.shown(headers)) {
            Some(Shown::TokenOf(integration)) => Some(integration),
            Some(Shown::Nothing | Shown::Invalid) | None => None,
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
        let by_prefix = by_prefix.filter(|(_, i)| *i == integration);
        let path = by_prefix.map_or(path, |(prefix, _)| &path[prefix.len()..]);
        let (upstream, rest) = self.below(pinned, path).ok_or(AgentError::NoUpstream)?;
        let stripped = Stripped { integration: by_prefix.is_some(), upstream: rest.len() < path.len() };
        Ok(Routed { upstream, integration, path: rest, strip, fingerprint, stripped })
    }

    /// The upstream of a path, and what is left of the path.
    fn below<'a>(&self, pinned: Option<usize>, path: &'a str) -> Option<(usize, &'a str)> {
        match (pinned, match_prefix(&self.prefixes, path)) {
            (Some(pinned), Some((prefix, i))) if i == pinned => Some((pinned, &path[prefix.len()..])),
            (Some(pinned), _) => Some((pinned, path)),
            (None, Some((prefix, i))) => Some((i, &path[prefix.len()..])),
            (None, None) => Some((self.default_upstream?, path)),
        }
    }

    /// The path by which a caller of `listener`, whose own path began with the `stripped` prefixes of `from`'s, reaches
    /// `rest` at the upstream `to`. `None` if no path of that listener leads there and nowhere else.
    pub fn way_back(
        &self,
        listener: usize,
        (integration, from): (usize, usize),
        stripped: Stripped,
        to: usize,
        rest: &str,
    ) -> Option<String> {
        let (pinned, _) = self.listeners.get(listener).copied().unwrap_or_default();
        let own = stripped.integration.then(|| self.integrations[integration].path_prefix.as_deref()).flatten();
        let needed = if to == from { stripped.upstream } else { pinned != Some(to) };
        let of_upstream = needed.then(|| self.prefixes.iter().find(|(_, i)| *i == to)).flatten();
        let path = [own, of_upstream.map(|(prefix, _)| prefix.as_str()), Some(rest)].into_iter().flatten().collect();
        let path = at_least_root(path);
        // What follows must be understood as it is meant: another prefix may begin like this path.
        let below_own = match (match_prefix(&self.integration_prefixes, &path), own) {
            (Some((prefix, _)), Some(own)) if prefix == own => &path[own.len()..],
            (None, None) => path.as_str(),
            _ => return None,
        };
        let (upstream, left) = self.below(pinned, below_own)?;
        let same = upstream == to && left.trim_start_matches('/') == rest.trim_start_matches('/');
        same.then_some(path)
    }
}

fn at_least_root(path: String) -> String {
    if path.is_empty() { "/".to_owned() } else { path }
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
