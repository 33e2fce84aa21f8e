//! Which credentials the agent puts on calls, by fingerprint.

use super::family::Family;
use crate::telemetry::catalogue;
use parking_lot::Mutex;
use prometheus::proto::MetricFamily;
use std::sync::Arc;

/// A credential in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialInUse {
    /// The upstream that it is for.
    pub upstream: Arc<str>,
    /// The integration that it is for; `None` for everybody's.
    pub integration: Option<Arc<str>>,
    /// Keyed hash of the key.
    pub fingerprint: u64,
}

/// Those of the configuration in force.
#[derive(Default)]
pub(super) struct Credentials(Mutex<Vec<CredentialInUse>>);

impl Credentials {
    pub(super) fn set(&self, credentials: Vec<CredentialInUse>) {
        *self.0.lock() = credentials;
    }

    pub(super) fn family(&self) -> MetricFamily {
        let mut family = Family::new(&catalogue::CREDENTIAL_INFO);
        for CredentialInUse { upstream, integration, fingerprint } in self.0.lock().iter() {
            let integration = integration.as_deref().unwrap_or_default();
            family.add(&[upstream, integration, &format!("{fingerprint:016x}")], 1.0);
        }
        family.finish()
    }
}
