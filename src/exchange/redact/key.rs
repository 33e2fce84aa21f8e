//! The key of the tokens: from a configured secret, else from a file that only its owner can read.

use crate::secret::Secret;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of a key, and of the file that holds one.
const KEY_BYTES: usize = 32;

/// A shorter secret could be found by trying: with it, every token of a phone book could be recomputed.
const MIN_SECRET_BYTES: usize = 16;

/// Separates this use of a secret from every other. Changing it changes every token.
const CONTEXT: &str = "vigie 2026 masking tokens v1";

/// The key that turns values into tokens. Whoever has it can test guesses: it never leaves memory or its file.
#[derive(Clone)]
pub struct MaskKey {
    version: u16,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// Why a configured secret cannot be a key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Too short to resist guessing.
    #[error("the masking secret has {0} bytes; at least {MIN_SECRET_BYTES} are needed")]
    TooShort(usize),
}

impl MaskKey {
    /// The key of a configured secret: the same secret gives the same tokens on every replica.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] for a secret under 16 bytes.
    pub fn from_secret(version: u16, secret: &Secret) -> Result<Self, KeyError> {
        let raw = secret.expose().as_bytes();
        if raw.len() < MIN_SECRET_BYTES {
            return Err(KeyError::TooShort(raw.len()));
        }
        Ok(Self { version, bytes: Zeroizing::new(blake3::derive_key(CONTEXT, raw)) })
    }

    /// The key in the file at `path`, which is made with 32 random bytes and mode 0600 if there is none.
    ///
    /// Two processes that start at once end with the same key: the file appears whole or not at all.
    ///
    /// # Errors
    /// `PermissionDenied` for a file that others than its owner can read or write, `InvalidData` for one of another
    /// length, else what the file system says; each names the path.
    pub fn load_or_create(version: u16, path: &Path) -> io::Result<Self> {
        let found = match load(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).and_then(|()| load(path)),
            other => other,
        };
        found.map(|bytes| Self { version, bytes }).map_err(|e| about(path, &e))
    }

    /// The version given at construction.
    pub fn version(&self) -> u16 {
        self.version
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }
}

impl std::fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MaskKey(version {}, ***)", self.version)
    }
}

fn load(path: &Path) -> io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    let mut file = File::open(path)?;
    // Of the opened file, not of the path: it cannot be exchanged in between.
    let meta = file.metadata()?;
    if meta.mode() & 0o077 != 0 {
        let text = format!("mode is {:03o}: group or others may use it; run chmod 600", meta.mode() & 0o777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    if !meta.is_file() || meta.len() != KEY_BYTES as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("not a file of {KEY_BYTES} bytes")));
    }
    file.read_exact(&mut bytes[..])?;
    Ok(bytes)
}

fn create(path: &Path) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    fill_random(&mut bytes[..])?;
    let draft = draft_path(path)?;
    let written = write_private(&draft, &bytes[..]).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match written {
        // Another process was quicker: its key counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => removed,
        Err(error) => Err(error),
        Ok(()) => removed.and_then(|()| sync_directory(path)),
    }
}

fn draft_path(path: &Path) -> io::Result<PathBuf> {
    let mut suffix = [0; 8];
    fill_random(&mut suffix)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{:016x}.new", u64::from_le_bytes(suffix)));
    Ok(path.with_file_name(name))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|e| io::Error::other(format!("no randomness from the system: {e}")))
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("masking key {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_made_key_is_private_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.key");
        let made = MaskKey::load_or_create(1, &path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(MaskKey::load_or_create(1, &path).unwrap().bytes(), made.bytes());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn keys_made_at_once_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let made: Vec<_> = (0..8).map(|_| scope.spawn(|| MaskKey::load_or_create(1, &path).unwrap())).collect();
            made.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|k| k.bytes() == keys[0].bytes()));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.key");
        MaskKey::load_or_create(1, &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = MaskKey::load_or_create(1, &path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().ends_with("mode is 640: group or others may use it; run chmod 600"), "{error}");
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.key");
        write_private(&path, b"short").unwrap();
        assert_eq!(MaskKey::load_or_create(1, &path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_shown() {
        assert_eq!(MaskKey::from_secret(1, &Secret::new("short")).unwrap_err(), KeyError::TooShort(5));
        let key = MaskKey::from_secret(3, &Secret::new("0123456789abcdef")).unwrap();
        assert_eq!(format!("{key:?}"), "MaskKey(version 3, ***)");
    }
}
