//! Label values and their caps: what goes beyond is `other`, and counted.

use crate::exchange::{Labelled, Place};
use crate::telemetry::Caps;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The value that stands for everything beyond a cap.
pub const OTHER: &str = "other";

/// The upstream and route of calls that were refused before an upstream was found.
pub const NONE: &str = "none";

/// Known routes an upstream may have as labels: more than a profile has, since a reload may give it another.
const MAX_KNOWN: usize = 1_000;

/// The labels of the data path's families. Compared and hashed as a tuple of three strings, so that no two tuples merge.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    pub(super) integration: Arc<str>,
    pub(super) upstream: Arc<str>,
    pub(super) route: Arc<str>,
    /// The route was made from a path; no part of the tuple.
    pub(super) generic: bool,
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values().hash(state);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.values().cmp(&other.values())
    }
}

impl Labels {
    pub(super) fn of(place: &Place) -> Self {
        Self {
            integration: place.integration.clone(),
            upstream: place.upstream.clone(),
            route: if place.labelled == Labelled::Other { OTHER.into() } else { place.route.clone() },
            generic: place.labelled == Labelled::Generic,
        }
    }

    pub(super) fn is(&self, place: &Place) -> bool {
        let route = if place.labelled == Labelled::Other { OTHER } else { &place.route };
        self.integration == place.integration && self.upstream == place.upstream && &*self.route == route
    }

    /// Where tuples of `upstream` go when their family has no room for them.
    pub(super) fn other(upstream: &Arc<str>) -> Self {
        Self { integration: OTHER.into(), upstream: upstream.clone(), route: OTHER.into(), generic: false }
    }

    pub(super) fn is_other(&self) -> bool {
        *self.integration == *OTHER && *self.route == *OTHER
    }

    pub(super) fn values(&self) -> [&str; 3] {
        [&self.integration, &self.upstream, &self.route]
    }
}

/// The routes of one upstream that are labels.
#[derive(Default)]
struct Routes {
    known: HashSet<Arc<str>>,
    generic: HashSet<Arc<str>>,
}

/// Which values have been let in so far. First come, first served; configured integrations come first, and a profile's own
/// routes, which are few, always get in.
pub(super) struct LabelCaps {
    caps: Caps,
    integrations: HashSet<Arc<str>>,
    routes: HashMap<Arc<str>, Routes>,
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
            routes: upstreams.iter().map(|name| (name.clone(), Routes::default())).collect(),
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
        if !self.routes.contains_key(&labels.upstream) {
            // Not configured (a refused call has no upstream): the route would be the caller's invention.
            return Labels { upstream: self.none.clone(), route: self.none.clone(), generic: false, ..labels };
        }
        if place.labelled != Labelled::Other && !self.lets_in(&labels.upstream, &labels.route, labels.generic) {
            (labels.route, labels.generic) = (self.other.clone(), false);
        }
        labels
    }

    /// Whether a route may be a label; where there is no room for it, that is counted.
    pub(super) fn lets_in(&mut self, upstream: &str, route: &str, generic: bool) -> bool {
        let Some(routes) = self.routes.get_mut(upstream) else { return false };
        let let_in = if generic {
            // A template may read like a route that the path is not: it is no new label.
            routes.known.contains(route) || admitted(&mut routes.generic, route, self.caps.routes)
        } else {
            admitted(&mut routes.known, route, MAX_KNOWN)
        };
        if !let_in && let Some(capped) = self.routes_capped.get_mut(upstream) {
            *capped += 1;
        }
        let_in
    }
}

fn admitted(set: &mut HashSet<Arc<str>>, value: &str, cap: usize) -> bool {
    set.contains(value) || (set.len() < cap && set.insert(value.into()))
}
