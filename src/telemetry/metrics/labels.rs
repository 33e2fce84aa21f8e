//! Label values and their caps: what goes beyond is `other`, and counted.

use crate::exchange::Place;
use crate::telemetry::Caps;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The value that stands for everything beyond a cap.
pub const OTHER: &str = "other";

/// The upstream and route of calls that were refused before an upstream was found.
pub const NONE: &str = "none";

/// The labels of the data path's families. Compared and hashed as a tuple of three strings, so that no two tuples merge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Labels {
    pub(super) integration: Arc<str>,
    pub(super) upstream: Arc<str>,
    pub(super) route: Arc<str>,
}

impl Labels {
    pub(super) fn of(place: &Place) -> Self {
        Self { integration: place.integration.clone(), upstream: place.upstream.clone(), route: place.route.clone() }
    }

    pub(super) fn is(&self, place: &Place) -> bool {
        self.integration == place.integration && self.upstream == place.upstream && self.route == place.route
    }

    /// Where tuples of `upstream` go when their family is full.
    pub(super) fn other(upstream: &Arc<str>) -> Self {
        Self { integration: OTHER.into(), upstream: upstream.clone(), route: OTHER.into() }
    }

    pub(super) fn values(&self) -> [&str; 3] {
        [&self.integration, &self.upstream, &self.route]
    }
}

/// Which values have been let in so far. First come, first served; configured integrations come first.
pub(super) struct LabelCaps {
    caps: Caps,
    integrations: HashSet<Arc<str>>,
    routes: HashMap<Arc<str>, HashSet<Arc<str>>>,
    other: Arc<str>,
    none: Arc<str>,
    /// Counts by upstream.
    pub(super) routes_capped: BTreeMap<Arc<str>, u64>,
    pub(super) integrations_capped: u64,
}

impl LabelCaps {
    /// `upstreams` are the configured ones; others are not let in.
    pub(super) fn new(caps: Caps, integrations: &[Arc<str>], upstreams: &[Arc<str>]) -> Self {
        Self {
            caps,
            integrations: integrations.iter().take(caps.integrations).cloned().collect(),
            routes: upstreams.iter().map(|name| (name.clone(), HashSet::new())).collect(),
            other: OTHER.into(),
            none: NONE.into(),
            routes_capped: upstreams.iter().map(|name| (name.clone(), 0)).collect(),
            integrations_capped: 0,
        }
    }

    /// Lets in what another configuration names.
    pub(super) fn let_in(&mut self, upstreams: &[Arc<str>], integrations: &[Arc<str>]) {
        for name in upstreams {
            self.routes.entry(name.clone()).or_default();
            self.routes_capped.entry(name.clone()).or_default();
        }
        for name in integrations {
            admitted(&mut self.integrations, name, self.caps.integrations);
        }
    }

    /// Forgets the upstreams that do not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&Arc<str>) -> bool) {
        self.routes.retain(|upstream, _| stays(upstream));
        self.routes_capped.retain(|upstream, _| stays(upstream));
    }

    /// The labels under which `place` is counted.
    pub(super) fn admit(&mut self, place: &Place) -> Labels {
        let mut labels = Labels::of(place);
        if !admitted(&mut self.integrations, &labels.integration, self.caps.integrations) {
            self.integrations_capped += 1;
            labels.integration = self.other.clone();
        }
        let Some(routes) = self.routes.get_mut(&labels.upstream) else {
            // Not configured (a refused call has no upstream): the route would be the caller's invention.
            return Labels { upstream: self.none.clone(), route: self.none.clone(), ..labels };
        };
        if !admitted(routes, &labels.route, self.caps.routes) {
            *self.routes_capped.entry(labels.upstream.clone()).or_default() += 1;
            labels.route = self.other.clone();
        }
        labels
    }
}

fn admitted(set: &mut HashSet<Arc<str>>, value: &Arc<str>, cap: usize) -> bool {
    set.contains(value) || (set.len() < cap && set.insert(value.clone()))
}
