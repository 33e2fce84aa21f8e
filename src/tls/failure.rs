//! Why a handshake failed, told apart: upstream's certificate or protocol, or what a caller did.

use crate::exchange::AgentError;
use rustls::{AlertDescription as Alert, CertificateError, Error, PeerIncompatible};
use std::error::Error as StdError;
use std::io;

/// The kind of a failed handshake with an upstream.
pub fn upstream_error(error: &io::Error) -> AgentError {
    match rustls_error(error) {
        Some(Error::InvalidCertificate(wrong)) => certificate(wrong),
        Some(Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )) => AgentError::TlsOldProtocol,
        Some(Error::AlertReceived(alert)) => alerted(*alert),
        _ => AgentError::Tls,
    }
}

/// The refusal of Vigie's own certificate behind a failure that came after the handshake, if that is what it was: in TLS 1.3
/// the server judges it when the client's side of the handshake is done already (RFC 8446 section 4.4.2.4).
pub fn alert_after_handshake(error: &(dyn StdError + 'static)) -> Option<AgentError> {
    let mut cause = Some(error);
    while let Some(here) = cause {
        let found = here.downcast_ref::<io::Error>().and_then(rustls_error).or_else(|| here.downcast_ref::<Error>());
        let refused = match found {
            Some(Error::AlertReceived(alert)) => OWN_CERTIFICATE.contains(alert),
            Some(_) => false,
            None => tells_of_alert(&here.to_string()),
        };
        if refused {
            return Some(AgentError::TlsClientCertificate);
        }
        cause = here.source();
    }
    None
}

/// HTTP/2 keeps no more of a connection's error than its text.
fn tells_of_alert(text: &str) -> bool {
    let told = |alert: &Alert| text.ends_with(&Error::AlertReceived(*alert).to_string());
    OWN_CERTIFICATE.iter().any(told)
}

fn rustls_error(error: &io::Error) -> Option<&Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<Error>().or_else(|| rustls_error(inner.downcast_ref::<io::Error>()?))
}

fn certificate(wrong: &CertificateError) -> AgentError {
    match wrong {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => AgentError::TlsExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => AgentError::TlsNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => AgentError::TlsWrongHost,
        // A bad signature: an authority of the right name with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => AgentError::TlsUnknownIssuer,
        CertificateError::Revoked => AgentError::TlsRevoked,
        // An authority that certifies itself and serves with that: how self-signed certificates are usually made.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            AgentError::TlsUnknownIssuer
        }
        _ => AgentError::Tls,
    }
}

/// Alerts by which a peer refuses the certificate it was shown, or misses one (RFC 8446 section 6.2).
const OWN_CERTIFICATE: [Alert; 8] = [
    Alert::CertificateRequired,
    Alert::BadCertificate,
    Alert::UnsupportedCertificate,
    Alert::CertificateRevoked,
    Alert::CertificateExpired,
    Alert::CertificateUnknown,
    Alert::UnknownCA,
    Alert::AccessDenied,
];

fn alerted(alert: Alert) -> AgentError {
    match alert {
        Alert::ProtocolVersion => AgentError::TlsOldProtocol,
        alert if OWN_CERTIFICATE.contains(&alert) => AgentError::TlsClientCertificate,
        _ => AgentError::Tls,
    }
}

/// Why a caller's handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// It took too long.
    Timeout,
    /// The caller went away in the middle.
    Closed,
    /// It does not speak TLS: plain HTTP on a TLS port, usually.
    NotTls,
    /// It offers only versions before TLS 1.2, or nothing that both sides can do.
    Incompatible,
    /// It showed no certificate where one is required.
    NoCertificate,
    /// It showed a certificate that is not accepted.
    BadCertificate,
    /// It refused what it was shown: usually it does not trust the listener's certificate.
    Refused,
    /// Anything else.
    Other,
}

impl HandshakeFailure {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Timeout,
        Self::Closed,
        Self::NotTls,
        Self::Incompatible,
        Self::NoCertificate,
        Self::BadCertificate,
        Self::Refused,
        Self::Other,
    ];

    /// The word used as metric label and log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::Refused => "refused",
            Self::Other => "other",
        }
    }

    /// The reason behind what the handshake ended with.
    pub fn of(error: &io::Error) -> Self {
        match rustls_error(error) {
            None if is_closed(error.kind()) => Self::Closed,
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Self::Incompatible,
            Some(Error::NoCertificatesPresented) => Self::NoCertificate,
            Some(Error::InvalidCertificate(_)) => Self::BadCertificate,
            Some(Error::AlertReceived(_)) => Self::Refused,
            _ => Self::Other,
        }
    }
}

fn is_closed(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(error: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn failures_of_an_upstream_are_told_apart() {
        let cases = [
            (Error::InvalidCertificate(CertificateError::Expired), AgentError::TlsExpired),
            (Error::InvalidCertificate(CertificateError::NotValidYet), AgentError::TlsNotYetValid),
            (Error::InvalidCertificate(CertificateError::NotValidForName), AgentError::TlsWrongHost),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), AgentError::TlsUnknownIssuer),
            (Error::InvalidCertificate(CertificateError::Revoked), AgentError::TlsRevoked),
            (Error::InvalidCertificate(CertificateError::BadEncoding), AgentError::Tls),
            (Error::AlertReceived(Alert::ProtocolVersion), AgentError::TlsOldProtocol),
            (Error::AlertReceived(Alert::CertificateRequired), AgentError::TlsClientCertificate),
            (Error::AlertReceived(Alert::InternalError), AgentError::Tls),
        ];
        for (error, kind) in cases {
            assert_eq!(upstream_error(&io(error.clone())), kind, "{error}");
        }
        assert_eq!(upstream_error(&io::ErrorKind::UnexpectedEof.into()), AgentError::Tls);
    }

    #[test]
    fn an_alert_is_found_below_other_errors() {
        let wrapped = io::Error::other(io(Error::AlertReceived(Alert::CertificateRequired)));
        assert_eq!(alert_after_handshake(&wrapped), Some(AgentError::TlsClientCertificate));
        assert_eq!(alert_after_handshake(&io(Error::AlertReceived(Alert::InternalError))), None);
        assert_eq!(alert_after_handshake(&io::Error::other("x")), None);
        let text = Error::AlertReceived(Alert::UnknownCA).to_string();
        assert_eq!(alert_after_handshake(&io::Error::other(text)), Some(AgentError::TlsClientCertificate));
    }

    #[test]
    fn a_callers_failures_have_words_of_their_own() {
        let words: std::collections::BTreeSet<_> = HandshakeFailure::ALL.iter().map(|f| f.as_str()).collect();
        assert_eq!(words.len(), HandshakeFailure::ALL.len());
        assert_eq!(HandshakeFailure::of(&io(Error::NoCertificatesPresented)), HandshakeFailure::NoCertificate);
        assert_eq!(HandshakeFailure::of(&io::ErrorKind::UnexpectedEof.into()), HandshakeFailure::Closed);
    }
}
