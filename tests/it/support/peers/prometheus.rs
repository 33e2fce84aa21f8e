//! A Prometheus server that scrapes one target, and promtool.

use super::{program, text};
use crate::support::{DEADLINE, Process, client, eventually};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A running server; ends when dropped.
pub struct Prometheus {
    url: String,
    _process: Process,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts a server that scrapes `http://<target>/metrics` every second and stores exemplars; returns when ready.
    pub async fn scraping(target: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("prometheus.yml");
        let job = format!("- job_name: vigie\n  static_configs: [{{ targets: ['{target}'] }}]\n");
        let global = "global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs:\n";
        std::fs::write(&config, format!("{global}{job}")).expect("the configuration");
        let arguments = [
            format!("--config.file={}", text(&config)),
            format!("--storage.tsdb.path={}", text(&dir.path().join("data"))),
            "--web.listen-address=127.0.0.1:0".to_owned(),
            "--enable-feature=exemplar-storage".to_owned(),
        ];
        let output = dir.path().join("output");
        let mut process = Process::start(&program("VIGIE_TEST_PROMETHEUS"), arguments, &output);
        let told = process.told("msg=\"Listening on\" ", "\n").await;
        let address = told.split(' ').find_map(|word| word.strip_prefix("address="));
        let url = format!("http://{}", address.expect("an address in what Prometheus tells"));
        let ready = format!("{url}/-/ready");
        process.until("Prometheus to be ready", || ok(ready.clone())).await;
        Self { url, _process: process, _dir: dir }
    }

    /// The samples of an instant query: each with `metric` (labels) and `value` (time, text).
    pub async fn query(&self, expression: &str) -> Vec<Value> {
        let data = self.api("query", &[("query", expression)]).await;
        data["result"].as_array().expect("a vector").clone()
    }

    /// Waits until a query has samples, and returns them.
    pub async fn eventually(&self, expression: &str) -> Vec<Value> {
        let asked = format!("samples of {expression}");
        eventually(&asked, DEADLINE, || async {
            let samples = self.query(expression).await;
            (!samples.is_empty()).then_some(samples)
        })
        .await
    }

    /// The exemplars of a series since the server started: each with `seriesLabels` and `exemplars`.
    pub async fn exemplars(&self, series: &str) -> Vec<Value> {
        let range = [("query", series), ("start", "0"), ("end", "9999999999")];
        let data = self.api("query_exemplars", &range).await;
        data.as_array().cloned().unwrap_or_default()
    }

    /// The state of the only target: `health` and `lastError`.
    pub async fn target(&self) -> Value {
        let data = self.api("targets", &[]).await;
        data["activeTargets"][0].clone()
    }

    async fn api(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = format!("{}/api/v1/{path}", self.url);
        let answer = client().get(&url).query(query).send().await.expect("an answer of Prometheus");
        let body: Value = answer.json().await.expect("JSON of Prometheus");
        assert_eq!(body["status"], "success", "{url} {query:?}: {body}");
        body["data"].clone()
    }
}

async fn ok(url: String) -> Option<()> {
    let answer = client().get(url).send().await.ok()?;
    answer.status().is_success().then_some(())
}

/// What promtool says against a page of metrics: nothing, or its complaints.
///
/// # Errors
///
/// Its output, if it refuses the page.
pub fn promtool_check_metrics(page: &str) -> Result<(), String> {
    let mut child = Command::new(program("VIGIE_TEST_PROMTOOL"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    child.stdin.take().expect("a pipe").write_all(page.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

#[tokio::test]
async fn a_server_scrapes_samples_and_exemplars() {
    let page = "# TYPE up_seconds histogram\nup_seconds_bucket{le=\"+Inf\"} 2 # {trace_id=\"abc\"} 0.5\nup_seconds_sum 1\n\
        up_seconds_count 2\n# EOF\n";
    let origin = crate::support::Origin::http(move |_| async move {
        let answer = axum::http::Response::builder();
        let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        answer.header("content-type", openmetrics).body(page.into()).expect("a valid answer")
    })
    .await;
    let server = Prometheus::scraping(&origin.address().to_string()).await;
    assert_eq!(server.eventually("up_seconds_count").await[0]["value"][1], "2");
    assert_eq!(server.target().await["health"], "up");
    let found = server.exemplars("up_seconds_bucket").await;
    assert_eq!(found[0]["exemplars"][0]["labels"]["trace_id"], "abc", "{found:?}");
}

#[test]
fn promtool_refuses_a_page_without_help() {
    assert_eq!(promtool_check_metrics("# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"), Ok(()));
    let complaints = promtool_check_metrics("# TYPE a_total counter\na_total 1\n").expect_err("no help text");
    assert!(complaints.contains("a_total no help text"), "{complaints}");
}
