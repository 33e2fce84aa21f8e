//! Until when certificates are good: those that Vigie shows, and those that upstreams showed it last.

use super::family::Family;
use crate::telemetry::catalogue;
use parking_lot::Mutex;
use prometheus::proto::MetricFamily;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Whose certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A listener of the proxy; its name is its address.
    Listener,
    /// The read side's listener; its name is its address.
    Admin,
    /// Vigie's own, shown to the upstream that names it.
    Client,
    /// An upstream's.
    Upstream,
}

impl Owner {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Admin => "admin",
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }
}

/// A certificate's end: Unix seconds, 0 while it is not known. Written by whoever shakes hands, without a lock.
pub type NotAfter = Arc<AtomicI64>;

/// Every certificate that is known of. They are as many as listeners and twice the upstreams, which the configuration bounds.
#[derive(Default)]
pub struct Certificates(Mutex<BTreeMap<(Owner, String), NotAfter>>);

impl Certificates {
    /// Where one's end is noted; the same place for the same name, also after a reload.
    pub fn of(&self, owner: Owner, name: &str) -> NotAfter {
        Arc::clone(self.0.lock().entry((owner, name.to_owned())).or_default())
    }

    /// Forgets those that `keep` has no use for.
    pub fn retain(&self, keep: impl Fn(Owner, &str) -> bool) {
        self.0.lock().retain(|(owner, name), _| keep(*owner, name));
    }

    /// Those whose end is known.
    pub fn known(&self) -> Vec<(Owner, String, i64)> {
        let known = self.0.lock();
        let ends = known.iter().map(|((owner, name), end)| (*owner, name.clone(), end.load(Ordering::Relaxed)));
        ends.filter(|(.., end)| *end != 0).collect()
    }

    pub(super) fn family(&self) -> MetricFamily {
        let mut family = Family::new(&catalogue::CERTIFICATE_NOT_AFTER);
        self.known().iter().for_each(|(owner, name, end)| family.add(&[owner.as_str(), name], *end as f64));
        family.finish()
    }
}
