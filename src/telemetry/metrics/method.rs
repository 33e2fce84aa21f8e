//! Methods as label values: a closed set.

/// The label's values; the last stands for every method that is not registered.
pub(super) use crate::exchange::record::METHODS;

/// Index of `method` in [`METHODS`].
pub(super) fn index(method: &str) -> u8 {
    METHODS.iter().position(|m| *m == method).unwrap_or(METHODS.len() - 1) as u8
}
