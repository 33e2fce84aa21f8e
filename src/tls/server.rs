//! What callers are shown, and what they must show: one listener's side of TLS.

use super::pem::{self, FileError, Role};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::PathBuf;
use std::sync::Arc;

/// The files of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// Certificate and chain, the listener's own first, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, without passphrase.
    pub key: PathBuf,
    /// Whom callers' certificates must come from; `None` asks for none.
    pub client_ca: Option<PathBuf>,
    /// Lets callers without a certificate in, where one is asked for.
    pub client_optional: bool,
}

impl ServerFiles {
    /// A hash of the authorities that callers' certificates must come from: whoever showed one of others has shown nothing.
    pub fn authority(&self) -> Option<[u8; 32]> {
        let content = pem::read(Role::ClientCa, self.client_ca.as_ref()?).ok()?;
        Some(*blake3::hash(&content).as_bytes())
    }
}

/// A listener's settings for TLS 1.2 and 1.3, offering `alpn`, most wanted first.
///
/// # Errors
/// Names the file that cannot be used: unreadable, no PEM, or a key that does not belong to the certificate.
pub fn server_config(files: &ServerFiles, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, FileError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = pem::certificates(Role::Certificate, &files.certificate)?;
    let key = pem::private_key(&files.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3");
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            pem::add_authorities(&mut roots, Role::ClientCa, path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if files.client_optional { verifier.allow_unauthenticated() } else { verifier };
            let built = verifier.build();
            builder.with_client_cert_verifier(
                built.map_err(|e| FileError::new(Role::ClientCa, path, format!("cannot be used: {e}")))?,
            )
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| unfit(files, &error))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn unfit(files: &ServerFiles, error: &rustls::Error) -> FileError {
    match error {
        rustls::Error::InconsistentKeys(_) => FileError::new(
            Role::Key,
            &files.key,
            "does not belong to the certificate; give the key that the certificate was made for",
        ),
        rustls::Error::InvalidCertificate(_) => {
            FileError::new(Role::Certificate, &files.certificate, format!("cannot be used: {error}"))
        }
        other => FileError::new(Role::Key, &files.key, format!("cannot be used: {other}")),
    }
}
