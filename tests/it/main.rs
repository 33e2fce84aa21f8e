//! The one binary of tests that need more than a function call: files mirror `src/`, `support` holds what they share.
//!
//! Tests behind the feature `peers` need real programs beside Rust; `make test` installs them and says where they are.

mod catalogue;
mod cli;
#[cfg(feature = "peers")]
mod clients;
mod config;
mod degradation;
mod demo;
mod framing;
mod fuzz;
#[cfg(feature = "peers")]
mod http2_clients;
mod layering;
#[cfg(feature = "peers")]
mod nginx;
#[cfg(feature = "peers")]
mod otlp;
mod privacy;
#[cfg(feature = "peers")]
mod prometheus;
mod proxy;
mod reload;
mod sandbox;
mod support;
mod tidy;
