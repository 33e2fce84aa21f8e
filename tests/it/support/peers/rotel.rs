//! rotel, an OTLP receiver that prints the spans it gets.

use super::program;
use crate::support::{DEADLINE, Process, eventually, free_port};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use tempfile::TempDir;

/// A running receiver; ends when dropped.
pub struct Rotel {
    grpc: SocketAddr,
    http: SocketAddr,
    process: Process,
    _dir: TempDir,
}

/// A span as rotel prints it.
#[derive(Debug)]
pub struct Span {
    /// Trace ID, Parent ID, ID, Name, Kind, Status code.
    pub fields: BTreeMap<String, String>,
    /// Values with their type, as `Str(GET)`.
    pub attributes: BTreeMap<String, String>,
}

impl Span {
    fn parse(printed: &str) -> Self {
        let (fields, attributes) = printed.split_once("Attributes:\n").unwrap_or((printed, ""));
        let pair =
            |line: &str, mark: &str| line.split_once(mark).map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
        let attribute = |line: &str| pair(line.trim().strip_prefix("-> ")?, ": ");
        Self {
            fields: fields.lines().filter_map(|line| pair(line, " :")).collect(),
            attributes: attributes.lines().map_while(attribute).collect(),
        }
    }
}

impl Rotel {
    /// Starts a receiver for gRPC and HTTP; returns when both listen.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let [grpc, http] = [free_port(), free_port()].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let arguments = [
            "start".to_owned(),
            format!("--otlp-grpc-endpoint={grpc}"),
            format!("--otlp-http-endpoint={http}"),
            "--exporter=blackhole".to_owned(),
            "--debug-log=traces".to_owned(),
            "--debug-log-verbosity=detailed".to_owned(),
        ];
        let output = dir.path().join("output");
        let mut process = Process::start(&program("VIGIE_TEST_ROTEL"), arguments, &output);
        process.listening(grpc).await;
        process.listening(http).await;
        Self { grpc, http, process, _dir: dir }
    }

    /// `http://…` of the gRPC receiver.
    pub fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// `http://…` of the HTTP receiver; spans go to `/v1/traces` below it.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Everything received so far, as rotel prints it.
    pub fn received(&self) -> String {
        self.process.output()
    }

    /// Every span received so far; of the last one perhaps only the beginning.
    pub fn spans(&self) -> Vec<Span> {
        self.received().split("Span #").skip(1).map(Span::parse).collect()
    }

    /// Waits until so many spans of this trace were received, and returns them with all their attributes. The agent's own
    /// spans belong to traces of their own.
    pub async fn eventually_spans(&self, trace_id: &str, count: usize) -> Vec<Span> {
        eventually(&format!("{count} spans of {trace_id}"), DEADLINE, || async {
            let of_trace = |span: &Span| span.fields.get("Trace ID").is_some_and(|id| id == trace_id);
            let spans: Vec<Span> = self.spans().into_iter().filter(of_trace).collect();
            // Every span of an exchange ends with its status code; the last one may still be being printed.
            let whole = spans.iter().all(|span| span.attributes.contains_key("http.response.status_code"));
            (spans.len() >= count && whole).then_some(spans)
        })
        .await
    }

    /// Waits until all of `words` were received, and returns everything received.
    pub async fn eventually(&self, words: &[&str]) -> String {
        let asked = format!("spans with {words:?}");
        eventually(&asked, DEADLINE, || async {
            let received = self.received();
            words.iter().all(|word| received.contains(word)).then_some(received)
        })
        .await
    }
}

#[tokio::test]
async fn a_receiver_prints_what_it_got() {
    let rotel = Rotel::start().await;
    let span = serde_json::json!({ "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
        "name": "GET /x/{id}", "kind": 2, "startTimeUnixNano": "1", "endTimeUnixNano": "2" });
    let body = serde_json::json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    let url = format!("{}/v1/traces", rotel.http_url());
    let answer = crate::support::client().post(url).json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    rotel.eventually(&["0af7651916cd43dd8448eb211c80319c", "GET /x/{id}", "SPAN_KIND_SERVER"]).await;
}
