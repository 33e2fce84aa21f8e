//! The read side's bearer tokens: who holds one, in which role. Only hashes are kept.
//!
//! Tokens are random and long (`vigie token new`: 256 bits), so a fast hash is the right one: there is nothing to guess
//! that a slow one would protect. Invariants: a listener that was given tokens, or a file of them, is never open, not
//! even with the file emptied; a token is compared with all that there are, so the time tells nothing.

use super::role::Role;
use parking_lot::RwLock;
use std::path::PathBuf;
use std::sync::Arc;

mod file;
pub(super) use file::watch;
pub use file::{FileError, MAX_FILE_BYTES, MAX_TOKENS, parse, read};

/// Names that stand for whoever shows no token, and for the agent itself.
pub const RESERVED: [&str; 2] = ["local", "vigie"];

/// Characters of a token at least: below, it can be guessed. The configuration holds its own to the same.
pub const MIN_TOKEN: usize = 16;

/// Longest name; names stand in the audit log.
const MAX_NAME: usize = 40;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Who holds it.
    pub name: Arc<str>,
    /// What the holder may do.
    pub role: Role,
    /// Its BLAKE3 hash.
    pub hash: [u8; 32],
}

/// Whether `name` can be a token's: `[a-z0-9_-]{1,40}` and not reserved.
pub fn is_name(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(letter) && !RESERVED.contains(&name)
}

/// Whose token it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The token's name.
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
}

/// The tokens in force; replaced as a whole, without a restart.
pub struct Tokens {
    in_force: RwLock<Arc<InForce>>,
}

/// Where tokens come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct InForce {
    configured: Vec<Token>,
    from_file: Vec<Token>,
    file: Option<PathBuf>,
}

impl Tokens {
    /// Those of the configuration, with what its tokens file held when it was read.
    pub fn new(configured: Vec<Token>, file: Option<PathBuf>, from_file: Vec<Token>) -> Self {
        Self { in_force: RwLock::new(Arc::new(InForce { configured, from_file, file })) }
    }

    /// Those of a configuration.
    pub fn of(config: &super::Config) -> Self {
        Self::new(config.tokens.clone(), config.tokens_file.clone(), config.file_tokens.clone())
    }

    /// Puts those of another configuration in their place. Calls under way end under the tokens they began with.
    pub fn replace(&self, config: &super::Config) {
        *self.in_force.write() = Self::of(config).in_force.into_inner();
    }

    /// Puts other tokens in the place of the file's; gives how many are in force when that changed anything.
    fn replace_from_file(&self, from_file: Vec<Token>) -> Option<usize> {
        let mut in_force = self.in_force.write();
        if in_force.from_file == from_file {
            return None;
        }
        let next = InForce { from_file, ..InForce::clone(&in_force) };
        let count = next.configured.len() + next.from_file.len();
        *in_force = Arc::new(next);
        Some(count)
    }

    /// Nothing was configured: everybody who can connect may ask. Only a loopback listener can be so.
    pub fn are_none(&self) -> bool {
        let in_force = self.in_force.read();
        in_force.configured.is_empty() && in_force.file.is_none()
    }

    /// Whose token this is.
    pub fn holder(&self, token: &[u8]) -> Option<Holder> {
        let in_force = Arc::clone(&self.in_force.read());
        let given = blake3::hash(token);
        let mut found = None;
        for known in in_force.configured.iter().chain(&in_force.from_file) {
            // Compares in constant time, and goes on after a match.
            if given == blake3::Hash::from_bytes(known.hash) {
                found = Some(known);
            }
        }
        found.map(|token| Holder { name: Arc::clone(&token.name), role: token.role })
    }

    fn file(&self) -> Option<PathBuf> {
        self.in_force.read().file.clone()
    }

    fn is_configured(&self, name: &str) -> bool {
        self.in_force.read().configured.iter().any(|token| &*token.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, role: Role, secret: &str) -> Token {
        Token { name: name.into(), role, hash: *blake3::hash(secret.as_bytes()).as_bytes() }
    }

    #[test]
    fn holders_are_found_and_replaced() {
        let tokens = Tokens::new(vec![token("a", Role::Viewer, "one")], None, Vec::new());
        assert_eq!(tokens.holder(b"one").map(|h| h.role), Some(Role::Viewer));
        assert_eq!(tokens.holder(b"two"), None);
        tokens.replace(&crate::admin::Config {
            address: ([127, 0, 0, 1], 0).into(),
            tls: None,
            tokens: vec![token("b", Role::Admin, "two")],
            tokens_file: None,
            file_tokens: Vec::new(),
            allowed_hosts: Vec::new(),
        });
        assert_eq!(tokens.holder(b"one"), None, "rotated out");
        assert_eq!(tokens.holder(b"two").map(|h| h.name.to_string()), Some("b".to_owned()));
    }

    #[test]
    fn an_emptied_file_locks_and_never_opens() {
        let tokens = Tokens::new(Vec::new(), Some("tokens".into()), vec![token("a", Role::Admin, "one")]);
        assert_eq!(tokens.replace_from_file(Vec::new()), Some(0));
        assert_eq!(tokens.replace_from_file(Vec::new()), None, "nothing changed");
        assert!(!tokens.are_none());
        assert_eq!(tokens.holder(b"one"), None);
        assert!(Tokens::new(Vec::new(), None, Vec::new()).are_none());
    }

    #[test]
    fn names() {
        for good in ["grafana", "on-call_2", "a"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "Grafana", "a b", "local", "vigie", "é", &"x".repeat(41)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
