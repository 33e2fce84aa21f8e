//! What goes beyond the caps, and who may go how far.

use super::*;

#[test]
fn a_flood_of_labels_stays_within_the_caps_and_nothing_is_lost() {
    let caps = Caps { integrations: 10, routes: 50, series: 400 };
    let metrics = metrics(caps);
    let mut sent = 0.0;
    for i in 0..3_000u32 {
        let place = place(i, &format!("i{}", i % 40), "crm", &format!("/r{i}"));
        let path = metrics.path(&place, i as usize);
        path.attempt(200 + (i % 97) as u16);
        path.observe_exchange(10, 10);
        path.observe_upstream(10);
        metrics.request(&place, "GET", 200 + (i % 97) as u16, Outcome::Ok);
        path.unrecorded("GET", 500, 1);
        sent += 1.0;
    }
    let first = text(&metrics);
    for family in ["vigie_attempts_total", "vigie_requests_total"] {
        assert!(lines(&first, family) <= caps.series, "{family}: {}", lines(&first, family));
        assert!(lines(&first, &format!("{family}{{integration=\"other\",upstream=\"crm\",route=\"other\"")) > 0);
    }
    for family in ["vigie_request_duration_seconds", "vigie_upstream_duration_seconds", "vigie_overhead_seconds"] {
        assert!(lines(&first, family) <= caps.series, "{family}: {}", lines(&first, family));
        assert_eq!(total(&first, &format!("{family}_count")), sent, "{family}");
    }
    assert_eq!(total(&first, "vigie_attempts_total"), sent);
    assert_eq!(total(&first, "vigie_requests_total"), 2.0 * sent);
    for family in ["vigie_attempts_total", "vigie_requests_total", "vigie_overhead_seconds"] {
        assert!(value(&first, &format!("vigie_series_capped_total{{family=\"{family}\"}}")) > Some(0.0), "{family}");
    }
    assert!(value(&first, r#"vigie_routes_capped_total{upstream="crm"}"#) > Some(0.0));
    assert!(value(&first, "vigie_integrations_capped_total") > Some(0.0));
    let counters = |text: &str| total(text, "vigie_attempts_total") + total(text, "vigie_requests_total");
    assert_eq!(counters(&text(&metrics)), counters(&first), "a second scrape moves nothing between series");
}

#[test]
fn templates_of_one_upstream_leave_room_for_the_routes_of_all() {
    let metrics = metrics(Caps::default());
    let count = |id: u32, upstream: &str, route: &str, labelled| {
        let place = Place { labelled, ..place(id, "erp", upstream, route) };
        metrics.path(&place, 0).observe_exchange(10, 10);
        metrics.path(&place, 0).attempt(200);
        metrics.request(&place, "GET", 200, Outcome::Ok);
    };
    for i in 0..400 {
        count(i, "crm", &format!("/r{i}"), Labelled::Generic);
    }
    // All that a profile may have.
    for i in 0..300 {
        count(1_000 + i, "crm2", &format!("/k{i}"), Labelled::Known);
    }
    count(2_000, "crm", "/api/deals/{id}", Labelled::Known);
    count(2_001, "crm2", "/templates", Labelled::Generic);
    let text = text(&metrics);
    for (upstream, route) in [("crm", "/r1"), ("crm", "/api/deals/{id}"), ("crm2", "/k1"), ("crm2", "/templates")] {
        let labels = format!(r#"{{integration="erp",upstream="{upstream}",route="{route}""#);
        for family in ["vigie_request_duration_seconds_count", "vigie_attempts_total", "vigie_requests_total"] {
            assert_eq!(total(&text, family) - total(&text.replace(&labels, ""), family), 1.0, "{family}{labels}");
        }
    }
    assert_eq!(value(&text, r#"vigie_routes_capped_total{upstream="crm2"}"#), Some(0.0));
}

#[test]
fn a_route_there_was_no_room_for_is_counted_under_other() {
    let metrics = metrics(Caps { routes: 1, ..Caps::default() });
    let lets_in = |route| metrics.lets_in("crm", route);
    assert_eq!([lets_in("/a"), lets_in("/b"), lets_in("/a"), lets_in("/b")], [true, false, true, false]);
    let others = Place { labelled: Labelled::Other, ..place(1, "erp", "crm", "/b") };
    for place in [others.of_route("/c"), others] {
        metrics.path(&place, 0).attempt(200);
        metrics.request(&place, "GET", 200, Outcome::Ok);
    }
    let text = text(&metrics);
    let labels = r#"integration="erp",upstream="crm",route="other""#;
    assert_eq!(value(&text, &format!("vigie_attempts_total{{{labels},status_code=\"200\"}}")), Some(2.0));
    let series = format!("vigie_requests_total{{{labels},method=\"GET\",status_code=\"200\",outcome=\"ok\"}}");
    assert_eq!(value(&text, &series), Some(2.0));
    assert_eq!(value(&text, r#"vigie_routes_capped_total{upstream="crm"}"#), Some(2.0));
}

#[test]
fn a_configured_integration_keeps_its_name_whoever_came_first() {
    let metrics = metrics(Caps { integrations: 2, ..Caps::default() });
    for (i, name) in ["a", "b", "erp"].into_iter().enumerate() {
        metrics.path(&place(i as u32, name, "crm", "/"), 0).attempt(200);
    }
    let series =
        |name| format!(r#"vigie_attempts_total{{integration="{name}",upstream="crm",route="/",status_code="200"}}"#);
    let text = text(&metrics);
    assert_eq!([value(&text, &series("erp")), value(&text, &series("a"))], [Some(1.0), Some(1.0)]);
    assert_eq!([value(&text, &series("b")), value(&text, &series("other"))], [None, Some(1.0)]);
}
