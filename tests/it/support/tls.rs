//! Certificates made for one test: an authority of its own, and a server certificate for loopback.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_rustls::rustls::{self, pki_types::PrivateKeyDer};

/// A server's side of TLS, and the file with the authority that its clients must trust.
pub struct Tls {
    /// The authority's certificate, PEM.
    pub ca_file: PathBuf,
    /// The server's settings.
    pub config: Arc<rustls::ServerConfig>,
    _dir: TempDir,
}

/// Makes ring the process's provider; a second call changes nothing.
pub fn install_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Tls {
    /// Settings for `localhost` and 127.0.0.1 that offer `alpn` (e.g. `["h2", "http/1.1"]`), most wanted first.
    pub fn new(alpn: &[&str]) -> Self {
        Self::for_names(&["localhost", "127.0.0.1"], alpn)
    }

    /// As [`Tls::new`], for other names: what a client must refuse.
    pub fn for_names(names: &[&str], alpn: &[&str]) -> Self {
        install_ring();
        let authority = authority();
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("valid names");
        let leaf = params.signed_by(&key, &authority).expect("a certificate");
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .expect("a certificate and its key");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let dir = tempfile::tempdir().expect("a directory");
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, authority.pem()).expect("the authority's file");
        Self { ca_file, config: Arc::new(config), _dir: dir }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}
