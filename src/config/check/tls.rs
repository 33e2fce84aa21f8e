//! Whether certificates, keys and authorities can be used: read as the data path will read them.

use super::{Checker, Listening};
use crate::config::raw::{self, ClientAuth};
use crate::tls::{self, FileError, ServerFiles, Trust};
use std::path::PathBuf;

/// One listener's files.
pub fn listener(checker: &mut Checker<'_>, listener: &Listening<'_>) {
    let Some(raw) = listener.tls else { return };
    if listener.prior_knowledge {
        let message = "is for plain text, and this listener speaks TLS, where ALPN agrees on HTTP/2; remove it";
        checker.error(&format!("{}/http2_prior_knowledge", listener.path), message);
    }
    server(checker, &format!("{}/tls", listener.path), raw);
}

/// What is shown to whoever connects, written at `path`.
pub fn server(checker: &mut Checker<'_>, path: &str, raw: &raw::ListenerTls) {
    if raw.client_ca_file.is_none() && raw.client_auth == ClientAuth::Optional {
        let message = "has no effect without client_ca_file; name one or remove this key";
        checker.warn(&format!("{path}/client_auth"), message);
    }
    if let Err(error) = tls::server_config(&files(raw), &[]) {
        tell(checker, path, &error);
    }
}

/// An upstream's files.
pub fn upstream(checker: &mut Checker<'_>, name: &str, upstream: &raw::Upstream) {
    let path = format!("upstreams/{name}/tls");
    let given = |file: &Option<String>| file.is_some();
    let raw = &upstream.tls;
    match (given(&raw.certificate_file), given(&raw.key_file)) {
        (true, false) => checker.error(&format!("{path}/key_file"), "missing; certificate_file needs its private key"),
        (false, true) => {
            checker.error(&format!("{path}/certificate_file"), "missing; key_file needs the certificate it belongs to");
        }
        _ => {}
    }
    for error in trust(raw).check() {
        tell(checker, &path, &error);
    }
}

pub(super) fn tell(checker: &mut Checker<'_>, path: &str, error: &FileError) {
    let path = format!("{path}/{}", error.role.key());
    // The file's name may come from a variable, which stays a name in messages.
    let file = checker.file_named(&path);
    checker.error(&path, format!("{file} {}", error.message));
}

/// A listener's files, as the data path takes them.
pub fn files(raw: &raw::ListenerTls) -> ServerFiles {
    ServerFiles {
        certificate: PathBuf::from(&raw.certificate_file),
        key: PathBuf::from(&raw.key_file),
        client_ca: raw.client_ca_file.as_ref().map(PathBuf::from),
        client_optional: raw.client_auth == ClientAuth::Optional,
    }
}

/// An upstream's files, as the data path takes them.
pub fn trust(raw: &raw::Tls) -> Trust {
    let identity = raw.certificate_file.as_ref().zip(raw.key_file.as_ref());
    Trust {
        ca: raw.ca_file.as_ref().map(PathBuf::from),
        crl: raw.crl_file.as_ref().map(PathBuf::from),
        identity: identity.map(|(certificate, key)| (PathBuf::from(certificate), PathBuf::from(key))),
    }
}
