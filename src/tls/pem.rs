//! Certificates, keys and revocation lists out of PEM files; every mistake says which file, and what would be right.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of a file at most: the bundle of all public authorities has 250 KB, large revocation lists some megabytes.
const MAX_BYTES: u64 = 16 << 20;

/// What a file is for: also the configuration key that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A certificate with its chain.
    Certificate,
    /// The certificate's private key.
    Key,
    /// Authorities that are trusted.
    Ca,
    /// Authorities that callers' certificates may come from.
    ClientCa,
    /// Certificates that their issuers took back.
    Crl,
}

impl Role {
    /// The key below `tls` that names such a file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Certificate => "certificate_file",
            Self::Key => "key_file",
            Self::Ca => "ca_file",
            Self::ClientCa => "client_ca_file",
            Self::Crl => "crl_file",
        }
    }
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {} {message}", role.key(), path.display())]
pub struct FileError {
    /// What it is for.
    pub role: Role,
    /// The file.
    pub path: PathBuf,
    /// What is wrong, to stand after its name.
    pub message: String,
}

impl FileError {
    pub(super) fn new(role: Role, path: &Path, message: impl Into<String>) -> Self {
        Self { role, path: path.to_owned(), message: message.into() }
    }
}

/// One file's bytes.
pub(super) fn read(role: Role, path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let failed = |e: std::io::Error| FileError::new(role, path, format!("cannot be read: {}", reason(&e)));
    // A pipe or a device could block for ever, or never end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(FileError::new(role, path, "is not a regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(path).map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::new(role, path, format!("is larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(bytes)
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Every certificate of a file, at least one.
pub(super) fn certificates(role: Role, path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let pem = read(role, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|_| FileError::new(role, path, "holds a certificate that is not valid PEM"))?;
    if found.is_empty() {
        return Err(FileError::new(role, path, "holds no certificate; give a PEM file (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(found)
}

/// The private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let pem = read(Role::Key, path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        let encrypted = memchr::memmem::find(&pem, b"ENCRYPTED").is_some();
        let message = match encrypted {
            true => "holds an encrypted key; give one without a passphrase, readable by the agent only",
            false => "holds no private key; give a PEM file (-----BEGIN PRIVATE KEY-----)",
        };
        FileError::new(Role::Key, path, message)
    })
}

/// Every revocation list of a file, at least one.
pub(super) fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, FileError> {
    let pem = read(Role::Crl, path)?;
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        _ => {
            Err(FileError::new(Role::Crl, path, "holds no revocation list; give a PEM file (-----BEGIN X509 CRL-----)"))
        }
    }
}

/// Adds a file's certificates as authorities.
pub(super) fn add_authorities(roots: &mut rustls::RootCertStore, role: Role, path: &Path) -> Result<(), FileError> {
    for certificate in certificates(role, path)? {
        let added = roots.add(certificate);
        added.map_err(|e| FileError::new(role, path, format!("holds a certificate that is no authority: {e}")))?;
    }
    Ok(())
}
