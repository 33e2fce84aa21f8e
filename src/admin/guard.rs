//! Who may ask: `Host` against DNS rebinding, `Origin` against pages from elsewhere, then the token's role against the endpoint's, then the audit log.

use super::audit::{Action, Actor, Entry, masked_query};
use super::door::Peer;
use super::endpoint::{Endpoint, Who};
use super::tokens::Holder;
use super::{State, api};
use crate::telemetry::metrics::Refusal;
use axum::extract::{ConnectInfo, Request, State as Extract};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// Answers only to its own names, and to no page of another origin: a page in a browser must not reach a loopback service
/// through a name of its own, nor make it do anything through ours.
pub async fn host(Extract(state): Extract<Arc<State>>, request: Request, next: Next) -> Response {
    let named = request.uri().authority().map(|a| a.as_str()).or_else(|| text(request.headers(), HOST.as_str()));
    let (reason, status, detail) = match named {
        Some(host) if is_ours(&state, host) => {
            if request.headers().get_all(ORIGIN).iter().all(|origin| is_own_origin(&state, origin, host)) {
                return next.run(request).await;
            }
            let help = "Pages of this Origin are not answered here. If it is the read side's own behind a proxy, add its name to admin.allowed_hosts.";
            (Refusal::Origin, StatusCode::FORBIDDEN, help)
        }
        _ => {
            let help = "This Host is not answered here. Use the listening address or localhost, or add the name to admin.allowed_hosts.";
            (Refusal::Host, StatusCode::MISDIRECTED_REQUEST, help)
        }
    };
    state.metrics.agent().refused(reason);
    api::problem(status, detail)
}

/// The very `host` that was asked, port and all, since other programs of this machine have pages too; or a configured name,
/// which something in front may have replaced in `Host`. The scheme is not looked at: that something may speak TLS.
fn is_own_origin(state: &State, origin: &HeaderValue, host: &str) -> bool {
    let authority = origin.to_str().ok().and_then(|o| o.strip_prefix("http://").or_else(|| o.strip_prefix("https://")));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host) || is_configured(state, authority))
}

/// Named in `admin.allowed_hosts`, with or without its port.
fn is_configured(state: &State, host: &str) -> bool {
    let bare = bare(host);
    state.config.allowed_hosts.iter().any(|h| h.eq_ignore_ascii_case(bare) || h.eq_ignore_ascii_case(host))
}

/// A host without its port and brackets.
fn bare(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_start_matches('[').trim_end_matches(']')
}

fn is_ours(state: &State, host: &str) -> bool {
    let bare = bare(host);
    let by_address = bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == state.config.address.ip());
    // Listening on every address, any literal address reaches us directly and cannot be rebound.
    let on_all = state.config.address.ip().is_unspecified() && bare.parse::<IpAddr>().is_ok();
    by_address || on_all || bare.eq_ignore_ascii_case("localhost") || is_configured(state, host)
}

/// Lets the endpoint's roles pass, and writes down what changes or reveals something before it is done.
pub async fn role(
    Extract((state, endpoint)): Extract<(Arc<State>, &'static Endpoint)>,
    request: Request,
    next: Next,
) -> Response {
    let Who::Roles(roles) = endpoint.who else { return next.run(request).await };
    let address = peer(&request);
    let actor = match identify(&state, request.headers(), address) {
        Ok(None) => Actor::local(address),
        Ok(Some(holder)) if roles.contains(&holder.role) => Actor::holder(&holder, address),
        Ok(Some(holder)) => return forbidden(&state, endpoint, &holder, address).await,
        Err(unknown) => return unknown.answer(&state, address).await,
    };
    if let Some(action) = endpoint.action {
        let object = object(&state, request.uri().query());
        if let Err(error) = state.access.audit.record(Entry { actor, action, object }).await {
            let detail = format!("The audit log cannot be written ({error}), so nothing is shown.");
            return api::problem(StatusCode::SERVICE_UNAVAILABLE, &detail);
        }
    }
    next.run(request).await
}

/// What of a call goes into the audit log beside its action.
fn object(state: &State, query: Option<&str>) -> String {
    let pairs = api::pairs(query.unwrap_or(""));
    masked_query(&state.access.masker, pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())), &crate::history::KEYS)
}

/// Why a caller is nobody.
enum Unknown {
    /// No token.
    Missing,
    /// A token that is nobody's.
    Invalid,
    /// Too many such tokens from this address; this one was not looked at.
    Limited(Duration),
}

/// Who asks; `None` where no token is configured and everybody who can connect may.
fn identify(state: &State, headers: &HeaderMap, address: Option<IpAddr>) -> Result<Option<Holder>, Unknown> {
    if state.access.tokens.are_none() {
        return Ok(None);
    }
    let given = text(headers, AUTHORIZATION.as_str()).and_then(bearer).ok_or(Unknown::Missing)?;
    let (address, now) = (address.unwrap_or(NOWHERE), state.clock.elapsed());
    if let Some(wait) = state.access.throttle.wait(address, now) {
        return Err(Unknown::Limited(wait));
    }
    match state.access.tokens.holder(given.as_bytes()) {
        Some(holder) => Ok(Some(holder)),
        None => {
            state.access.throttle.failed(address, now);
            Err(Unknown::Invalid)
        }
    }
}

/// Stands for a connection whose other end is not known.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The scheme's name is in any case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Unknown {
    async fn answer(self, state: &State, address: Option<IpAddr>) -> Response {
        let (reason, status, detail) = match self {
            Self::Missing => (Refusal::Missing, StatusCode::UNAUTHORIZED, "Send Authorization: Bearer <token>."),
            Self::Invalid => (Refusal::Invalid, StatusCode::UNAUTHORIZED, "This token is nobody's."),
            Self::Limited(_) => (
                Refusal::Limited,
                StatusCode::TOO_MANY_REQUESTS,
                "Too many tokens that are nobody's came from this address; the next is looked at after Retry-After.",
            ),
        };
        state.metrics.agent().refused(reason);
        if reason == Refusal::Invalid {
            note(state, Actor::nobody(address), Action::LoginFailed, "token".to_owned()).await;
        }
        let mut answer = api::problem(status, detail);
        if let Self::Limited(wait) = self {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        } else {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

async fn forbidden(state: &State, endpoint: &Endpoint, holder: &Holder, address: Option<IpAddr>) -> Response {
    state.metrics.agent().refused(Refusal::Role);
    let object = format!("{} {}", endpoint.method, endpoint.path);
    note(state, Actor::holder(holder, address), Action::AccessRefused, object).await;
    let detail = format!("A token with the role {} may not ask for {}.", holder.role, endpoint.path);
    api::problem(StatusCode::FORBIDDEN, &detail)
}

/// Writes down what was refused anyway: that it could not be written is counted and logged, and changes nothing.
async fn note(state: &State, actor: Actor, action: Action, object: String) {
    let _ = state.access.audit.record(Entry { actor, action, object }).await;
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip().to_canonical())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::super::tests::state;
    use super::*;

    #[test]
    fn only_own_names_are_answered() {
        let state = state(&[]);
        for ours in ["localhost:9464", "127.0.0.1:9464", "127.0.0.1", "[::1]:9464", "LOCALHOST"] {
            assert!(is_ours(&state, ours), "{ours}");
        }
        for foreign in ["evil.example", "evil.example:9464", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(!is_ours(&state, foreign), "{foreign}");
        }
    }

    #[test]
    fn bearer_tokens_are_read() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
