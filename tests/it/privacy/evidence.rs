//! Everything that left the agent, gathered to be searched.

use super::leaks::{ID, leaks};
use super::plants::{KEY, MAIL, NAME, PHONE, percent};
use crate::support::agent::vigie;
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use axum::body::{Body, to_bytes};
use axum::http::Response;
use parking_lot::Mutex;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// What was let out, each with where it was found.
#[derive(Default)]
pub struct Evidence(Vec<(String, Vec<u8>)>);

/// A receiver of spans (OTLP over HTTP) that keeps what it gets, byte for byte: text in protobuf is plain.
pub struct Collector {
    origin: Origin,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    /// Starts it.
    pub async fn start() -> Self {
        let bodies: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = Arc::clone(&bodies);
        let origin = Origin::http(move |request| {
            let kept = Arc::clone(&kept);
            async move {
                let body = to_bytes(request.into_body(), 64 << 20).await.expect("a body");
                kept.lock().push(body.to_vec());
                let answer = Response::builder().header("content-type", "application/x-protobuf");
                answer.body(Body::empty()).expect("a valid answer")
            }
        })
        .await;
        Self { origin, bodies }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.origin.url()
    }

    /// Waits for spans of these records: all those whose caller did not decide against it.
    pub async fn holds_spans_of(&self, records: &[Value]) {
        let wanted: Vec<&str> = records.iter().filter_map(|r| r["correlation_id"].as_str()).collect();
        eventually("spans of every record", DEADLINE, || async {
            let all = self.bodies.lock().concat();
            let there = |id: &&str| memchr::memmem::find(&all, id.as_bytes()).is_some();
            wanted.iter().all(there).then_some(())
        })
        .await;
    }
}

impl Evidence {
    /// Answers that Vigie made itself.
    pub fn answers(&mut self, answers: Vec<(String, Vec<u8>)>) {
        self.0.extend(answers);
    }

    /// What a running agent says when it is asked.
    pub async fn of_running(&mut self, agent: &TestAgent) {
        let paths = [
            "/",
            "/live",
            "/ready",
            "/metrics",
            "/api/v1/quota",
            "/api/v1/callers",
            "/api/v1/status",
            "/api/v1/records?limit=1000",
            "/api/v1/records?outcome=!ok&limit=1000",
        ];
        for path in paths {
            self.0.push((path.to_owned(), agent.admin_text(path).await.into_bytes()));
        }
        searches(agent).await;
        self.0.push(("/metrics as OpenMetrics".to_owned(), open_metrics(agent).await));
        for format in ["json", "table"] {
            let mut command = vigie(&["log", "--last", "1000", "--output", format, "--admin", &agent.admin_url()]);
            let output = command.output().expect("the program starts");
            assert!(output.status.success() && output.stdout.len() > 10_000, "vigie log: {output:?}");
            self.0.push((format!("vigie log --output {format}"), [output.stdout, output.stderr].concat()));
        }
        // While it runs, the history's newest rows stand in its tail.
        self.files(agent.home().path());
        let said = agent.output();
        assert!(said.contains(r#""level":"TRACE""#) && said.contains("h2::"), "its own log is not at its finest");
        assert!(self.0.iter().any(|(name, _)| name.ends_with(".tail")), "the history's newest rows were not read");
    }

    /// Every file below `home` but the configuration, which the agent does not write: output, log, history, addresses.
    pub fn files(&mut self, home: &Path) {
        for entry in std::fs::read_dir(home).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                self.files(&entry);
            } else if !entry.ends_with("vigie.yaml")
                && let Ok(bytes) = std::fs::read(&entry)
            {
                // One that went away in between (the history's tail) holds nothing any more.
                let name = entry.display().to_string();
                self.0.extend(unpacked(&bytes).into_iter().map(|text| (format!("{name} (unpacked)"), text)));
                self.0.push((name, bytes));
            }
        }
    }

    /// What the collector got.
    pub fn spans(&mut self, collector: &Collector) {
        self.0.push(("spans".to_owned(), collector.bodies.lock().concat()));
    }

    /// Fails with every leak, if there is any; and if a source is missing, for then nothing was proven.
    pub fn assert_clean(&self) {
        for source in [
            "output",
            "exchanges.log",
            ".open",
            ".open (unpacked)",
            ".idx",
            ".tail",
            "addresses.json",
            "audit",
            "spans",
            "callers",
            "table",
            "OpenMetrics",
        ] {
            let bytes: usize = self.0.iter().filter(|(name, _)| name.contains(source)).map(|(_, b)| b.len()).sum();
            assert!(bytes > 50, "{source} was not looked at");
        }
        let found: Vec<String> =
            self.0.iter().flat_map(|(name, b)| leaks(b).into_iter().map(move |l| format!("{name}: {l}"))).collect();
        assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    }
}

/// Searches by every key for what was planted: the answer may say what it did not understand to the one who asks, the audit log
/// may not.
async fn searches(agent: &TestAgent) {
    let words = ["Quibblewick", "zoe-quibblewick", MAIL, NAME, PHONE, "0699887766", "phone:33699887766000", ID, KEY];
    for key in vigie::history::KEYS {
        for word in words {
            let url = format!("{}/api/v1/records?{key}={}", agent.admin_url(), percent(word, 1));
            client().get(url).send().await.expect("an answer");
        }
    }
}

/// Every zstd frame in a file, unpacked: what is compressed shows nothing of what it holds.
fn unpacked(bytes: &[u8]) -> Vec<Vec<u8>> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let mut found = Vec::new();
    for at in memchr::memmem::find_iter(bytes, &MAGIC) {
        let mut text = Vec::new();
        let frame = zstd::Decoder::with_buffer(&bytes[at..]).map(zstd::Decoder::single_frame);
        // Up to where it is whole: one that is still being written, or bytes that only look like one, give the rest.
        let _ = frame.and_then(|mut frame| std::io::Read::read_to_end(&mut frame, &mut text));
        found.push(text);
    }
    found
}

#[test]
fn a_leak_in_a_compressed_file_is_found() {
    let line = format!("{{\"response\":\"{}\"}}\n", super::plants::MAIL).repeat(50);
    let frame = zstd::bulk::compress(line.as_bytes(), 1).expect("a frame");
    let file = [&[7; 40][..], &frame, &[9; 40], &frame].concat();
    let texts = unpacked(&file);
    assert_eq!(texts.len(), 2);
    assert!(texts.iter().all(|text| !leaks(text).is_empty()));
}

async fn open_metrics(agent: &TestAgent) -> Vec<u8> {
    let request =
        client().get(format!("{}/metrics", agent.admin_url())).header("accept", "application/openmetrics-text");
    let body = request.send().await.expect("an answer").bytes().await.expect("a body").to_vec();
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("# {trace_id=\"") && text.contains("# EOF"), "no exemplars:\n{text}");
    body
}
