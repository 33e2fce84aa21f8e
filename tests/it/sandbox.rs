//! The sandbox through real sockets, as an integration meets it.

mod api;
mod control;
mod erp;
mod faults;
pub mod support;
mod traffic;
mod webhooks;
