//! TLS on both sides of the proxy: 1.2 or newer, ring, and no switch that turns verification off.
//!
//! Invariants: an upstream is always verified; what a file holds is checked when it is read, so that a broken certificate
//! never takes the place of a good one; no message holds key material.

mod client;
mod dates;
mod failure;
mod pem;
mod server;

pub use client::{Trust, client_config, untrusting};
pub use dates::{file_not_after, not_after};
pub use failure::{HandshakeFailure, alert_after_handshake, upstream_error};
pub use pem::{FileError, Role};
pub use server::{ServerFiles, server_config};
