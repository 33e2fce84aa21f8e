//! Why an answer is Vigie's own: a closed set, each with its word, its status and whose fault it is.

use super::Outcome;

/// An answer that Vigie made itself, in place of the CRM's. Its word is sent as `x-vigie-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentError {
    /// The request is malformed or ambiguous.
    BadRequest,
    /// CONNECT or another form of target that a reverse proxy does not serve.
    UnsupportedTarget,
    /// `Host` is missing, doubled, malformed or contradicts the target.
    BadHost,
    /// The path has `.` or `..` segments, and its upstream a base path or a prefix that they could lead out of.
    DotSegments,
    /// No upstream answers for this path.
    NoUpstream,
    /// The caller did not show who it is, where it must.
    CallerUnauthenticated,
    /// The caller is known, and may not call this upstream.
    CallerForbidden,
    /// The upstream's name did not resolve.
    Dns,
    /// The upstream refused or dropped the connection.
    Connect,
    /// The connection was not made in time.
    ConnectTimeout,
    /// The TLS handshake failed for another reason than those below.
    Tls,
    /// The upstream's certificate has expired.
    TlsExpired,
    /// The upstream's certificate is not valid yet.
    TlsNotYetValid,
    /// The upstream's certificate is for other names.
    TlsWrongHost,
    /// The upstream's certificate was issued by nobody who is trusted, or by itself.
    TlsUnknownIssuer,
    /// The upstream's certificate is on its issuer's revocation list.
    TlsRevoked,
    /// The upstream speaks no TLS 1.2 or newer.
    TlsOldProtocol,
    /// The upstream refused Vigie's own certificate, or asks for one.
    TlsClientCertificate,
    /// The egress proxy's name did not resolve.
    ProxyDns,
    /// The egress proxy refused or dropped the connection.
    ProxyConnect,
    /// The egress proxy was not reached, or did not open the tunnel, in time.
    ProxyTimeout,
    /// The TLS handshake with the egress proxy failed.
    ProxyTls,
    /// The egress proxy wants credentials, or refuses those it was shown (407; some say 401).
    ProxyAuth,
    /// The egress proxy does not let calls to the upstream through (403, or another answer below 500).
    ProxyDenied,
    /// The egress proxy was willing, but did not reach the upstream (5xx).
    ProxyUpstream,
    /// The egress proxy's answer is no answer to CONNECT.
    ProxyAnswer,
    /// The upstream refused an HTTP/2 stream before it looked at it (RFC 9113 section 8.7), and did so again.
    StreamRefused,
    /// No answer head in time.
    HeadTimeout,
    /// The answer's body stood still for too long.
    IdleTimeout,
    /// The caller's body stood still for too long.
    UploadTimeout,
    /// The upstream closed or reset the connection before the answer was complete.
    UpstreamClosed,
    /// The upstream's answer is not valid HTTP.
    BadAnswer,
    /// The request's framing can be read in two ways.
    AmbiguousFraming,
    /// The request has a transfer coding beside chunked.
    UnsupportedCoding,
    /// The request is of a version of HTTP that is not served.
    UnsupportedVersion,
    /// The request's target is longer than allowed.
    UriTooLong,
    /// The request's head is larger, or has more lines, than allowed.
    HeadersTooLarge,
    /// The request's body is larger than allowed.
    BodyTooLarge,
    /// The request's head did not come whole in time.
    RequestTimeout,
    /// The caller did not read its answer.
    DownloadTimeout,
    /// The caller asked for another protocol.
    UpgradeRefused,
    /// There are more connections than allowed.
    TooManyConnections,
    /// The answer's framing can be read in two ways.
    AmbiguousAnswer,
    /// The answer's head is larger, or has more lines, than allowed.
    AnswerTooLarge,
    /// Vigie failed in a way it should not have.
    Internal,
}

