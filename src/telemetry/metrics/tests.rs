mod caps;

use super::*;
use crate::exchange::{AgentError, Labelled};
use crate::telemetry::catalogue;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

fn place(id: u32, integration: &str, upstream: &str, route: &str) -> Place {
    let system = integration.into();
    let (integration, upstream, route) = (integration.into(), upstream.into(), route.into());
    Place { id, integration, system, upstream, route, labelled: Labelled::Generic }
}

fn metrics(caps: Caps) -> Arc<Metrics> {
    let names = |names: &[&str]| names.iter().map(|n| Arc::from(*n)).collect::<Vec<Arc<str>>>();
    Metrics::new(Options {
        upstreams: &names(&["crm", "crm2"]),
        integrations: &names(&["erp"]),
        caps,
        workers: 2,
        clock: Clock::manual(Duration::from_secs(1_000)),
        version: "1.2.3",
        commit: "abc",
    })
}

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.render(None).1).unwrap()
}

fn open_metrics(metrics: &Metrics) -> String {
    let (content_type, body) = metrics.render(Some("application/openmetrics-text;version=1.0.0"));
    assert_eq!(content_type, openmetrics::CONTENT_TYPE);
    String::from_utf8(body).unwrap()
}

/// The value of one sample line, by its exact name and labels.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line[series.len() + 1..].split(' ').next()?.parse().ok()
}

#[test]
fn what_is_known_from_the_configuration_starts_at_zero() {
    let text = text(&metrics(Caps::default()));
    for series in [
        r#"vigie_outcomes_total{upstream="crm",outcome="vendor_error"}"#,
        r#"vigie_outcomes_total{upstream="crm2",outcome="unclassified"}"#,
        r#"vigie_agent_errors_total{upstream="crm",kind="tls"}"#,
        r#"vigie_window_server_errors{upstream="crm",window="10m"}"#,
        r#"vigie_window_complete{upstream="crm"}"#,
        r#"vigie_recorder_dropped_total{stage="queue"}"#,
        r#"vigie_otlp_spans_total{result="failed"}"#,
        r#"vigie_log_lines_total{sink="stdout"}"#,
        r#"vigie_series_capped_total{family="vigie_requests_total"}"#,
        r#"vigie_routes_capped_total{upstream="crm2"}"#,
        r#"vigie_worker_connections{worker="1"}"#,
        "vigie_integrations_capped_total",
    ] {
        assert_eq!(value(&text, series), Some(0.0), "{series}");
    }
    assert_eq!(value(&text, r#"vigie_build_info{version="1.2.3",commit="abc"}"#), Some(1.0));
    assert_eq!(value(&text, "vigie_start_time_seconds"), Some(1_000.0));
    assert_eq!(value(&text, "vigie_config_last_reload_successful"), Some(1.0));
    assert!(!text.contains("vigie_quota_"), "what is not known has no series");
}

/// Fills every family, so that what is rendered can be held against the catalogue.
fn filled() -> Arc<Metrics> {
    let metrics = metrics(Caps::default());
    let place = place(1, "erp", "crm", "/api/deals/{id}");
    let path = metrics.path(&place, 0);
    path.attempt_end(&AttemptEnd { status: Some(503), error: None, upstream_us: 2_000_000, at: metrics.now() });
    path.observe_exchange(2_500_000, 40);
    path.exemplar(0xabc, 2_500_000, Some(2_000_000), 1_764_066_000_123_456);
    metrics.request(&place, "GET", 503, Outcome::VendorError);
    let all = QuotaValues {
        limit: Some(1e3),
        remaining: Some(12.0),
        reset: Some(2e3),
        exhaustion: Some(1.5e3),
        source: Some("told"),
    };
    metrics.set_quota("crm", "1h", all);
    metrics.agent().certificates().of(Owner::Upstream, "crm").store(1_800_000_000, Ordering::Relaxed);
    metrics.bypass_link(&place, &Bypass { field: "location".into(), why: Why::OtherHost });
    let held = CredentialInUse { upstream: "crm".into(), integration: None, fingerprint: 0x1f };
    metrics.set_credentials(vec![held]);
    metrics
}

#[test]
fn the_catalogue_and_the_scrape_name_the_same_families_with_the_same_words() {
    let text = text(&filled());
    let header = |kind: &str| -> BTreeMap<String, String> {
        let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(kind)?.split_once(' ')).collect();
        let map: BTreeMap<_, _> = lines.iter().map(|(name, rest)| ((*name).to_owned(), (*rest).to_owned())).collect();
        assert_eq!(map.len(), lines.len(), "{kind} once a family");
        map
    };
    let listed = |f: fn(&catalogue::Entry) -> &'static str| -> BTreeMap<String, String> {
        catalogue::ALL.iter().map(|entry| (entry.name.to_owned(), f(entry).to_owned())).collect()
    };
    assert_eq!(header("# HELP "), listed(|entry| entry.help));
    assert_eq!(header("# TYPE "), listed(|entry| entry.kind.as_str()));
}

