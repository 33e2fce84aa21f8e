//! The data path as callers and CRMs see it: real sockets on both sides, and the records that come of it.

mod abandoned;
mod afterlife;
mod attribution;
mod caller_gone;
mod connections;
mod correlation;
mod drain;
mod failures;
mod headers;
mod records;
mod refusals;
mod streaming;
mod support;
mod timeouts;
mod tls;
