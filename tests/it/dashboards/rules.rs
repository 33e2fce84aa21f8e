//! The rules, each as a function from a dashboard to its offences. They are those of Grafana's dashboard linter, and that a
//! metric which is named exists.

use super::promql::{self, Selector};
use super::{panels, queries, text, variables};
use serde_json::Value;
use std::collections::BTreeSet;

/// Units in use; each is one of Grafana's.
const UNITS: [&str; 7] = ["short", "percentunit", "reqps", "cps", "s", "bytes", "dateTimeAsIso"];
/// Functions that turn a counter into something to look at.
const OF_COUNTERS: [&str; 4] = ["rate", "irate", "increase", "changes"];
/// The width of Grafana's grid.
const COLUMNS: u64 = 24;

/// Everything that is wrong with a dashboard.
pub fn offences(dashboard: &Value) -> Vec<String> {
    let mut found = head(dashboard);
    found.extend(templating(dashboard));
    for panel in panels(dashboard) {
        found.extend(of_panel(panel).into_iter().map(|wrong| format!("{}: {wrong}", text(panel, "title"))));
    }
    for (place, expression) in queries(dashboard) {
        found.extend(of_query(&expression).into_iter().map(|wrong| format!("{place}: {wrong}")));
    }
    found.extend(layout(dashboard));
    found
}

fn check(good: bool, wrong: &str) -> Option<String> {
    (!good).then(|| wrong.to_owned())
}

fn head(dashboard: &Value) -> Vec<String> {
    let has_tag = dashboard["tags"].as_array().is_some_and(|tags| tags.contains(&"vigie".into()));
    let inputs = dashboard.to_string().contains("${DS_");
    let checks = [
        check(dashboard["editable"] == false, "editable must be false: it is kept in a repository"),
        check(dashboard.get("id").is_none_or(Value::is_null), "has an id, which is one installation's"),
        check(text(dashboard, "uid").starts_with("vigie-"), "has no stable uid"),
        check(!text(dashboard, "title").is_empty() && has_tag, "has no title, or no tag vigie"),
        check(dashboard["schemaVersion"].as_u64() >= Some(36), "has no schemaVersion of 36 or newer"),
        check(!inputs && dashboard.get("__inputs").is_none(), "asks for inputs, so it cannot be provisioned"),
    ];
    checks.into_iter().flatten().collect()
}

fn templating(dashboard: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let sources: Vec<_> = variables(dashboard).filter(|v| v["type"] == "datasource").collect();
    let good = sources.len() == 1 && sources[0]["name"] == "datasource" && sources[0]["label"] == "Data source";
    found.extend(check(good, "needs one variable `datasource`, label `Data source`"));
    for (name, label) in [("job", "Job"), ("instance", "Instance")] {
        let variable = variables(dashboard).find(|v| v["name"] == name && v["label"] == label);
        found.extend(check(
            variable.is_some_and(|v| v["allValue"] == ".+"),
            &format!("needs a variable {name}, all `.+`"),
        ));
    }
    for variable in variables(dashboard).filter(|v| v["type"] == "query") {
        let name = text(variable, "name");
        let asks_anew = variable["refresh"] == 2 && variable["multi"] == true;
        found.extend(check(asks_anew, &format!("variable {name}: refresh must be 2, multi true")));
        found.extend(check(is_ours(variable), &format!("variable {name}: its datasource must be ${{datasource}}")));
        let query = text(&variable["query"], "query");
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(", "));
        let known = inner.is_some_and(|(selector, _)| promql::selectors(selector).iter().all(|s| is_known(&s.metric)));
        found.extend(check(known, &format!("variable {name}: not label_values of a metric that exists: {query}")));
    }
    found
}

fn is_ours(value: &Value) -> bool {
    value["datasource"]["uid"] == "${datasource}"
}

fn of_panel(panel: &Value) -> Vec<String> {
    let defaults = &panel["fieldConfig"]["defaults"];
    let has_unit = UNITS.contains(&text(defaults, "unit").as_str());
    let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: BTreeSet<_> = targets.iter().map(|t| text(t, "refId")).collect();
    let kinds = ["stat", "gauge", "timeseries", "table"];
    let checks = [
        check(kinds.contains(&text(panel, "type").as_str()), "is of a kind that the rules do not know"),
        check(!text(panel, "title").is_empty(), "has no title"),
        check(text(panel, "description").ends_with('.'), "has no description that ends with a full stop"),
        check(is_ours(panel) && targets.iter().all(is_ours), "its datasource must be ${datasource}"),
        check(has_unit || defaults.get("mappings").is_some(), "has no unit that is known"),
        check(!targets.is_empty() && names.len() == targets.len(), "has no target, or two of one name"),
    ];
    checks.into_iter().flatten().collect()
}

fn of_query(expression: &str) -> Vec<String> {
    let selectors = promql::selectors(expression);
    let mut found: Vec<String> = check(!selectors.is_empty(), "asks for nothing").into_iter().collect();
    found.extend(selectors.iter().flat_map(of_selector));
    found
}

fn of_selector(selector: &Selector) -> Vec<String> {
    let Selector { metric, range, function, .. } = selector;
    let counted = function.as_deref().is_some_and(|f| OF_COUNTERS.contains(&f)) && range.is_some();
    let rate = matches!(function.as_deref(), Some("rate" | "irate"));
    let counter = ["_total", "_bucket", "_sum", "_count"].iter().any(|end| metric.ends_with(end));
    let checks = [
        check(selector.has("job=~\"$job\""), "has no job=~\"$job\""),
        check(selector.has("instance=~\"$instance\""), "has no instance=~\"$instance\""),
        check(!rate || range.as_deref() == Some("$__rate_interval"), "rate must be over [$__rate_interval]"),
        check(!counter || counted, "a counter must stand in rate, irate or increase"),
        check(is_known(metric), "does not exist"),
    ];
    checks.into_iter().flatten().map(|wrong| format!("{metric}: {wrong}")).collect()
}

fn is_known(metric: &str) -> bool {
    use vigie::telemetry::catalogue::{ALL, Kind};
    let exists = |entry: &vigie::telemetry::catalogue::Entry| match entry.kind {
        Kind::Histogram => {
            metric.strip_prefix(entry.name).is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end))
        }
        _ => metric == entry.name,
    };
    metric == "up" || ALL.iter().any(exists)
}

fn layout(dashboard: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let (mut ids, mut titles, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        let title = text(panel, "title");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_default();
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        let cells = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
        let free = cells.filter(|cell| !taken.insert(*cell)).count() == 0;
        found.extend(check(
            w > 0 && h > 0 && x + w <= COLUMNS && free,
            &format!("{title}: overlaps, or is off the grid"),
        ));
        let new = ids.insert(panel["id"].as_u64()) && titles.insert(title.clone());
        found.extend(check(new, &format!("{title}: an id or a title that another panel has")));
    }
    found
}
