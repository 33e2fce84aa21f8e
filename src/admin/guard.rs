//! Who may ask: `Host` against DNS rebinding, bearer tokens where they are configured.

use super::State;
use axum::extract::{Request, State as Extract};
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Answers only to its own names: a page in a browser must not reach a loopback service through a name of its own.
pub async fn host(Extract(state): Extract<Arc<State>>, request: Request, next: Next) -> Response {
    let named = request.uri().authority().map(|a| a.as_str()).or_else(|| text(request.headers(), HOST.as_str()));
    match named {
        Some(host) if is_ours(&state, host) => next.run(request).await,
        _ => {
            let help = "This Host is not answered here. Use the listening address or localhost, or add the name to admin.allowed_hosts.\n";
            (StatusCode::MISDIRECTED_REQUEST, help).into_response()
        }
    }
}

fn is_ours(state: &State, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let by_address = bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == state.config.address.ip());
    // Listening on every address, any literal address reaches us directly and cannot be rebound.
    let on_all = state.config.address.ip().is_unspecified() && bare.parse::<IpAddr>().is_ok();
    by_address
        || on_all
        || bare.eq_ignore_ascii_case("localhost")
        || state.config.allowed_hosts.iter().any(|h| h.eq_ignore_ascii_case(bare) || h.eq_ignore_ascii_case(host))
}

/// Demands one of the configured tokens; without any, the listener is on loopback and open.
pub async fn token(Extract(state): Extract<Arc<State>>, request: Request, next: Next) -> Response {
    let given = text(request.headers(), AUTHORIZATION.as_str()).and_then(|v| v.strip_prefix("Bearer "));
    // Every token is compared, so that the time tells nothing about which one was close.
    let known = given.is_some_and(|g| {
        state.config.tokens.iter().fold(false, |found, token| token.matches(g.trim().as_bytes()) | found)
    });
    if state.config.tokens.is_empty() || known {
        return next.run(request).await;
    }
    let mut refused = (StatusCode::UNAUTHORIZED, "Send Authorization: Bearer <one of admin.tokens>.\n").into_response();
    refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refused
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
}
