//! `vigie_bypass_links_total`: links in answers that lead past the agent. Written by the recorder.

use super::family::Family;
use super::labels::{LabelCaps, OTHER};
use crate::exchange::{Bypass, Place, Why};
use crate::telemetry::catalogue;
use prometheus::proto::MetricFamily;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Integration, upstream, field, reason.
type Series = (Arc<str>, Arc<str>, Arc<str>, Why);

/// Counts by place of the link and reason.
pub(super) struct BypassLinks {
    cap: usize,
    series: BTreeMap<Series, u64>,
    /// What came when all series were taken, by upstream and reason: both are closed sets.
    other: BTreeMap<(Arc<str>, Why), u64>,
    pub(super) capped: u64,
}

impl BypassLinks {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, series: BTreeMap::new(), other: BTreeMap::new(), capped: 0 }
    }

    /// Counts one link.
    pub(super) fn count(&mut self, place: &Place, caps: &parking_lot::Mutex<LabelCaps>, link: &Bypass) {
        let labels = caps.lock().admit(place);
        let series = (labels.integration, labels.upstream, Arc::clone(&link.field), link.why);
        if let Some(count) = self.series.get_mut(&series) {
            *count += 1;
        } else if self.series.len() < self.cap {
            self.series.insert(series, 1);
        } else {
            self.capped += 1;
            *self.other.entry((series.1, link.why)).or_default() += 1;
        }
    }

    /// Forgets the series of upstreams that do not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&Arc<str>) -> bool) {
        self.series.retain(|(_, upstream, ..), _| stays(upstream));
        self.other.retain(|(upstream, _), _| stays(upstream));
    }

    pub(super) fn family(&self) -> MetricFamily {
        let mut family = Family::new(&catalogue::BYPASS_LINKS);
        for ((integration, upstream, field, why), count) in &self.series {
            family.add(&[integration, upstream, field, why.as_str()], *count as f64);
        }
        for ((upstream, why), count) in &self.other {
            family.add(&[OTHER, upstream, OTHER, why.as_str()], *count as f64);
        }
        family.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Labelled;
    use crate::telemetry::Caps;

    #[test]
    fn what_goes_beyond_the_cap_is_other_and_counted() {
        let upstreams: [Arc<str>; 1] = ["crm".into()];
        let caps = parking_lot::Mutex::new(LabelCaps::new(Caps::default(), &[], &upstreams));
        let word = |text: &str| Arc::<str>::from(text);
        let place = Place {
            id: 0,
            integration: word("erp"),
            system: word("ERP"),
            upstream: word("crm"),
            route: word("/x"),
            labelled: Labelled::Known,
        };
        let mut links = BypassLinks::new(2);
        for field in ["location", "link", "next", "location", "previous"] {
            links.count(&place, &caps, &Bypass { field: field.into(), why: Why::OtherHost });
        }
        assert_eq!((links.capped, links.family().get_metric().len()), (2, 3));
        let counts: Vec<f64> = links.family().get_metric().iter().map(|m| m.get_counter().get_value()).collect();
        assert_eq!(counts, [1.0, 2.0, 2.0]);
        links.retain(|_| false);
        assert_eq!(links.family().get_metric().len(), 0);
    }
}
