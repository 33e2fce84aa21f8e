//! The same act again and again (a log that is followed asks twice a second) is one entry a minute.

use std::collections::HashMap;
use std::time::Duration;

/// How long the same act is one entry.
pub const FOLD: Duration = Duration::from_secs(60);

/// Acts remembered; beyond, each is an entry of its own.
const MAX_FOLDS: usize = 512;

/// Longest key remembered, bytes: beyond, each is an entry of its own.
const MAX_KEY: usize = 1_024;

struct Fold {
    written: Duration,
    repeated: u32,
}

/// The acts of the last minute.
#[derive(Default)]
pub struct Folds {
    known: HashMap<String, Fold>,
}

impl Folds {
    /// Whether the act is to be written at `now` (monotonic): how often it was not since the last time, or `None`.
    pub fn admit(&mut self, key: &str, now: Duration) -> Option<u32> {
        if let Some(fold) = self.known.get_mut(key) {
            if now.saturating_sub(fold.written) < FOLD {
                fold.repeated = fold.repeated.saturating_add(1);
                return None;
            }
            fold.written = now;
            return Some(std::mem::take(&mut fold.repeated));
        }
        if self.known.len() >= MAX_FOLDS {
            self.known.retain(|_, fold| now.saturating_sub(fold.written) < FOLD);
        }
        if self.known.len() < MAX_FOLDS && key.len() <= MAX_KEY {
            self.known.insert(key.to_owned(), Fold { written: now, repeated: 0 });
        }
        Some(0)
    }

    /// The act was not written after all.
    pub fn forget(&mut self, key: &str) {
        self.known.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_counted_and_told_with_the_next() {
        let (mut folds, at) = (Folds::default(), Duration::from_secs);
        assert_eq!(folds.admit("a", at(0)), Some(0));
        assert_eq!(folds.admit("a", at(1)), None);
        assert_eq!(folds.admit("b", at(1)), Some(0));
        assert_eq!(folds.admit("a", at(59)), None);
        assert_eq!(folds.admit("a", at(60)), Some(2));
        folds.forget("a");
        assert_eq!(folds.admit("a", at(61)), Some(0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut folds = Folds::default();
        for i in 0..2_000 {
            assert_eq!(folds.admit(&i.to_string(), Duration::ZERO), Some(0));
        }
        assert_eq!(folds.known.len(), MAX_FOLDS);
        assert_eq!(folds.admit("1999", Duration::ZERO), Some(0), "not remembered, so written again");
        folds.admit("x", FOLD);
        assert_eq!(folds.known.len(), 1);
        folds.admit(&"y".repeat(2_000), FOLD);
        assert_eq!(folds.known.len(), 1);
    }
}
