//! A string that must never be shown: tokens, passwords, keys.
//!
//! Invariant: no `Display`, no `Serialize`; `Debug` prints a placeholder; memory is wiped on drop.
//! Comparison is constant in time over the length of the shorter value's hash, so it leaks neither content nor prefix.

use zeroize::Zeroizing;

/// A secret value. Read it with [`Secret::expose`] at the one place that sends or hashes it.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value; the caller gives up its own copy.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself. Never pass it to a log, an error or a metric.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Equality whose duration does not depend on where the values differ.
    pub fn matches(&self, other: &[u8]) -> bool {
        // blake3's Hash compares in constant time; hashing first hides the length as well.
        blake3::hash(self.0.as_bytes()) == blake3::hash(other)
    }

    /// True when nothing was configured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_value() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
    }

    #[test]
    fn matches_only_the_same_bytes() {
        let secret = Secret::new("abc");
        assert!(secret.matches(b"abc"));
        assert!(!secret.matches(b"abd"));
        assert!(!secret.matches(b"ab"));
    }
}
