//! The data path as callers and CRMs see it: real sockets on both sides, and the records that come of it.

mod abandoned;
mod afterlife;
mod attribution;
mod caller_gone;
mod connections;
mod correlation;
mod drain;
mod failures;
pub mod frames;
mod headers;
mod http2;
mod http2_pace;
mod http2_upstream;
mod interim;
mod links;
mod records;
mod refusals;
mod routes;
mod streaming;
pub mod support;
mod timeouts;
mod tls;
mod tls_listener;
mod upgrades;