// Counters are found by number.
const _: () = {
    let mut place = 0;
    while place < AgentError::ALL.len() {
        assert!(AgentError::ALL[place] as usize == place);
        place += 1;
    }
};

impl AgentError {
    /// Every error; the number of each (`as usize`) is its place here.
    pub const ALL: [Self; 45] = [
        Self::BadRequest,
        Self::UnsupportedTarget,
        Self::BadHost,
        Self::DotSegments,
        Self::NoUpstream,
        Self::CallerUnauthenticated,
        Self::CallerForbidden,
        Self::Dns,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Tls,
        Self::TlsExpired,
        Self::TlsNotYetValid,
        Self::TlsWrongHost,
        Self::TlsUnknownIssuer,
        Self::TlsRevoked,
        Self::TlsOldProtocol,
        Self::TlsClientCertificate,
        Self::ProxyDns,
        Self::ProxyConnect,
        Self::ProxyTimeout,
        Self::ProxyTls,
        Self::ProxyAuth,
        Self::ProxyDenied,
        Self::ProxyUpstream,
        Self::ProxyAnswer,
        Self::StreamRefused,
        Self::HeadTimeout,
        Self::IdleTimeout,
        Self::UploadTimeout,
        Self::UpstreamClosed,
        Self::BadAnswer,
        Self::AmbiguousFraming,
        Self::UnsupportedCoding,
        Self::UnsupportedVersion,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::BodyTooLarge,
        Self::RequestTimeout,
        Self::DownloadTimeout,
        Self::UpgradeRefused,
        Self::TooManyConnections,
        Self::AmbiguousAnswer,
        Self::AnswerTooLarge,
        Self::Internal,
    ];

