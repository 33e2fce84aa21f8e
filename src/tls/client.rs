//! What an upstream must show, and what it is shown.

use super::pem::{self, FileError, Role};
use rustls::client::WebPkiServerVerifier;
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;

/// The files that verification towards one upstream uses, beside the system's authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Private authorities, PEM, trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// Revocation lists, PEM.
    pub crl: Option<PathBuf>,
    /// Vigie's own certificate with its chain, and the key, PEM: shown where the upstream asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Trust {
    /// Reads every file named, and forgets what it read.
    ///
    /// # Errors
    /// Every file that cannot be used.
    pub fn check(&self) -> Vec<FileError> {
        let mut roots = RootCertStore::empty();
        let authorities = self.ca.as_ref().map(|path| pem::add_authorities(&mut roots, Role::Ca, path));
        let lists = self.crl.as_ref().map(|path| pem::revocation_lists(path).map(drop));
        let identity = self.identity.as_ref().map(|_| {
            let mut anything = RootCertStore::empty();
            anything.roots.clone_from(&roots.roots);
            self.identified(unverified(anything)).map(drop)
        });
        [authorities, lists, identity].into_iter().flatten().filter_map(Result::err).collect()
    }

    /// A hash of all files' contents: connections made with other files are not used again.
    pub fn fingerprint(&self) -> [u8; 32] {
        let identity = self.identity.as_ref();
        let files = [
            (Role::Ca, self.ca.as_ref()),
            (Role::Crl, self.crl.as_ref()),
            (Role::Certificate, identity.map(|(certificate, _)| certificate)),
            (Role::Key, identity.map(|(_, key)| key)),
        ];
        let mut hasher = blake3::Hasher::new();
        for (role, path) in files {
            let content = path.and_then(|path| pem::read(role, path).ok());
            hasher.update(role.key().as_bytes());
            hasher.update(content.map_or(*blake3::hash(b"").as_bytes(), |c| *blake3::hash(&c).as_bytes()).as_slice());
        }
        *hasher.finalize().as_bytes()
    }

    fn identified(&self, builder: Identifying) -> Result<ClientConfig, FileError> {
        let Some((certificate, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain = pem::certificates(Role::Certificate, certificate)?;
        builder.with_client_auth_cert(chain, pem::private_key(key)?).map_err(|error| match error {
            rustls::Error::InvalidCertificate(_) => {
                FileError::new(Role::Certificate, certificate, format!("cannot be used: {error}"))
            }
            rustls::Error::InconsistentKeys(_) => FileError::new(
                Role::Key,
                key,
                "does not belong to the certificate; give the key that the certificate was made for",
            ),
            other => FileError::new(Role::Key, key, format!("cannot be used: {other}")),
        })
    }
}

type Identifying = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn versions() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
}

/// For trying whether certificate and key fit: nobody is ever called with it.
fn unverified(roots: RootCertStore) -> Identifying {
    versions().with_root_certificates(roots)
}

/// Settings that trust nobody, for clients that must have some and speak plain text.
pub fn untrusting() -> ClientConfig {
    unverified(RootCertStore::empty()).with_no_client_auth()
}

/// The settings towards one upstream: TLS 1.2 and 1.3, always verified, offering `alpn`, most wanted first.
///
/// # Errors
/// Names the file that cannot be used. `Ok(None)` when there is no authority at all to verify against.
pub fn client_config(trust: &Trust, alpn: &[&[u8]]) -> Result<Option<Arc<ClientConfig>>, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A root the verifier cannot read is no reason to refuse the others.
        let _ = roots.add(certificate);
    }
    if let Some(path) = &trust.ca {
        pem::add_authorities(&mut roots, Role::Ca, path)?;
    }
    if roots.is_empty() {
        return Ok(None);
    }
    let builder = match &trust.crl {
        None => versions().with_root_certificates(roots),
        Some(path) => {
            let lists = pem::revocation_lists(path)?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            // A list speaks for its own issuer: what others issued is judged without one.
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .with_crls(lists)
                .only_check_end_entity_revocation()
                .allow_unknown_revocation_status()
                .build();
            let verifier = verifier.map_err(|e| FileError::new(Role::Crl, path, format!("cannot be used: {e}")))?;
            versions().with_webpki_verifier(verifier)
        }
    };
    let mut config = trust.identified(builder)?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Some(Arc::new(config)))
}
