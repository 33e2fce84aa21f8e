//! Every query of every dashboard, asked of a real Prometheus that scrapes a real agent with traffic and faults on it.

use super::{all, queries, text, variables};
use crate::sandbox::support::{Running, small, start};
use crate::support::TestAgent;
use crate::support::peers::Prometheus;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use vigie::sandbox::{Config, traffic};

/// Queries that rightly find nothing here, and why.
const EMPTY: [(&str, &str); 1] = [("annotation Restarts", "the agent was not started again")];

/// Calls a second: enough for every series to move between two scrapes.
const RATE: f64 = 80.0;
/// Used up, at that rate, well before the hour ends, so that there is a forecast.
const QUOTA: u64 = 20_000;

/// A bad day of the CRM, all at once.
async fn break_things(sandbox: &Running) {
    for fault in [
        json!({"kind": "status", "every_nth": 9, "params": {"status": 503}}),
        json!({"kind": "hidden_429", "every_nth": 13}),
        json!({"kind": "rate_limit", "every_nth": 17}),
        json!({"kind": "html", "every_nth": 19}),
        json!({"kind": "hidden_error", "every_nth": 23}),
        json!({"kind": "reset", "every_nth": 29}),
        json!({"kind": "unauthorized", "every_nth": 31}),
        json!({"kind": "latency", "every_nth": 7, "params": {"ms": 40, "jitter_ms": 20}}),
    ] {
        sandbox.fault(fault).await;
    }
}

fn integrations() -> Value {
    let named =
        |name: &str| (name.to_owned(), json!({"system": name, "header": {"name": "X-Integration", "value": name}}));
    traffic::INTEGRATIONS.iter().map(|integration| named(integration.name)).collect::<serde_json::Map<_, _>>().into()
}

/// The expression as Grafana sends it with everything chosen, for a server that scrapes every second.
fn filled_in(expression: &str) -> String {
    let names = ["job", "instance", "upstream", "integration"];
    let filled = names.iter().fold(expression.to_owned(), |text, name| text.replace(&format!("\"${name}\""), "\".+\""));
    filled.replace("$__rate_interval", "5s").replace("$__range", "1m")
}

/// What a variable asks, as a query: `label_values(metric, label)` is the values of a label.
fn of_variable(variable: &Value) -> Option<(String, String)> {
    let query = text(&variable["query"], "query");
    let (selector, label) = query.strip_prefix("label_values(")?.strip_suffix(')')?.rsplit_once(", ")?;
    Some((format!("variable {}", text(variable, "name")), format!("group by ({label}) ({selector})")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_finds_data() {
    let sandbox = start(Config { api_keys: traffic::api_keys(), quota_per_hour: QUOTA, ..small() }).await;
    break_things(&sandbox).await;
    let agent = TestAgent::start(&format!("http://{}", sandbox.crm), json!({ "integrations": integrations() })).await;
    let prometheus = Prometheus::scraping(agent.admin_address()).await;
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let (base_url, duration) = (agent.proxy_url(), Duration::from_secs(180));
    let config = traffic::Config { base_url, calls_per_second: RATE, duration, seed: 1 };
    let running = tokio::spawn(traffic::run(config, stop.clone()));

    let (mut asked, mut expected_empty) = (0, Vec::new());
    for (path, dashboard) in all() {
        let of_variables = variables(&dashboard).filter(|v| v["type"] == "query").filter_map(of_variable);
        for (place, expression) in queries(&dashboard).into_iter().chain(of_variables) {
            if EMPTY.iter().any(|(name, _)| *name == place) {
                expected_empty.push((place, filled_in(&expression)));
                continue;
            }
            // Waits for the second scrape; fails at the deadline with the query.
            let samples = prometheus.eventually(&numbers(&filled_in(&expression))).await;
            assert!(!samples.is_empty(), "{path}: {place}");
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked} queries");
    for (place, expression) in &expected_empty {
        let samples = prometheus.query(expression).await;
        assert!(samples.is_empty(), "{place} finds data by now; it need not be listed as empty: {samples:?}");
    }
    assert_eq!(expected_empty.len(), EMPTY.len(), "a query that is listed as empty is asked no more");
    stop.cancel();
    running.await.expect("no panic").expect("traffic");
}

/// The samples that are numbers: a division of nothing by nothing is a sample that no panel shows.
fn numbers(expression: &str) -> String {
    format!("({expression}) < +Inf or ({expression}) > -Inf")
}
