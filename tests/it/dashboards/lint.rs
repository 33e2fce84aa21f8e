//! Every dashboard keeps the rules, and each rule can be broken.

use super::rules::offences;
use super::{all, queries};
use serde_json::{Value, json};

#[test]
fn every_dashboard_keeps_the_rules() {
    let dashboards = all();
    assert!(dashboards.iter().any(|(path, _)| path == "dashboards/overview.json"), "not found");
    for (path, dashboard) in &dashboards {
        let found = offences(dashboard);
        assert!(found.is_empty(), "{path}:\n{}", found.join("\n"));
        assert!(queries(dashboard).len() > 20, "{path} asks little");
    }
}

/// Grafana tells dashboards apart by it, and links lead to it.
#[test]
fn no_two_dashboards_share_a_uid() {
    let uids: Vec<_> = all().into_iter().map(|(_, dashboard)| dashboard["uid"].clone()).collect();
    let distinct: std::collections::BTreeSet<_> = uids.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), uids.len());
}

#[test]
fn each_rule_can_be_broken() {
    let (_, good) = all().into_iter().find(|(path, _)| path.ends_with("overview.json")).expect("the overview");
    let first = good["panels"].as_array().expect("panels").iter().position(|p| p["type"] == "stat").expect("a stat");
    let panel = format!("/panels/{first}");
    let expr = format!("{panel}/targets/0/expr");
    let s = "job=~\"$job\", instance=~\"$instance\"";
    let cases: Vec<(String, Value, &str)> = vec![
        ("/editable".into(), json!(true), "editable must be false"),
        ("/uid".into(), json!(""), "no stable uid"),
        ("/templating/list/0/label".into(), json!("Source"), "one variable `datasource`"),
        ("/templating/list/1/allValue".into(), json!(".*"), "a variable job, all `.+`"),
        ("/templating/list/2/refresh".into(), json!(1), "variable instance: refresh must be 2"),
        ("/templating/list/1/query/query".into(), json!("label_values(vigie_x, job)"), "not label_values of a metric"),
        (format!("{panel}/description"), json!(""), "no description"),
        (format!("{panel}/datasource/uid"), json!("prometheus"), "must be ${datasource}"),
        (format!("{panel}/fieldConfig/defaults/unit"), json!("parsec"), "no unit"),
        (format!("{panel}/targets"), json!([]), "no target"),
        (format!("{panel}/gridPos/w"), json!(25), "off the grid"),
        (format!("{panel}/id"), json!(1), "another panel has"),
        (expr.clone(), json!("sum(vigie_window_complete)"), "has no job"),
        (expr.clone(), json!(format!("vigie_window_complete{{{}}}", &s[..11])), "has no instance"),
        (expr.clone(), json!(format!("rate(vigie_requests_total{{{s}}}[5m])")), "over [$__rate_interval]"),
        (expr.clone(), json!(format!("sum(vigie_requests_total{{{s}}})")), "in rate, irate or increase"),
        (expr.clone(), json!(format!("vigie_nothing{{{s}}}")), "does not exist"),
        (expr.clone(), json!(format!("vigie_overhead_seconds{{{s}}}")), "does not exist"),
        (expr, json!("1"), "asks for nothing"),
    ];
    for (pointer, value, expected) in cases {
        let mut broken = good.clone();
        *broken.pointer_mut(&pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = value;
        let found = offences(&broken).join("\n");
        assert!(found.contains(expected), "{pointer}, {expected}: {found}");
    }
}
