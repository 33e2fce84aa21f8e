mod proxied;

use super::spans::tests::{exchange, peers};
use super::*;
use crate::clock::Clock;
use crate::secret::Secret;
use crate::telemetry::OtlpProtocol;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use tokio::net::TcpListener;

/// Longest wait for something that happens at once when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

fn metrics() -> Arc<Metrics> {
    Metrics::for_tests(1, Clock::manual(Duration::ZERO))
}

fn config(endpoint: String, protocol: OtlpProtocol) -> TraceConfig {
    TraceConfig {
        endpoint: Some(endpoint),
        egress: None,
        protocol,
        headers: vec![("x-key".into(), Secret::new("k1"))],
        ratio: 1.0,
        keep_slower_than: Duration::from_secs(2),
        service_name: "vigie-under-test".into(),
    }
}

fn start(config: &TraceConfig, metrics: &Arc<Metrics>) -> Spans {
    Spans::start(config, peers(), metrics.clone(), &network()).unwrap().unwrap()
}

fn network() -> Network {
    Network::new(&crate::net::Config::default(), Arc::default(), tokio::runtime::Handle::current())
}

fn spans() -> Vec<SpanData> {
    let (exchange, record) = exchange(200);
    let mut spans = Vec::new();
    spans::describe(&Told { exchange: &exchange, record: &record, quota: None }, &peers(), &mut spans);
    spans
}

fn counts(metrics: &Metrics) -> [u64; 3] {
    [SpanResult::Sent, SpanResult::Failed, SpanResult::Dropped].map(|result| metrics.agent().span_count(result))
}

struct Received {
    path: String,
    key: String,
    body: Bytes,
}

#[derive(Clone)]
struct Sink {
    received: tokio::sync::mpsc::UnboundedSender<Received>,
    rejected: i64,
}

/// The answer's message, empty if nothing is rejected: over HTTP as it is, over gRPC in a frame with trailers.
async fn take(State(sink): State<Sink>, request: Request) -> Response {
    let grpc = request.headers().get("content-type").is_some_and(|v| v == "application/grpc");
    let path = request.uri().path().to_owned();
    let key = request.headers().get("x-key").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let _ = sink.received.send(Received { path, key, body });
    let partial = ExportTracePartialSuccess { rejected_spans: sink.rejected, error_message: String::new() };
    let partial_success = (sink.rejected > 0).then_some(partial);
    let message = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    if !grpc {
        return ([("content-type", "application/x-protobuf")], message).into_response();
    }
    let trailers = http::HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let frame = [&[0, 0, 0, 0, message.len() as u8][..], &message].concat();
    let frame = http_body_util::Full::new(Bytes::from(frame));
    let body = Body::new(frame.with_trailers(std::future::ready(Some(Ok(trailers)))));
    ([("content-type", "application/grpc")], body).into_response()
}

async fn collector() -> (String, tokio::sync::mpsc::UnboundedReceiver<Received>) {
    collector_rejecting(0).await
}

/// A collector that rejects so many spans of each batch.
async fn collector_rejecting(rejected: i64) -> (String, tokio::sync::mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = tokio::sync::mpsc::unbounded_channel();
    let app = axum::Router::new().fallback(take).with_state(Sink { received: sender, rejected });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, received)
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    memchr::memmem::find(haystack, needle.as_bytes()).is_some()
}

async fn arrives(protocol: OtlpProtocol, path: &str) {
    let ((address, mut received), metrics) = (collector().await, metrics());
    let exporter = start(&config(address, protocol), &metrics);
    assert!(exporter.try_send(spans()));
    // No shutdown: the batch leaves because its first span waited long enough.
    let one = tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap();
    assert_eq!((one.path.as_str(), one.key.as_str()), (path, "k1"));
    for text in ["vigie-under-test", "PUT /api/deals/{id}", "vigie.correlation_id", "http.request.method"] {
        assert!(contains(&one.body, text), "{text}");
    }
    assert!(!contains(&one.body, "4711") && !contains(&one.body, "jane"));
    exporter.shutdown(PATIENCE).await;
    assert_eq!(counts(&metrics), [3, 0, 0]);
}

