//! How names resolve.

use super::family::{Family, single};
use crate::net::{Counters, DnsResult};
use crate::telemetry::catalogue;
use prometheus::proto::MetricFamily;

pub(super) fn families(counters: &Counters) -> [MetricFamily; 4] {
    let mut results = Family::new(&catalogue::DNS_RESOLUTIONS);
    for result in DnsResult::ALL {
        results.add(&[result.as_str()], counters.results(result) as f64);
    }
    [
        results.finish(),
        single(&catalogue::DNS_CHANGES, counters.changes() as f64),
        single(&catalogue::DNS_NAMES_STALE, counters.names_stale() as f64),
        single(&catalogue::DNS_CONNECTIONS_DRAINED, counters.connections_drained() as f64),
    ]
}