    /// The word sent as `x-vigie-error` and logged as `error_kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::UnsupportedTarget => "unsupported_target",
            Self::BadHost => "bad_host",
            Self::DotSegments => "dot_segments",
            Self::NoUpstream => "no_upstream",
            Self::CallerUnauthenticated => "caller_unauthenticated",
            Self::CallerForbidden => "caller_forbidden",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::TlsExpired => "tls_expired",
            Self::TlsNotYetValid => "tls_not_yet_valid",
            Self::TlsWrongHost => "tls_wrong_host",
            Self::TlsUnknownIssuer => "tls_unknown_issuer",
            Self::TlsRevoked => "tls_revoked",
            Self::TlsOldProtocol => "tls_old_protocol",
            Self::TlsClientCertificate => "tls_client_certificate",
            Self::ProxyDns => "proxy_dns",
            Self::ProxyConnect => "proxy_connect",
            Self::ProxyTimeout => "proxy_timeout",
            Self::ProxyTls => "proxy_tls",
            Self::ProxyAuth => "proxy_auth",
            Self::ProxyDenied => "proxy_denied",
            Self::ProxyUpstream => "proxy_upstream",
            Self::ProxyAnswer => "proxy_answer",
            Self::StreamRefused => "stream_refused",
            Self::HeadTimeout => "head_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::UploadTimeout => "upload_timeout",
            Self::UpstreamClosed => "upstream_closed",
            Self::BadAnswer => "bad_answer",
            Self::AmbiguousFraming => "ambiguous_framing",
            Self::UnsupportedCoding => "unsupported_coding",
            Self::UnsupportedVersion => "unsupported_version",
            Self::UriTooLong => "uri_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::DownloadTimeout => "download_timeout",
            Self::UpgradeRefused => "upgrade_refused",
            Self::TooManyConnections => "too_many_connections",
            Self::AmbiguousAnswer => "ambiguous_answer",
            Self::AnswerTooLarge => "answer_too_large",
            Self::Internal => "internal",
        }
    }

    /// No connection was made, so no request was on the wire: the vendor has seen nothing.
    pub fn prevents_sending(self) -> bool {
        matches!(self, Self::Dns | Self::Connect | Self::ConnectTimeout) || self.is_tls() || self.is_proxy()
    }

    /// There is no way through the egress proxy, for whatever reason.
    pub fn is_proxy(self) -> bool {
        self.as_str().starts_with("proxy_")
    }

    /// The TLS handshake with the upstream failed, for whatever reason.
    pub fn is_tls(self) -> bool {
        self.as_str().starts_with("tls")
    }

    /// The status of the answer that Vigie makes for it.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::BadHost | Self::DotSegments | Self::AmbiguousFraming => 400,
            Self::UnsupportedTarget => 405,
            Self::NoUpstream => 404,
            Self::CallerUnauthenticated => 401,
            Self::CallerForbidden => 403,
            Self::Dns | Self::Connect | Self::UpstreamClosed | Self::BadAnswer => 502,
            Self::AmbiguousAnswer | Self::AnswerTooLarge => 502,
            Self::StreamRefused | Self::TooManyConnections => 503,
            Self::ProxyTimeout => 504,
            error if error.is_tls() || error.is_proxy() => 502,
            Self::ConnectTimeout | Self::HeadTimeout => 504,
            Self::IdleTimeout => 504,
            Self::UploadTimeout | Self::RequestTimeout | Self::DownloadTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            Self::HeadersTooLarge => 431,
            Self::UnsupportedCoding | Self::UpgradeRefused => 501,
            Self::UnsupportedVersion => 505,
            _ => 500,
        }
    }

    /// The connection cannot be used again after this answer: where the next request starts is not known, or not read.
    pub fn ends_connection(self) -> bool {
        let malformed =
            matches!(self, Self::BadRequest | Self::BadHost | Self::UnsupportedTarget | Self::AmbiguousFraming);
        let unknown = matches!(self, Self::UnsupportedCoding | Self::UnsupportedVersion | Self::UpgradeRefused);
        let large = matches!(self, Self::UriTooLong | Self::HeadersTooLarge | Self::BodyTooLarge);
        malformed || unknown || large || matches!(self, Self::UploadTimeout | Self::RequestTimeout)
    }

    /// The outcome of an exchange that ended with this error.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Dns | Self::Connect | Self::UpstreamClosed | Self::BadAnswer | Self::StreamRefused => {
                Outcome::Network
            }
            Self::ProxyTimeout => Outcome::Timeout,
            error if error.is_tls() || error.is_proxy() => Outcome::Network,
            Self::AmbiguousAnswer | Self::AnswerTooLarge => Outcome::Network,
            Self::ConnectTimeout | Self::HeadTimeout | Self::IdleTimeout => Outcome::Timeout,
            // The caller stopped sending, or reading: neither the vendor nor Vigie is to blame.
            Self::UploadTimeout | Self::RequestTimeout | Self::DownloadTimeout => Outcome::ClientClosed,
            _ => Outcome::AgentError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_transport_failures_blame_the_network() {
        assert_eq!(AgentError::Dns.outcome(), Outcome::Network);
        assert_eq!(AgentError::HeadTimeout.outcome(), Outcome::Timeout);
        let tls: Vec<_> = AgentError::ALL.into_iter().filter(|e| e.as_str().starts_with("tls")).collect();
        assert_eq!(tls.len(), 8);
        for error in tls {
            assert_eq!((error.outcome(), error.status(), error.prevents_sending()), (Outcome::Network, 502, true));
        }
        let proxy: Vec<_> = AgentError::ALL.into_iter().filter(|e| e.is_proxy()).collect();
        assert_eq!(proxy.len(), 8);
        assert!(proxy.iter().all(|error| error.prevents_sending()));
        assert_eq!((AgentError::ProxyAuth.outcome(), AgentError::ProxyAuth.status()), (Outcome::Network, 502));
        assert_eq!((AgentError::ProxyTimeout.outcome(), AgentError::ProxyTimeout.status()), (Outcome::Timeout, 504));
        assert_eq!(AgentError::BadHost.outcome(), Outcome::AgentError);
    }
}
