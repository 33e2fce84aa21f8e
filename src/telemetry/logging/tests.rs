use super::*;
use parking_lot::Mutex;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn captured(filter: &str, format: Format, act: impl FnOnce()) -> String {
    let out = Captured::default();
    let writer = out.clone();
    let subscriber = subscriber(filter, format, move || writer.clone(), None).unwrap();
    tracing::subscriber::with_default(subscriber, act);
    String::from_utf8(out.0.lock().clone()).unwrap()
}

#[test]
fn json_is_one_object_a_line() {
    let log = captured("info", Format::Json, || {
        tracing::info!(upstream = "crm", "ready");
        tracing::debug!("not wanted");
        tracing::warn!("line\nbreak");
    });
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["level"], &lines[0]["message"]), (&"INFO".into(), &"ready".into()));
    assert_eq!((&lines[0]["upstream"], &lines[1]["message"]), (&"crm".into(), &"line\nbreak".into()));
}

#[test]
fn text_is_for_people() {
    let log = captured("warn,vigie=debug", Format::Text { colour: false }, || {
        tracing::debug!(answer = 42, "hello");
        tracing::info!(target: "hyper", "not wanted");
    });
    assert!(log.contains("DEBUG") && log.contains("hello answer=42"), "{log}");
    assert_eq!(log.lines().count(), 1);
}

#[test]
fn the_exporter_s_libraries_are_quiet_unless_named() {
    let warn = || tracing::warn!(target: "opentelemetry-otlp", "export failed");
    assert_eq!(captured("info", Format::Json, warn), "");
    assert!(captured("info,opentelemetry-otlp=warn", Format::Json, warn).contains("export failed"));
}

#[test]
fn a_bad_filter_is_refused_with_its_text() {
    let error = subscriber("vigie=loud", Format::Json, std::io::stderr, None).err().unwrap().to_string();
    assert!(error.starts_with("log filter \"vigie=loud\": "), "{error}");
}

#[tokio::test]
async fn own_spans_take_the_same_way_as_the_exchanges() {
    use crate::telemetry::metrics::{Metrics, SpanResult};
    use crate::telemetry::otlp::Peers;
    let metrics = Metrics::for_tests(1, crate::clock::Clock::system());
    let config = TraceConfig {
        endpoint: Some("http://127.0.0.1:1".into()),
        egress: None,
        protocol: crate::telemetry::OtlpProtocol::Http,
        headers: Vec::new(),
        ratio: 1.0,
        keep_slower_than: Duration::ZERO,
        service_name: "vigie".into(),
    };
    let peers = Peers::new([], []);
    let runtime = tokio::runtime::Handle::current();
    let network = crate::net::Network::new(&crate::net::Config::default(), std::sync::Arc::default(), runtime);
    let spans = Spans::start(&config, peers, metrics.clone(), &network).unwrap().unwrap();
    let guard = guard(&config);
    let subscriber = subscriber("info", Format::Json, std::io::sink, guard.provider.as_ref()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("before the exporter").in_scope(|| {});
        guard.attach(Some(spans.clone()));
        tracing::info_span!("reload").in_scope(|| {});
        tracing::debug_span!("detail").in_scope(|| {});
        tracing::info_span!(target: "hyper", "foreign").in_scope(|| {});
    });
    guard.shutdown();
    spans.shutdown(Duration::from_secs(20)).await;
    let counts = [SpanResult::Sent, SpanResult::Failed, SpanResult::Dropped].map(|r| metrics.agent().span_count(r));
    assert_eq!(counts, [0, 2, 0], "two spans came through, and nobody listens there");
}
