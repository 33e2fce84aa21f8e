//! One scrape: shards summed into the `prometheus` crate's families.

use super::family::{Family, single};
use super::histogram::{DURATION_BOUNDS_US, OVERHEAD_BOUNDS_US, Snapshot};
use super::labels::{Labels, OTHER};
use super::path::DurationsSnapshot;
use super::shares::Shares;
use super::{State, agent, dns, upstream, worker};
use crate::telemetry::catalogue;
use crate::telemetry::openmetrics::Exemplars;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The collectors to register: ours, and the crate's for the process.
pub(super) fn all(state: &Arc<State>) -> [Box<dyn Collector>; 2] {
    [Box::new(Families::new(state.clone())), Box::new(ProcessCollector::for_self())]
}

struct Families {
    state: Arc<State>,
    descs: Vec<Desc>,
}

impl Families {
    fn new(state: Arc<State>) -> Self {
        let own = catalogue::ALL.iter().filter(|entry| entry.name.starts_with("vigie_"));
        let descs = own.map(|entry| {
            let labels = entry.labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(entry.name.to_owned(), entry.help.to_owned(), labels, HashMap::new())
                .expect("the catalogue's names are valid")
        });
        Self { descs: descs.collect(), state }
    }
}

impl Collector for Families {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (state, now) = (&*self.state, self.state.clock.elapsed());
        let upstreams = state.upstreams.read().clone();
        let mut families = vec![attempts(state), requests(state), state.bypass_links.lock().family()];
        families.extend(durations(state));
        families.extend(upstream::families(&upstreams, &state.unconfigured, now));
        families.extend(worker::families(&state.workers, now));
        families.extend(agent::families(&state.agent, &state.recorder));
        families.extend(dns::families(&state.dns));
        families.push(state.credentials.family());
        // Last: what the families above had to fold is known by now.
        families.extend(capped(state));
        families
    }
}

/// The series of `vigie_attempts_total` let in so far: statuses are born on the data path, which knows no cap.
pub(super) struct AdmittedAttempts {
    shares: Shares,
    series: HashSet<(Labels, u16)>,
    /// Distinct series folded into `other` at the latest scrape; never shrinks, since shards keep their statuses.
    folded: u64,
}

impl AdmittedAttempts {
    pub(super) fn new(shares: Shares) -> Self {
        Self { shares, series: HashSet::new(), folded: 0 }
    }

    /// Shares the room with these upstreams as well.
    pub(super) fn let_in(&mut self, upstreams: &[Arc<str>]) {
        self.shares.let_in(upstreams);
    }

    /// Forgets the series of upstreams that do not stay.
    pub(super) fn retain(&mut self, stays: impl Fn(&Arc<str>) -> bool) {
        self.series.retain(|(labels, _)| stays(&labels.upstream));
        self.shares.retain(stays, self.series.iter().map(|(labels, _)| labels));
    }

    fn admit(&mut self, labels: &Labels, status: u16) -> bool {
        let key = (labels.clone(), status);
        self.series.contains(&key) || (self.shares.take(labels) && self.series.insert(key))
    }
}

fn attempts(state: &State) -> MetricFamily {
    let shards = state.attempts.lock().all();
    let mut totals: BTreeMap<(&Labels, u16), u64> = BTreeMap::new();
    for (labels, shards) in &shards {
        for shard in shards {
            shard.for_each(|status, count| *totals.entry((labels, status)).or_default() += count);
        }
    }
    let mut family = Family::new(&catalogue::ATTEMPTS);
    let mut other: BTreeMap<&str, u64> = BTreeMap::new();
    let mut admitted = state.admitted_attempts.lock();
    admitted.folded = 0;
    for ((labels, status), count) in totals {
        if admitted.admit(labels, status) {
            let [integration, upstream, route] = labels.values();
            family.add(&[integration, upstream, route, &status.to_string()], count as f64);
        } else {
            admitted.folded += 1;
            *other.entry(&labels.upstream).or_default() += count;
        }
    }
    for (upstream, count) in other {
        family.add(&[OTHER, upstream, OTHER, OTHER], count as f64);
    }
    family.finish()
}

fn requests(state: &State) -> MetricFamily {
    let mut unrecorded = Vec::new();
    for (labels, shards) in state.attempts.lock().all() {
        for shard in shards {
            shard.for_each_unrecorded(|method, status, count| {
                unrecorded.push((labels.clone(), method, status, count));
            });
        }
    }
    let mut family = Family::new(&catalogue::REQUESTS);
    state.requests.lock().samples(&unrecorded, |values, count| family.add(&values, count as f64));
    family.finish()
}

fn snapshots(state: &State) -> Vec<(Labels, DurationsSnapshot)> {
    let shards = state.durations.lock().all();
    let sums = shards.into_iter().map(|(labels, shards)| {
        let mut snapshot = DurationsSnapshot::default();
        shards.iter().for_each(|shard| shard.add_to(&mut snapshot));
        (labels, snapshot)
    });
    sums.collect()
}

fn durations(state: &State) -> [MetricFamily; 3] {
    let mut request = Family::new(&catalogue::REQUEST_DURATION);
    let mut upstream = Family::new(&catalogue::UPSTREAM_DURATION);
    let mut overhead = Family::new(&catalogue::OVERHEAD);
    for (labels, snapshot) in snapshots(state) {
        request.add_histogram(&labels.values(), &DURATION_BOUNDS_US, &snapshot.request);
        upstream.add_histogram(&labels.values(), &DURATION_BOUNDS_US, &snapshot.upstream);
        overhead.add_histogram(&labels.values(), &OVERHEAD_BOUNDS_US, &snapshot.overhead);
    }
    [request, upstream, overhead].map(Family::finish)
}

/// The exemplars of every histogram that has any.
pub(super) fn exemplars(state: &State) -> Exemplars {
    let mut all = Exemplars::default();
    for (labels, snapshot) in snapshots(state) {
        let parts: [(&catalogue::Entry, &Snapshot); 2] =
            [(&catalogue::REQUEST_DURATION, &snapshot.request), (&catalogue::UPSTREAM_DURATION, &snapshot.upstream)];
        for (entry, part) in parts {
            if part.exemplars.iter().any(Option::is_some) {
                all.insert(entry.name, labels.values().map(str::to_owned).into(), part.exemplars.to_vec());
            }
        }
    }
    all
}

fn capped(state: &State) -> [MetricFamily; 3] {
    let mut series = Family::new(&catalogue::SERIES_CAPPED);
    let durations = state.durations.lock().capped;
    let attempts = state.attempts.lock().capped + state.admitted_attempts.lock().folded;
    let counts = [
        (&catalogue::ATTEMPTS, attempts),
        (&catalogue::REQUESTS, state.requests.lock().capped),
        (&catalogue::BYPASS_LINKS, state.bypass_links.lock().capped),
        (&catalogue::REQUEST_DURATION, durations),
        (&catalogue::UPSTREAM_DURATION, durations),
        (&catalogue::OVERHEAD, durations),
    ];
    counts.iter().for_each(|(entry, count)| series.add(&[entry.name], *count as f64));
    let labels = state.labels.lock();
    let mut routes = Family::new(&catalogue::ROUTES_CAPPED);
    labels.routes_capped.iter().for_each(|(upstream, count)| routes.add(&[upstream], *count as f64));
    let integrations = single(&catalogue::INTEGRATIONS_CAPPED, labels.integrations_capped as f64);
    [series.finish(), routes.finish(), integrations]
}
