//! The Grafana dashboards: the rules of Grafana's own linter, and every query asked of a real Prometheus.

mod lint;
#[cfg(feature = "peers")]
mod live;
mod promql;
mod rules;

use crate::support::tree;
use serde_json::Value;

/// Every dashboard, with its file's name.
fn all() -> Vec<(String, Value)> {
    let files = tree::text_files().into_iter().filter(|f| f.path.starts_with("dashboards/") && f.extension() == "json");
    let read = files.map(|f| (f.path.clone(), serde_json::from_str(&f.text).expect("JSON")));
    read.collect()
}

/// What the panels, annotations and variables of a dashboard ask: where, and the expression.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        let title = text(panel, "title");
        for target in panel["targets"].as_array().into_iter().flatten() {
            found.push((format!("{title}/{}", text(target, "refId")), text(target, "expr")));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().into_iter().flatten() {
        found.push((format!("annotation {}", text(annotation, "name")), text(annotation, "expr")));
    }
    found
}

/// Every panel that shows something, also those inside collapsed rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let list = |value: &'_ Value| value.as_array().map(Vec::as_slice).unwrap_or_default().len();
    let top = dashboard["panels"].as_array().into_iter().flatten();
    let with_inner = top.flat_map(|panel| {
        let inner = if list(&panel["panels"]) > 0 { panel["panels"].as_array() } else { None };
        std::iter::once(panel).chain(inner.into_iter().flatten())
    });
    with_inner.filter(|panel| panel["type"] != "row").collect()
}

fn variables(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["templating"]["list"].as_array().into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