#[test]
fn one_attempt_counts_wherever_it_belongs() {
    let text = text(&filled());
    let labels = r#"{integration="erp",upstream="crm",route="/api/deals/{id}""#;
    for (series, expected) in [
        (format!(r#"vigie_attempts_total{labels},status_code="503"}}"#), 1.0),
        (format!(r#"vigie_upstream_duration_seconds_bucket{labels},le="1"}}"#), 0.0),
        (format!(r#"vigie_upstream_duration_seconds_bucket{labels},le="2"}}"#), 1.0),
        (format!(r#"vigie_request_duration_seconds_bucket{labels},le="+Inf"}}"#), 1.0),
        (format!("vigie_request_duration_seconds_sum{labels}}}"), 2.5),
        (format!("vigie_overhead_seconds_count{labels}}}"), 1.0),
        (format!(r#"vigie_overhead_seconds_bucket{labels},le="0.000025"}}"#), 0.0),
        (format!(r#"vigie_overhead_seconds_bucket{labels},le="0.00005"}}"#), 1.0),
        (format!(r#"vigie_requests_total{labels},method="GET",status_code="503",outcome="vendor_error"}}"#), 1.0),
        (r#"vigie_outcomes_total{upstream="crm",outcome="vendor_error"}"#.into(), 1.0),
        (r#"vigie_window_server_errors{upstream="crm",window="10m"}"#.into(), 1.0),
        (r#"vigie_window_attempts{upstream="crm",window="10m"}"#.into(), 1.0),
        (r#"vigie_window_duration_seconds{upstream="crm",window="10m"}"#.into(), 2.0),
        (r#"vigie_window_unreachable{upstream="crm",window="10m"}"#.into(), 0.0),
        (r#"vigie_quota_remaining{upstream="crm",window="1h"}"#.into(), 12.0),
    ] {
        assert_eq!(value(&text, &series), Some(expected), "{series}");
    }
}

#[test]
fn failures_are_judged_by_their_kind() {
    use AgentError::{Connect, ConnectTimeout, Dns, Tls};
    let cases = [
        (Some(503), None, (1, 0, 1)),
        (Some(200), Some(AgentError::UpstreamClosed), (0, 0, 1)),
        (Some(200), Some(AgentError::IdleTimeout), (0, 0, 1)),
        (Some(429), None, (0, 0, 1)),
        (Some(600), None, (0, 0, 1)),
        (None, Some(AgentError::HeadTimeout), (0, 1, 1)),
        (None, Some(AgentError::Dns), (0, 1, 0)),
        (None, Some(AgentError::Connect), (0, 1, 0)),
        (None, Some(AgentError::ConnectTimeout), (0, 1, 0)),
        (None, Some(AgentError::Tls), (0, 1, 0)),
        (None, Some(AgentError::UpstreamClosed), (0, 0, 0)),
        (None, None, (0, 0, 0)),
    ];
    for (status, error, expected) in cases {
        let metrics = metrics(Caps::default());
        let end = AttemptEnd { status, error, upstream_us: 5, at: metrics.now() };
        metrics.path(&place(1, "erp", "crm", "/"), 1).attempt_end(&end);
        let read = metrics.upstream("crm").windows.read(metrics.now());
        assert_eq!((read.server_errors, read.unreachable, read.attempts), expected, "{status:?} {error:?}");
        let series = format!(
            r#"vigie_attempts_total{{integration="erp",upstream="crm",route="/",status_code="{}"}}"#,
            status.unwrap_or(0)
        );
        // What never reached the wire is no attempt.
        let unsent = matches!((status, error), (None, Some(Dns | Connect | ConnectTimeout | Tls)));
        assert_eq!(value(&text(&metrics), &series).unwrap_or(0.0), if unsent { 0.0 } else { 1.0 }, "{error:?}");
    }
}

#[test]
fn workers_counts_add_up_and_any_worker_number_is_served() {
    let metrics = metrics(Caps::default());
    for worker in 0..5 {
        let path = metrics.path(&place(7, "erp", "crm", "/a"), worker);
        path.attempt(200);
        path.attempt(299);
        path.observe_exchange(1_000, 10);
    }
    let text = text(&metrics);
    let labels = r#"integration="erp",upstream="crm",route="/a""#;
    assert_eq!(value(&text, &format!(r#"vigie_attempts_total{{{labels},status_code="200"}}"#)), Some(5.0));
    assert_eq!(value(&text, &format!(r#"vigie_attempts_total{{{labels},status_code="299"}}"#)), Some(5.0));
    assert_eq!(value(&text, &format!("vigie_request_duration_seconds_count{{{labels}}}")), Some(5.0));
}

#[test]
fn writers_on_one_shard_and_a_scrape_at_the_same_time_lose_nothing() {
    let metrics = metrics(Caps::default());
    let place = place(7, "erp", "crm", "/a");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let path = metrics.path(&place, 0);
                for i in 0..5_000u64 {
                    path.attempt_end(&AttemptEnd { status: Some(500), error: None, upstream_us: i, at: metrics.now() });
                    path.observe_exchange(i, 1);
                }
            });
        }
        (0..20).for_each(|_| assert!(text(&metrics).contains("vigie_window_attempts")));
    });
    let text = text(&metrics);
    assert_eq!(total(&text, "vigie_attempts_total"), 20_000.0);
    assert_eq!(total(&text, "vigie_request_duration_seconds_count"), 20_000.0);
    assert_eq!(value(&text, r#"vigie_window_server_errors{upstream="crm",window="10m"}"#), Some(20_000.0));
}

#[test]
fn what_the_recorder_had_no_room_for_counts_as_unclassified() {
    let metrics = metrics(Caps::default());
    let place = place(1, "erp", "crm", "/a");
    metrics.request(&place, "POST", 201, Outcome::Ok);
    metrics.request(&place, "POST", 201, Outcome::Unclassified);
    metrics.path(&place, 0).unrecorded("POST", 201, 1);
    metrics.path(&place, 1).unrecorded("POST", 201, 1);
    metrics.path(&place, 1).unrecorded("BREW", 418, 1);
    for _ in 0..2 {
        let text = text(&metrics);
        let series = |method, status, outcome| {
            format!(
                r#"vigie_requests_total{{integration="erp",upstream="crm",route="/a",method="{method}",status_code="{status}",outcome="{outcome}"}}"#
            )
        };
        assert_eq!(value(&text, &series("POST", 201, "ok")), Some(1.0));
        assert_eq!(value(&text, &series("POST", 201, "unclassified")), Some(3.0), "the same at every scrape");
        assert_eq!(value(&text, &series("OTHER", 418, "unclassified")), Some(1.0));
        assert_eq!(value(&text, r#"vigie_outcomes_total{upstream="crm",outcome="unclassified"}"#), Some(4.0));
    }
}

/// Lines of a family, histogram suffixes included.
fn lines(text: &str, family: &str) -> usize {
    text.lines().filter(|line| line.starts_with(family) && !line.starts_with('#')).count()
}

fn total(text: &str, family: &str) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(&format!("{family}{{")));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn a_call_without_an_upstream_is_counted_and_brings_no_label_of_its_own() {
    let metrics = metrics(Caps::default());
    metrics.request(&place(1, "unknown", "none", "/secret/path"), "GET", 404, Outcome::AgentError);
    metrics.path(&place(1, "unknown", "none", "none"), 0).agent_error(AgentError::NoUpstream);
    let text = text(&metrics);
    assert!(!text.contains("/secret/path"));
    assert_eq!(value(&text, r#"vigie_outcomes_total{upstream="none",outcome="agent_error"}"#), Some(1.0));
    assert_eq!(value(&text, r#"vigie_agent_errors_total{upstream="none",kind="no_upstream"}"#), Some(1.0));
}

#[test]
fn an_id_given_twice_does_not_merge_two_places() {
    let metrics = metrics(Caps::default());
    metrics.request(&place(1, "erp", "crm", "/a"), "GET", 200, Outcome::Ok);
    metrics.request(&place(1, "erp", "crm", "/b"), "GET", 200, Outcome::Ok);
    metrics.request(&place(1, "erp", "crm", "/a"), "GET", 200, Outcome::Ok);
    let text = text(&metrics);
    for (route, count) in [("/a", 2.0), ("/b", 1.0)] {
        let series = format!(
            r#"vigie_requests_total{{integration="erp",upstream="crm",route="{route}",method="GET",status_code="200",outcome="ok"}}"#
        );
        assert_eq!(value(&text, &series), Some(count));
    }
}

#[test]
fn escapes_are_those_of_each_format() {
    let metrics = metrics(Caps::default());
    metrics.path(&place(1, "a\"b\\c\nd", "crm", "/é"), 0).attempt(200);
    let series = r#"{integration="a\"b\\c\nd",upstream="crm",route="/é",status_code="200"}"#;
    assert_eq!(value(&text(&metrics), &format!("vigie_attempts_total{series}")), Some(1.0));
    assert_eq!(value(&open_metrics(&metrics), &format!("vigie_attempts_total{series}")), Some(1.0));
}

#[test]
fn a_quota_reading_that_becomes_unknown_takes_its_series_away() {
    let metrics = filled();
    metrics.set_quota("crm", "1h", QuotaValues { limit: Some(1_000.0), ..QuotaValues::default() });
    let partly = text(&metrics);
    assert!(partly.contains("vigie_quota_limit{") && !partly.contains("vigie_quota_remaining"));
    metrics.set_quota("crm", "1h", QuotaValues::default());
    assert!(!text(&metrics).contains("vigie_quota_"));
}

#[test]
fn open_metrics_has_its_own_shape() {
    let text = open_metrics(&filled());
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
    assert!(text.contains("# TYPE vigie_requests counter\n") && !text.contains("# TYPE vigie_requests_total"));
    assert!(text.contains("# HELP vigie_requests Exchanges, by"));
    let bucket =
        text.lines().find(|l| l.starts_with("vigie_request_duration_seconds_bucket") && l.contains("le=\"5.0\""));
    assert_eq!(
        bucket,
        Some(
            "vigie_request_duration_seconds_bucket{integration=\"erp\",upstream=\"crm\",route=\"/api/deals/{id}\",\
             le=\"5.0\"} 1 # {trace_id=\"00000000000000000000000000000abc\"} 2.5 1764066000.123"
        )
    );
    assert!(text.contains("le=\"2.0\"} 1 # {trace_id="), "the vendor's time has one too");
    assert_eq!(text.matches("trace_id=").count(), 2);
    let mut seen = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert!(seen.insert(line.to_owned()), "{line}");
    }
}

#[test]
fn plain_text_is_the_default() {
    let metrics = metrics(Caps::default());
    for accept in [None, Some("*/*"), Some("text/plain")] {
        assert_eq!(metrics.render(accept).0, TEXT_CONTENT_TYPE);
    }
    assert!(!text(&metrics).contains("# EOF"));
}

/// Few letters, so that tuples often agree when their parts are joined.
fn tuples() -> impl Strategy<Value = Vec<(String, String, u64)>> {
    prop::collection::vec(("[a1]{0,3}", "[a1]{0,3}", 1u64..5), 1..40)
}

proptest! {
    #[test]
    fn tuples_never_merge(mut tuples in tuples()) {
        for (integration, route) in [("acme1", "1"), ("acme", "11"), ("", "acme11"), ("acme11", "")] {
            tuples.push((integration.into(), route.into(), 1));
        }
        let metrics = metrics(Caps::default());
        let mut model = BTreeMap::<(String, String), u64>::new();
        for (i, (integration, route, count)) in tuples.into_iter().enumerate() {
            let place = place(i as u32, &integration, "crm", &route);
            let path = metrics.path(&place, i);
            for _ in 0..count {
                path.attempt(200);
                path.observe_exchange(1, 1);
                metrics.request(&place, "GET", 200, Outcome::Ok);
            }
            *model.entry((integration, route)).or_default() += count;
        }
        let text = text(&metrics);
        prop_assert_eq!(lines(&text, "vigie_attempts_total{"), model.len());
        prop_assert_eq!(lines(&text, "vigie_requests_total{"), model.len());
        prop_assert_eq!(lines(&text, "vigie_request_duration_seconds_count{"), model.len());
        for ((integration, route), count) in model {
            let labels = format!(r#"integration="{integration}",upstream="crm",route="{route}""#);
            for series in [
                format!(r#"vigie_attempts_total{{{labels},status_code="200"}}"#),
                format!(r#"vigie_requests_total{{{labels},method="GET",status_code="200",outcome="ok"}}"#),
                format!("vigie_request_duration_seconds_count{{{labels}}}"),
                format!(r#"vigie_overhead_seconds_bucket{{{labels},le="0.000025"}}"#),
            ] {
                prop_assert_eq!(value(&text, &series), Some(count as f64), "{}", series);
            }
        }
    }
}
