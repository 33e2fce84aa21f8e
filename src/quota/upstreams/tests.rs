use super::*;
use crate::clock::Clock;
use crate::exchange::redact::Masked;
use crate::exchange::{AgentError, Arrival, Attempt, Direction, Kind, Labelled, Message, Place, Target, Trace};
use crate::telemetry::Caps;
use crate::telemetry::metrics::Options;
use crate::upstream::DeclaredQuota;
use http::Method;
use std::time::Duration;

const T: i64 = 1_760_000_000;

fn upstream(name: &str, quota: Option<DeclaredQuota>) -> upstream::Config {
    upstream::Config { quota, ..upstream::Config::plain(name, "crm.example", 80, None) }
}

fn exchange(upstream: &str, attempts: usize) -> Exchange {
    let word: Arc<str> = "x".into();
    let place = Place {
        id: 0,
        integration: Arc::clone(&word),
        system: Arc::clone(&word),
        upstream: upstream.into(),
        route: word,
        labelled: Labelled::Known,
    };
    let attempt =
        Attempt { span: 1, start_us: 0, upstream_us: 0, status: None, error: None, connect: None, http_version: "1.1" };
    Exchange {
        place: Arc::new(place),
        kind: Kind::Proxy,
        direction: Direction::Outbound,
        arrival: Arrival::default(),
        started_us: T * 1_000_000,
        head_at_us: 0,
        method: Method::GET,
        target: Target::default(),
        route: None,
        status: 200,
        error: None,
        client_closed: false,
        total_us: 0,
        overhead_us: 0,
        request: Message::default(),
        response: Message::default(),
        correlation_id: Masked::word("c"),
        fingerprint: None,
        links: Default::default(),
        trace: Trace::default(),
        attempts: smallvec::smallvec![attempt; attempts],
    }
}

fn reading(window: &'static str, remaining: u64) -> Reading<'static> {
    Reading { window, limit: Some(100), remaining, reset_at: Some(T + 60), window_length: None }
}

fn quotas() -> Quotas {
    let declared = DeclaredQuota { limit: 10, window: Duration::from_secs(3600) };
    let quotas = Quotas::new(&[upstream("crm", None), upstream("erp", Some(declared))]);
    quotas.set_rebuilt();
    quotas
}

fn metrics(upstreams: &[Arc<str>]) -> Arc<Metrics> {
    Metrics::new(Options {
        upstreams,
        integrations: &[],
        caps: Caps::default(),
        workers: 1,
        clock: Clock::manual(Duration::ZERO),
        version: "0",
        commit: "unknown",
    })
}

#[test]
fn what_is_told_and_what_is_counted_stand_side_by_side() {
    let quotas = quotas();
    assert_eq!(quotas.observe(&exchange("crm", 1), [reading("a", 7), reading("b", 3)], T), Some(reading("b", 3)));
    assert_eq!(quotas.observe(&exchange("erp", 4), [], T), None);
    let mut unreached = exchange("erp", 3);
    unreached.attempts.iter_mut().for_each(|attempt| attempt.error = Some(AgentError::Connect));
    assert_eq!(quotas.observe(&unreached, [], T), None);
    assert_eq!(quotas.observe(&exchange("elsewhere", 4), [reading("a", 1)], T), None);
    let shown = quotas.to_json((T + 1) * 1_000_000);
    let brief: Vec<String> = shown["quota"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|w| format!("{} {} {} {}", w["upstream"], w["window"], w["remaining"], w["source"]).replace('"', ""))
        .collect();
    assert_eq!(shown["quota"][0]["reset_at"], "2025-10-09T08:54:20Z");
    assert_eq!(brief, ["crm a 7 told", "crm b 3 told", "erp hour 6 counted"]);
}

#[test]
fn another_limit_keeps_what_was_counted_and_another_window_does_not() {
    let quotas = quotas();
    quotas.observe(&exchange("erp", 4), [], T);
    let shown = |limit, seconds| {
        let declared = DeclaredQuota { limit, window: Duration::from_secs(seconds) };
        quotas.configure(&[upstream("erp", Some(declared))]);
        let shown = quotas.to_json(T * 1_000_000);
        (shown["quota"][0]["remaining"].as_u64(), shown["quota"][0]["source"].as_str().map(str::to_owned))
    };
    assert_eq!(shown(100, 3600), (Some(96), Some("counted".into())));
    assert_eq!(shown(100, 60), (Some(100), Some("counted_since_start".into())));
}

#[test]
fn what_the_recorder_had_no_room_for_is_counted_as_well() {
    let quotas = quotas();
    let metrics = metrics(&["erp".into()]);
    let dropped = exchange("erp", 3);
    metrics.path(&dropped.place, 0).unrecorded("GET", 200, 3);
    quotas.take_unrecorded(&metrics, T);
    quotas.take_unrecorded(&metrics, T);
    let shown = quotas.to_json(T * 1_000_000);
    assert_eq!(shown["quota"][0]["remaining"], 7, "{shown}");
}

#[test]
fn an_expired_reading_loses_its_series() {
    let quotas = quotas();
    let names = [Arc::from("crm"), Arc::from("erp")];
    let metrics = metrics(&names);
    quotas.observe(&exchange("crm", 1), [reading("a", 7)], T);
    let shown = |after: i64| {
        quotas.publish(&metrics, (T + after) * 1_000_000);
        String::from_utf8(metrics.render(None).1).expect("text")
    };
    let series = r#"vigie_quota_remaining{upstream="crm",window="a"} 7"#;
    assert!(shown(1).contains(series));
    for (upstream, window, source) in [("crm", "a", "told"), ("erp", "hour", "counted")] {
        let series = format!(r#"vigie_quota_source{{upstream="{upstream}",window="{window}",source="{source}"}} 1"#);
        assert!(shown(1).contains(&series), "{series}");
    }
    let later = shown(61);
    assert!(!later.contains(r#"vigie_quota_remaining{upstream="crm""#));
    assert!(later.contains(r#"vigie_quota_limit{upstream="crm",window="a"} 100"#));
    // A count that gives way to what is told under another name leaves nothing behind.
    assert!(later.contains(r#"vigie_quota_limit{upstream="erp",window="hour"} 10"#));
    let told = Reading { window_length: Some(Duration::from_secs(3600)), reset_at: None, ..reading("b", 5) };
    quotas.observe(&exchange("erp", 1), [told], T + 61);
    assert!(!shown(62).contains(r#"{upstream="erp",window="hour"}"#));
}
