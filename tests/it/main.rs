//! The one binary of tests that need more than a function call: files mirror `src/`, `support` holds what they share.
//!
//! Tests behind the feature `peers` need real programs beside Rust; `make test` installs them and says where they are.

mod admin;
mod catalogue;
mod certificates;
mod cli;
#[cfg(feature = "peers")]
mod clients;
mod config;
mod credentials;
mod dashboards;
mod degradation;
mod demo;
mod documents;
mod framing;
mod fuzz;
#[cfg(feature = "peers")]
mod http2_clients;
mod layering;
#[cfg(feature = "peers")]
mod links_clients;
mod network;
#[cfg(feature = "peers")]
mod nginx;
#[cfg(feature = "peers")]
mod otlp;
#[cfg(feature = "peers")]
mod packaging;
mod privacy;
#[cfg(feature = "peers")]
mod prometheus;
mod proxy;
mod quota;
mod reload;
mod sandbox;
#[cfg(feature = "peers")]
mod soak;
mod spans;
mod support;
mod tidy;
#[cfg(feature = "peers")]
mod websockets;
