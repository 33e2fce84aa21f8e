//! Degradation.
