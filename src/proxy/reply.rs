//! Answers that Vigie makes itself: RFC 9457 problem documents that say so, so that nobody blames the CRM.

use super::body::ReplyBody;
use super::framing::Reason;
use super::headers::{CORRELATION_ID, VIGIE_ERROR};
use crate::exchange::AgentError;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

/// What a 401 must say (RFC 9110 section 11.6.1): a scheme of our own, so that no client asks its user for a password.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Vigie realm=\"vigie\", header=\"x-vigie-token\"");

/// What went wrong in a sentence, and what the caller can do about it.
fn explain(error: AgentError) -> (&'static str, &'static str) {
    match error {
        AgentError::BadRequest => {
            ("The request is malformed", "Check the target's length and the message's framing; it was not forwarded.")
        }
        AgentError::UnsupportedTarget => (
            "This kind of request target is not served",
            "Vigie is a reverse proxy: send origin-form requests (GET /api/… HTTP/1.1), not CONNECT or OPTIONS *; nor TRACE where Vigie holds the key.",
        ),
        AgentError::BadHost => (
            "The Host header is missing, repeated, malformed or contradicts the target",
            "Send exactly one Host header that agrees with the request target.",
        ),
        AgentError::DotSegments => (
            "The path has dot segments, which could lead out of the upstream's base path or prefix",
            "Resolve . and .. (also encoded, as %2e) before sending the path; it was not forwarded.",
        ),
        AgentError::NoUpstream => (
            "No upstream is configured for this path",
            "Call a path that begins with an upstream's path_prefix, or give one upstream no prefix.",
        ),
        AgentError::CallerUnauthenticated => (
            "This upstream's callers must show who they are",
            "Send the integration's token in x-vigie-token, or where the key would stand. A web page's call counts as nobody's.",
        ),
        AgentError::CallerForbidden => (
            "This integration may not call this upstream",
            "upstreams.<name>.access.integrations names those that may.",
        ),
        AgentError::Dns => {
            ("The upstream's host name does not resolve", "Check upstreams.<name>.url and the resolver.")
        }
        AgentError::Connect => (
            "The upstream could not be reached",
            "Check that the upstream is up and that the network lets Vigie through.",
        ),
        AgentError::ConnectTimeout => (
            "The connection to the upstream was not made in time",
            "Check the network, or raise upstreams.<name>.timeouts.connect.",
        ),
        AgentError::StreamRefused => (
            "The upstream refused the request twice before it looked at it",
            "Nothing was carried out: it is safe to send the request again.",
        ),
        AgentError::HeadTimeout => (
            "The upstream did not answer in time",
            "The request may have been carried out. Look before sending it again; raise timeouts.head if this is normal.",
        ),
        AgentError::IdleTimeout => (
            "The upstream's answer stood still for too long",
            "Raise upstreams.<name>.timeouts.idle if this is normal.",
        ),
        AgentError::UploadTimeout => {
            ("The request's body stood still for too long", "Send the body without pauses longer than timeouts.idle.")
        }
        AgentError::UpstreamClosed => (
            "The upstream closed the connection before it answered",
            "The request may have been carried out. Look before sending it again.",
        ),
        AgentError::BadAnswer => {
            ("The upstream's answer is not valid HTTP", "Check what listens at the upstream's address.")
        }
        AgentError::Internal => ("Vigie failed", "This is a defect of Vigie; the request may have been forwarded."),
        error => explain_limits(error),
    }
}

/// The same for what a caller may not send or take, and for answers that break the same rules.
fn explain_limits(error: AgentError) -> (&'static str, &'static str) {
    match error {
        AgentError::AmbiguousFraming => (
            "The request can be read in two ways",
            "Send either one Content-Length or Transfer-Encoding: chunked. It was not forwarded.",
        ),
        AgentError::UnsupportedCoding => {
            ("The request's transfer coding is not served", "Send Transfer-Encoding: chunked and nothing else.")
        }
        AgentError::UnsupportedVersion => {
            ("This version of HTTP is not served here", "Send HTTP/1.1, or HTTP/2 where the listener offers it.")
        }
        AgentError::UriTooLong => {
            ("The request's target is too long", "Shorten it, or raise proxy.limits.uri; the vendor must take it too.")
        }
        AgentError::HeadersTooLarge => {
            ("The request's head is too large", "Send less, or raise proxy.limits.head or proxy.limits.headers.")
        }
        AgentError::BodyTooLarge => {
            ("The request's body is too large", "Send less, or raise proxy.limits.body; it was not forwarded whole.")
        }
        AgentError::RequestTimeout => {
            ("The request's head did not come in time", "Send it at once, or raise proxy.limits.head_timeout.")
        }
        AgentError::DownloadTimeout => {
            ("The answer was not read in time", "Read it as it comes, or lower proxy.limits.min_rate.")
        }
        AgentError::UpgradeRefused => (
            "This switch to another protocol is not allowed here",
            "Call without Upgrade, or list the protocol in upstreams.<name>.upgrades and ask by GET over HTTP/1.1; it was not forwarded.",
        ),
        AgentError::TooManyConnections => {
            ("Too many connections", "Reuse connections, or raise proxy.limits.connections or connections_per_caller.")
        }
        AgentError::AmbiguousAnswer => (
            "The upstream's answer can be read in two ways",
            "The request may have been carried out. Look before sending it again; tell the vendor.",
        ),
        AgentError::AnswerTooLarge => (
            "The head of the upstream's answer is too large",
            "The request may have been carried out: look before sending it again. Raise proxy.limits.answer_head or answer_headers.",
        ),
        error if error.is_proxy() => explain_proxy(error),
        error => explain_tls(error),
    }
}

