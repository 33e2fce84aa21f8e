//! What stands before an upstream: who may pass, and which credential of the agent's goes on.
//!
//! Where the agent holds the key, whoever passes has the key's rights. So callers must prove who they are, by a token or a
//! certificate, on every listener that other machines can reach. On loopback the machine's own programs are believed, unless
//! the configuration says otherwise; a web page in a browser on that machine is not.

use super::injection::Injection;
use super::router::Shown;
use super::worker::Worker;
use super::{Config, headers::Caller};
use crate::exchange::AgentError;
use crate::upstream;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, request};
use std::net::IpAddr;
use std::sync::Arc;

/// Says where a browser's request comes from (W3C Fetch Metadata); pages cannot leave it out.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Before one upstream.
pub struct Gate {
    always: bool,
    allowed: Option<Vec<Arc<str>>>,
    /// The first is the upstream's own, if it has one; the others are of single integrations.
    injections: Vec<(Option<Arc<str>>, Injection)>,
}

/// Which of a gate's credentials is put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// What is known of who calls.
#[derive(Debug)]
struct Claim<'a> {
    /// The integration that the call is attributed to, by whatever evidence.
    named: &'a str,
    /// The listener is that integration's.
    pinned: bool,
    /// The token's holder: nobody without one, none if it is nobody's.
    token: Result<Option<&'a str>, ()>,
    /// It showed a certificate of an authority that counts here.
    certified: bool,
    /// It is a program of this machine.
    local: bool,
}

impl Gate {
    /// The gates of all upstreams, in their order; `None` before those that anybody may call with his own credential.
    pub fn all(config: &Config, upstreams: &[upstream::Config], key: &[u8; 32]) -> Vec<Option<Self>> {
        upstreams.iter().map(|upstream| Self::new(config, upstream, key)).collect()
    }

    fn new(config: &Config, upstream: &upstream::Config, key: &[u8; 32]) -> Option<Self> {
        let made = |credential| Injection::new(credential, &upstream.profile, key);
        let mut injections: Vec<_> = upstream.credential.iter().map(|common| (None, made(common))).collect();
        for integration in &config.integrations {
            let own = integration.upstream_credentials.iter().find(|(name, _)| *name == upstream.name);
            injections.extend(own.map(|(_, credential)| (Some(Arc::clone(&integration.name)), made(credential))));
        }
        let upstream::Access { always, integrations } = &upstream.access;
        let stands = *always || integrations.is_some() || !injections.is_empty();
        let allowed = integrations.clone();
        stands.then_some(Self { always: *always, allowed, injections })
    }

    /// The credential in `slot`.
    pub fn injection(&self, slot: Slot) -> &Injection {
        &self.injections[slot.0].1
    }

    /// Each credential and the integration it is for, if it is for one.
    pub fn injections(&self) -> impl Iterator<Item = (Option<&Arc<str>>, &Injection)> {
        self.injections.iter().map(|(integration, injection)| (integration.as_ref(), injection))
    }

    /// As [`Gate::choose`], unless this call would show the credential.
    fn admit(&self, claim: &Claim<'_>, method: &Method) -> Result<Option<Slot>, AgentError> {
        match self.choose(claim)? {
            // The upstream would send back what it got, the credential among it (RFC 9110 section 9.3.8).
            Some(_) if method == Method::TRACE => Err(AgentError::UnsupportedTarget),
            slot => Ok(slot),
        }
    }

    /// Whether the caller may pass, and what is put on its call.
    fn choose(&self, claim: &Claim<'_>) -> Result<Option<Slot>, AgentError> {
        let token = claim.token.map_err(|()| AgentError::CallerUnauthenticated)?;
        let believed = claim.local && !self.always;
        let of = |who: Option<&str>| self.injections.iter().position(|(name, _)| name.as_deref() == who).map(Slot);
        let (own, common) = (of(Some(claim.named)), of(None));
        let asked = self.always || self.allowed.is_some() || own.is_some() || common.is_some();
        if asked && !believed && token.is_none() && !claim.certified {
            return Err(AgentError::CallerUnauthenticated);
        }
        let proven = match token {
            Some(holder) => Some(holder).filter(|holder| !claim.pinned || *holder == claim.named),
            None => (believed || (claim.certified && claim.pinned)).then_some(claim.named),
        };
        if let Some(allowed) = &self.allowed {
            match proven {
                None => return Err(AgentError::CallerUnauthenticated),
                Some(name) if !allowed.iter().any(|a| **a == *name) => return Err(AgentError::CallerForbidden),
                Some(_) => {}
            }
        }
        match own {
            Some(_) if proven != Some(claim.named) => Err(AgentError::CallerUnauthenticated),
            own => Ok(own.or(common)),
        }
    }
}

/// Lets a call to `upstream` pass, or says why not; what is to be put on it comes back. `named` is the integration that the
/// call is attributed to. A token in a key's place is taken out: it is for the agent alone. That no path leads out of the
/// upstream's own has been seen to.
pub fn pass(
    worker: &Worker,
    listener: usize,
    caller: &Caller,
    parts: &mut request::Parts,
    (upstream, named): (usize, &str),
) -> Result<Option<Slot>, AgentError> {
    let router = &worker.shared.router;
    let slot = match &worker.shared.gates[upstream] {
        None => None,
        Some(gate) => {
            let entrance = worker.entrance(listener);
            let claim = Claim {
                named,
                pinned: router.pinned(listener).is_some(),
                token: match router.shown(&parts.headers) {
                    Shown::Nothing => Ok(None),
                    Shown::Invalid => Err(()),
                    Shown::TokenOf(integration) => Ok(Some(&*router.integration(integration).name)),
                },
                certified: caller.certified.is_some() && caller.certified == entrance.and_then(|e| e.authority),
                local: entrance.is_some_and(|e| e.loopback) && is_of_this_machine(&parts.headers),
            };
            gate.admit(&claim, &parts.method)?
        }
    };
    router.take_token(&mut parts.headers);
    Ok(slot)
}

/// True for a call of a program, false for one that a web page made a browser send: a page says whence it comes, and one that
/// had its own name lead to this machine says that name.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let by_page = headers.contains_key(ORIGIN) || headers.get(FETCH_SITE).is_some_and(|site| site != "none");
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    !by_page && host.is_none_or(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let named = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    named || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
