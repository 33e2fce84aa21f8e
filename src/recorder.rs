//! From raw exchange to everything that needs its content: outcome, masked record, log, history, spans.

mod bypass;
mod callers;
mod decode;
mod digest;
mod knowledge;
mod queue;
mod settings;
mod writer;

pub use callers::Callers;
pub use digest::{Digest, digest};
pub use knowledge::Knowledge;
pub use queue::Handle;
pub use settings::{ByUpstream, InForce, Settings};
pub use writer::{Outputs, Recorder};

/// Bounds of the recorder, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Exchanges that may wait; more are dropped and counted.
    pub queue: usize,
    /// Bytes that the waiting exchanges' bodies may hold; beyond, bodies are dropped and counted, then exchanges.
    pub queue_bytes: usize,
    /// Whose masked bodies are kept in the record.
    pub capture: Capture,
}

/// Which exchanges keep their masked bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Capture {
    /// None.
    None,
    /// Those that did not end `ok`.
    #[default]
    Errors,
    /// All.
    All,
}

impl Default for Config {
    fn default() -> Self {
        Self { queue: 65_536, queue_bytes: 256 << 20, capture: Capture::Errors }
    }
}