/// Why there is no way through the egress proxy. Nothing was sent to the upstream.
fn explain_proxy(error: AgentError) -> (&'static str, &'static str) {
    match error {
        AgentError::ProxyDns => {
            ("The egress proxy's host name does not resolve", "Check network.proxy, or HTTPS_PROXY, and the resolver.")
        }
        AgentError::ProxyConnect => (
            "The egress proxy could not be reached",
            "Check that it is up, and its address in network.proxy or HTTPS_PROXY.",
        ),
        AgentError::ProxyTimeout => (
            "The egress proxy did not open a tunnel in time",
            "Check the proxy and what it can reach, or raise upstreams.<name>.timeouts.connect.",
        ),
        AgentError::ProxyTls => (
            "The TLS handshake with the egress proxy failed",
            "Name a private CA in network.proxy.tls.ca_file; the agent's log names the cause.",
        ),
        AgentError::ProxyAuth => (
            "The egress proxy refuses the credentials, or asks for some",
            "Check network.proxy.username and password, or those in HTTPS_PROXY.",
        ),
        AgentError::ProxyDenied => (
            "The egress proxy does not let calls to the upstream through",
            "Have host and port allowed for CONNECT there, or name them in no_proxy.",
        ),
        AgentError::ProxyUpstream => (
            "The egress proxy could not reach the upstream",
            "Check upstreams.<name>.url, and what the proxy's own log says of it.",
        ),
        _ => ("The egress proxy's answer is no answer to CONNECT", "Check what listens at the proxy's address."),
    }
}

/// Whose fault a failed handshake is, and where it is put right.
fn explain_tls(error: AgentError) -> (&'static str, &'static str) {
    match error {
        AgentError::TlsExpired => (
            "The upstream's certificate has expired",
            "The upstream's operator must renew it; if it was renewed, check this machine's clock.",
        ),
        AgentError::TlsNotYetValid => {
            ("The upstream's certificate is not valid yet", "Check this machine's clock, then the certificate's dates.")
        }
        AgentError::TlsWrongHost => (
            "The upstream's certificate is for other names",
            "Check the host in upstreams.<name>.url, and what its name resolves to.",
        ),
        AgentError::TlsUnknownIssuer => (
            "The upstream's certificate comes from an issuer that is not trusted",
            "Name a private CA in upstreams.<name>.tls.ca_file; a proxy that opens TLS on the way shows like this, too.",
        ),
        AgentError::TlsRevoked => {
            ("The upstream's certificate was revoked by its issuer", "The upstream's operator must replace it.")
        }
        AgentError::TlsOldProtocol => {
            ("The upstream speaks no TLS 1.2 or newer", "The upstream's operator must enable TLS 1.2 or 1.3.")
        }
        AgentError::TlsClientCertificate => (
            "The upstream refused the certificate it was shown, or asks for one",
            "Check upstreams.<name>.tls.certificate_file and key_file: dates, issuer, and what the upstream expects.",
        ),
        _ => (
            "The TLS handshake with the upstream failed",
            "Check what listens at the upstream's address; the agent's log names the cause.",
        ),
    }
}

/// The whole answer for `error` as bytes, for a connection that no parser serves.
pub fn raw(error: AgentError) -> Vec<u8> {
    let (title, detail) = explain(error);
    let (status, kind) = (error.status(), error.as_str());
    let body = serde_json::json!({
        "type": format!("urn:vigie:error:{kind}"), "title": title, "status": status, "detail": detail,
    })
    .to_string();
    format!(
        "HTTP/1.1 {status} Refused\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         retry-after: 1\r\nx-vigie-error: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The answer for `error`, as `application/problem+json`; `reason` says more of a malformed message.
pub fn problem(error: AgentError, correlation_id: Option<&str>, reason: Option<Reason>) -> Response<ReplyBody> {
    let (title, advice) = explain(error);
    let detail = match reason {
        Some(reason) => format!("The request {} ({}). {advice}", reason.text(), reason.rule()),
        None => advice.to_owned(),
    };
    let body = serde_json::json!({
        "type": format!("urn:vigie:error:{}", error.as_str()),
        "title": title,
        "status": error.status(),
        "detail": detail,
        "correlation_id": correlation_id,
    });
    let mut response = Response::new(ReplyBody::full(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if error == AgentError::CallerUnauthenticated {
        headers.insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    if error.ends_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(VIGIE_ERROR, HeaderValue::from_static(error.as_str()));
    if let Some(id) = correlation_id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(CORRELATION_ID, id);
    }
    response
}
