//! The one binary of tests that need more than a function call: files mirror `src/`, `support` holds what they share.
//!
//! Tests behind the feature `peers` need real programs beside Rust; `make test` installs them and says where they are.

mod config;
mod layering;
mod support;
mod tidy;
