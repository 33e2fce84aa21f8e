//! The sandbox through real sockets, as an integration meets it.

mod api;
mod control;
mod erp;
mod faults;
mod support;
mod traffic;
mod webhooks;
