//! OpenMetrics 1.0 text, with trace exemplars: what the `prometheus` crate's encoder cannot write.

use crate::telemetry::metrics::Exemplar;
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use std::collections::HashMap;
use std::fmt::Write as _;

/// `Content-Type` of this format.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const MEDIA_TYPE: &str = "application/openmetrics-text";

/// Exemplars by family and label values, one a bucket.
#[derive(Default)]
pub(crate) struct Exemplars(HashMap<&'static str, HashMap<Vec<String>, Vec<Option<Exemplar>>>>);

impl Exemplars {
    pub(crate) fn insert(&mut self, family: &'static str, values: Vec<String>, buckets: Vec<Option<Exemplar>>) {
        self.0.entry(family).or_default().insert(values, buckets);
    }

    fn of(&self, family: &str, labels: &[LabelPair]) -> &[Option<Exemplar>] {
        let Some(by_values) = self.0.get(family) else { return &[] };
        let values: Vec<String> = labels.iter().map(|pair| pair.value().to_owned()).collect();
        by_values.get(&values).map_or(&[], Vec::as_slice)
    }
}

/// Whether an `Accept` header prefers this format to plain text: it must be named (a wildcard means text), in version
/// 1.0.0 or none, and weigh at least as much as `text/plain`.
pub fn is_preferred(accept: &str) -> bool {
    let mut wanted = 0.0;
    let mut text = 0.0;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let (mut quality, mut version) = (1.0_f32, None);
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => quality = value.trim().parse().unwrap_or(0.0),
                "version" => version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        if media_type.eq_ignore_ascii_case(MEDIA_TYPE) && matches!(version, None | Some("1.0.0")) {
            wanted = quality.max(wanted);
        } else if media_type.eq_ignore_ascii_case("text/plain") {
            text = quality.max(text);
        }
    }
    wanted > 0.0 && wanted >= text
}

/// The families as OpenMetrics text, `# EOF` included.
pub(crate) fn encode(families: &[MetricFamily], exemplars: &Exemplars) -> String {
    let mut out = String::new();
    for family in families {
        let kind = family.get_field_type();
        let counter = kind == MetricType::COUNTER;
        // A counter's family is named without the suffix that its sample carries.
        let name = if counter { family.name().strip_suffix("_total").unwrap_or(family.name()) } else { family.name() };
        let word = match kind {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            MetricType::SUMMARY | MetricType::UNTYPED => "unknown",
        };
        let _ = writeln!(out, "# TYPE {name} {word}");
        let _ = writeln!(out, "# HELP {name} {}", Escaped(family.help()));
        for metric in family.get_metric() {
            match kind {
                MetricType::HISTOGRAM => {
                    histogram(&mut out, name, metric, exemplars.of(family.name(), metric.get_label()))
                }
                MetricType::COUNTER => sample(&mut out, name, "_total", metric, metric.get_counter().get_value()),
                _ => sample(&mut out, name, "", metric, metric.get_gauge().get_value()),
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

fn histogram(out: &mut String, name: &str, metric: &Metric, exemplars: &[Option<Exemplar>]) {
    let histogram = metric.get_histogram();
    let finite = histogram.get_bucket().iter().map(|b| (b.upper_bound(), b.cumulative_count()));
    let buckets = finite.chain([(f64::INFINITY, histogram.get_sample_count())]);
    for (i, (bound, count)) in buckets.enumerate() {
        let _ = write!(out, "{name}_bucket");
        labels(out, metric.get_label(), Some(bound));
        let _ = write!(out, " {count}");
        if let Some(Exemplar { trace_id, value_us, at_us }) = exemplars.get(i).copied().flatten() {
            let (value, at) = (value_us as f64 / 1e6, (at_us / 1_000) as f64 / 1e3);
            let _ = write!(out, " # {{trace_id=\"{trace_id:032x}\"}} {} {}", Number(value), Number(at));
        }
        out.push('\n');
    }
    sample(out, name, "_sum", metric, histogram.get_sample_sum());
    let _ = write!(out, "{name}_count");
    labels(out, metric.get_label(), None);
    let _ = writeln!(out, " {}", histogram.get_sample_count());
}

fn sample(out: &mut String, name: &str, suffix: &str, metric: &Metric, value: f64) {
    let _ = write!(out, "{name}{suffix}");
    labels(out, metric.get_label(), None);
    let _ = writeln!(out, " {}", Number(value));
}

fn labels(out: &mut String, pairs: &[LabelPair], bound: Option<f64>) {
    if pairs.is_empty() && bound.is_none() {
        return;
    }
    out.push('{');
    let mut separator = "";
    for pair in pairs {
        let _ = write!(out, "{separator}{}=\"{}\"", pair.name(), Escaped(pair.value()));
        separator = ",";
    }
    if let Some(bound) = bound {
        let _ = write!(out, "{separator}le=\"{}\"", Number(bound));
    }
    out.push('}');
}

/// A number in the format's canonical form: `1.0`, `0.0025`, `+Inf`, `NaN`.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_infinite() {
            return f.write_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" });
        }
        write!(f, "{:?}", self.0)
    }
}

/// Label values and help texts share their escapes in this format.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_explicit_wish_changes_the_format() {
        let cases = [
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                true,
            ),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", true),
            ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.5", true),
            ("Application/OpenMetrics-Text", true),
            ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4", false),
            ("application/openmetrics-text;version=2.0.0", false),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text;q=nonsense", false),
            ("*/*", false),
            ("text/html", false),
            ("", false),
        ];
        for (accept, expected) in cases {
            assert_eq!(is_preferred(accept), expected, "{accept}");
        }
    }

    #[test]
    fn numbers_are_canonical() {
        let written = |n| Number(n).to_string();
        assert_eq!([written(1.0), written(0.0025), written(f64::INFINITY)], ["1.0", "0.0025", "+Inf"]);
        assert_eq!([written(f64::NEG_INFINITY), written(f64::NAN), written(0.0)], ["-Inf", "NaN", "0.0"]);
    }
}
