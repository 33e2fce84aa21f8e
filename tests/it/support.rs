//! What the tests share: waiting, processes, the agent as a user runs it, and origins that answer as told.
#![allow(
    dead_code,
    unused_imports,
    reason = "which of these are used depends on the features the tests are built with"
)]

pub mod agent;
pub mod agent_config;
pub mod client;
pub mod eventually;
pub mod metrics;
pub mod origin;
#[cfg(feature = "peers")]
pub mod peers;
pub mod process;
pub mod sandbox;
pub mod source;
pub mod tls;
pub mod tree;
pub mod wire;

mod origin_tests;

pub use agent::{Launch, TestAgent};
pub use client::client;
pub use eventually::{DEADLINE, eventually};
pub use origin::{Origin, RawAnswer, RawOrigin};
pub use process::{Process, free_port};
pub use sandbox::TestSandbox;
