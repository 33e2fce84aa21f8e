//! From our own counts to the `prometheus` crate's families. Children are never made by that crate: it hashes label
//! values without a separator, so that ("acme1", "1") and ("acme", "11") would become one series.

use super::histogram::Snapshot;
use crate::telemetry::catalogue::{Entry, Kind};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// A family being filled for one scrape.
pub(super) struct Family {
    entry: &'static Entry,
    metrics: Vec<Metric>,
}

impl Family {
    pub(super) fn new(entry: &'static Entry) -> Self {
        Self { entry, metrics: Vec::new() }
    }

    /// Adds a counter's or gauge's sample; `values` in the order of the entry's labels.
    pub(super) fn add(&mut self, values: &[&str], value: f64) {
        let mut metric = self.metric(values);
        match self.entry.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                debug_assert_eq!(self.entry.kind, Kind::Gauge, "{}", self.entry.name);
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.metrics.push(metric);
    }

    /// Adds a histogram's samples.
    pub(super) fn add_histogram(&mut self, values: &[&str], bounds_us: &[u64], snapshot: &Snapshot) {
        let mut cumulative = 0;
        let buckets = bounds_us.iter().zip(&snapshot.counts).map(|(bound, count)| {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(seconds(*bound));
            bucket.set_cumulative_count(cumulative);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(snapshot.count());
        histogram.set_sample_sum(seconds(snapshot.sum_us));
        let mut metric = self.metric(values);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }

    fn metric(&self, values: &[&str]) -> Metric {
        debug_assert_eq!(values.len(), self.entry.labels.len(), "{}", self.entry.name);
        let pairs = self.entry.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        Metric::from_label(pairs.collect())
    }

    pub(super) fn finish(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.entry.name.to_owned());
        family.set_help(self.entry.help.to_owned());
        family.set_field_type(match self.entry.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(self.metrics);
        family
    }
}

/// Shorthand for a family of one sample without labels.
pub(super) fn single(entry: &'static Entry, value: f64) -> MetricFamily {
    let mut family = Family::new(entry);
    family.add(&[], value);
    family.finish()
}

/// Microseconds as seconds. Divides, so that listed bounds print as written (0.0025, not 0.0024999…).
pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}
