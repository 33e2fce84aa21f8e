//! What another configuration may change of the recorder while it runs.

use super::{Capture, Knowledge};
use crate::exchange::redact::Known;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of each upstream's vendor.
pub type ByUpstream = HashMap<Arc<str>, Knowledge, foldhash::fast::RandomState>;

/// The part of the configuration that is looked at for each batch.
pub struct Settings {
    /// Profile and policy by upstream name.
    pub knowledge: ByUpstream,
    /// Whose masked bodies are kept.
    pub capture: Capture,
    /// Calls slower than this are traced where no parent decided, microseconds.
    pub keep_slower_than_us: u64,
    /// Credentials that no record may hold.
    pub known: Known,
}

/// The settings in force. Cheap to clone: all clones see a change.
#[derive(Clone)]
pub struct InForce(Arc<Mutex<Arc<Settings>>>);

impl InForce {
    /// Starts with `settings`.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(settings))))
    }

    /// The settings as they are now.
    pub fn get(&self) -> Arc<Settings> {
        Arc::clone(&self.0.lock())
    }

    /// Puts others in force, from the next batch on.
    pub fn set(&self, settings: Settings) {
        *self.0.lock() = Arc::new(settings);
    }
}
