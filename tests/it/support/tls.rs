//! Certificates made for one test: an authority of its own, and what it issues.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore};

/// A server's side of TLS, and the file with the authority that its clients must trust.
pub struct Tls {
    /// The authority's certificate, PEM.
    pub ca_file: PathBuf,
    /// The server's settings.
    pub config: Arc<rustls::ServerConfig>,
    _authority: Authority,
}

/// Makes ring the process's provider; a second call changes nothing.
pub fn install_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// When a certificate is good.
#[derive(Clone, Copy, Debug)]
pub enum Validity {
    /// Now.
    Now,
    /// For three days more.
    Ending,
    /// Until yesterday.
    Expired,
    /// From tomorrow.
    Later,
}

/// Issues certificates; its files go with it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

/// A certificate and its key, in files and as they are.
pub struct Pair {
    /// The certificate, PEM.
    pub certificate_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    /// An authority that nobody knows yet.
    pub fn new() -> Self {
        install_ring();
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        // Each has a name of its own: whoever looks for an issuer by name must not find another's.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        params.distinguished_name = named(&format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).expect("the authority's file");
        Self { issuer, dir }
    }

    /// Its certificate, PEM.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Issues a certificate with `serial` for `names`, in files called `name`.
    pub fn issue(&self, name: &str, names: &[&str], validity: Validity, serial: u64) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("valid names");
        params.serial_number = Some(serial.into());
        params.distinguished_name = named(name);
        let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
        (params.not_before, params.not_after) = match validity {
            Validity::Now => ((now - day).into(), (now + 30 * day).into()),
            Validity::Ending => ((now - day).into(), (now + 3 * day).into()),
            Validity::Expired => ((now - 30 * day).into(), (now - day).into()),
            Validity::Later => ((now + day).into(), (now + 30 * day).into()),
        };
        let leaf = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.write(name, leaf.pem(), &key, leaf.der().clone())
    }

    /// A certificate for loopback that is good now.
    pub fn good(&self, name: &str) -> Pair {
        self.issue(name, &["localhost", "127.0.0.1"], Validity::Now, 1)
    }

    /// A certificate for loopback that vouches for itself.
    pub fn self_signed(&self, name: &str) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("valid names");
        let certificate = params.self_signed(&key).expect("a certificate");
        self.write(name, certificate.pem(), &key, certificate.der().clone())
    }

    /// A list that takes the certificate with `serial` back, PEM.
    pub fn revoke(&self, serial: u64) -> PathBuf {
        let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
        let revoked = rcgen::RevokedCertParams {
            serial_number: serial.into(),
            revocation_time: (now - day).into(),
            reason_code: None,
            invalidity_date: None,
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: (now - day).into(),
            next_update: (now + day).into(),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a list").pem().expect("PEM");
        let file = self.dir.path().join("revoked.pem");
        std::fs::write(&file, list).expect("the list's file");
        file
    }

    fn write(&self, name: &str, pem: String, key: &KeyPair, certificate: CertificateDer<'static>) -> Pair {
        let file = |what: &str| self.dir.path().join(format!("{name}.{what}"));
        let (certificate_file, key_file) = (file("pem"), file("key"));
        std::fs::write(&certificate_file, pem).expect("the certificate's file");
        std::fs::write(&key_file, key.serialize_pem()).expect("the key's file");
        Pair { certificate_file, key_file, certificate, key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) }
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

impl Pair {
    /// A server that shows this, and asks for certificates of `callers` if given.
    pub fn server(&self, alpn: &[&str], callers: Option<&Authority>) -> Arc<rustls::ServerConfig> {
        self.server_of(rustls::ALL_VERSIONS, alpn, callers)
    }

    /// As [`Pair::server`], of these versions alone.
    pub fn server_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&str],
        callers: Option<&Authority>,
    ) -> Arc<rustls::ServerConfig> {
        let builder = rustls::ServerConfig::builder_with_protocol_versions(versions);
        let builder = match callers {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).expect("an authority");
                builder
                    .with_client_cert_verifier(WebPkiClientVerifier::builder(roots.into()).build().expect("a verifier"))
            }
        };
        let chain = vec![self.certificate.clone()];
        let mut config = builder.with_single_cert(chain, self.key.clone_key()).expect("a certificate and its key");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// Certificate and key in one, as clients take it.
    pub fn identity(&self) -> reqwest::Identity {
        let mut pem = std::fs::read(&self.key_file).expect("the key");
        pem.extend(std::fs::read(&self.certificate_file).expect("the certificate"));
        reqwest::Identity::from_pem(&pem).expect("an identity")
    }
}

impl Tls {
    /// Settings for `localhost` and 127.0.0.1 that offer `alpn` (e.g. `["h2", "http/1.1"]`), most wanted first.
    pub fn new(alpn: &[&str]) -> Self {
        Self::for_names(&["localhost", "127.0.0.1"], alpn)
    }

    /// As [`Tls::new`], for other names: what a client must refuse.
    pub fn for_names(names: &[&str], alpn: &[&str]) -> Self {
        let authority = Authority::new();
        let pair = authority.issue("server", names, Validity::Now, 1);
        Self::of(authority, &pair.server(alpn, None))
    }

    /// A server's settings, and the authority that vouches for it.
    pub fn of(authority: Authority, config: &Arc<rustls::ServerConfig>) -> Self {
        Self { ca_file: authority.file(), config: Arc::clone(config), _authority: authority }
    }
}