#[tokio::test]
async fn spans_arrive_over_http() {
    arrives(OtlpProtocol::Http, "/v1/traces").await;
}

#[tokio::test]
async fn spans_arrive_over_grpc() {
    arrives(OtlpProtocol::Grpc, "/opentelemetry.proto.collector.trace.v1.TraceService/Export").await;
}

#[tokio::test]
async fn spans_that_the_collector_rejects_are_not_sent() {
    for protocol in [OtlpProtocol::Http, OtlpProtocol::Grpc] {
        for (rejected, expected) in [(2, [1, 2, 0]), (1_000, [0, 3, 0])] {
            let ((address, _received), metrics) = (collector_rejecting(rejected).await, metrics());
            let exporter = start(&config(address, protocol), &metrics);
            assert!(exporter.try_send(spans()));
            exporter.shutdown(PATIENCE).await;
            assert_eq!(counts(&metrics), expected, "{protocol:?}, {rejected} rejected");
        }
    }
}

#[tokio::test]
async fn shutdown_sends_what_waits_in_batches() {
    let ((address, mut received), metrics) = (collector().await, metrics());
    let exporter = start(&config(address, OtlpProtocol::Http), &metrics);
    for _ in 0..400 {
        assert!(exporter.try_send(spans()));
    }
    exporter.shutdown(PATIENCE).await;
    assert_eq!(counts(&metrics), [1_200, 0, 0]);
    let mut batches = 0;
    while received.try_recv().is_ok() {
        batches += 1;
    }
    assert_eq!(batches, 3, "1200 spans by 512");
    assert!(!exporter.try_send(spans()), "after the end");
    assert_eq!(counts(&metrics), [1_200, 0, 3]);
}

#[tokio::test]
async fn without_a_collector_nothing_waits_and_every_span_is_counted() {
    for protocol in [OtlpProtocol::Http, OtlpProtocol::Grpc] {
        let metrics = metrics();
        let exporter = start(&config(nobody().await, protocol), &metrics);
        // No await: the exporter cannot run on this single thread, as if it hung. Each call must return all the same.
        let accepted = (0..3_000).filter(|_| exporter.try_send(spans())).count() as u64;
        assert_eq!(accepted, QUEUE / 3);
        assert_eq!(counts(&metrics), [0, 0, 9_000 - accepted * 3]);
        exporter.shutdown(Duration::from_secs(3)).await;
        let [sent, failed, dropped] = counts(&metrics);
        assert_eq!((sent, failed + dropped), (0, 9_000), "{protocol:?}");
        assert!(failed > 0, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_collector_that_hangs_does_not_hold_up_the_end() {
    let (listener, metrics) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), metrics());
    let address = format!("http://{}", listener.local_addr().unwrap());
    let exporter = start(&config(address, OtlpProtocol::Http), &metrics);
    assert!(exporter.try_send(spans()));
    exporter.shutdown(Duration::from_millis(100)).await;
    assert_eq!(counts(&metrics), [0, 0, 3]);
    drop(listener);
}

#[tokio::test]
async fn what_cannot_work_is_said_at_the_start() {
    let metrics = metrics();
    let off = TraceConfig { endpoint: None, ..config(String::new(), OtlpProtocol::Http) };
    assert!(Spans::start(&off, peers(), metrics.clone(), &network()).unwrap().is_none());
    let error =
        |config: &TraceConfig| Spans::start(config, peers(), metrics.clone(), &network()).unwrap_err().to_string();
    assert_eq!(
        error(&config("collector:4317".into(), OtlpProtocol::Grpc)),
        "collector collector:4317: it must start with http:// or https://"
    );
    let mut bad_header = config("http://127.0.0.1:1".into(), OtlpProtocol::Grpc);
    bad_header.headers = vec![("x-key".into(), Secret::new("top\nsecret"))];
    assert_eq!(error(&bad_header), "collector header \"x-key\": name or value is not valid HTTP");
}

#[tokio::test]
async fn tls_needs_no_provider_installed_elsewhere() {
    for protocol in [OtlpProtocol::Http, OtlpProtocol::Grpc] {
        let exporter = start(&config("https://127.0.0.1:1".into(), protocol), &metrics());
        exporter.shutdown(PATIENCE).await;
    }
}
