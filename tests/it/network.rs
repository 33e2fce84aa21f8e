//! Ways out of the machine: the egress proxy, names that change, addresses that do not answer, connections that fall silent.

mod dns;
mod egress;
mod failures;
#[cfg(feature = "peers")]
mod peers;
mod sockets;
mod support;
