//! A stub resolver: asks the system's servers for addresses, and learns for how long they hold.
//!
//! The C library does not tell a name's time to live, so it cannot be followed through it. hickory-resolver would tell, but
//! adds 1.3 MB of program and 1.1 MB of resident memory for what is two questions here. This one does what
//! the library does by /etc/hosts and DNS: search list, `ndots`, several servers, TCP where an answer is too long. It
//! validates no signatures: TLS proves who answers, not the resolver.

mod ask;
mod hosts;
mod message;
mod settings;

pub use ask::{Answer, REFRESH_DELAY, RESOLUTION_DELAY, Trouble, addresses};
pub use message::Family;
