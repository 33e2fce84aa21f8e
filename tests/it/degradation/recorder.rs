//! The recorder's thread never runs: what the data path counts itself must carry the alarms.

use crate::support::{DEADLINE, Origin, RawAnswer, RawOrigin, client, eventually, metrics::sum, origin};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vigie::clock::Clock;
use vigie::net::{self, Network};
use vigie::proxy::{self, Listener, Running, Surroundings};
use vigie::recorder::{self, Handle};
use vigie::telemetry::Caps;
use vigie::telemetry::metrics::{Metrics, Options};
use vigie::upstream;

const QUEUE: usize = 16;
const FAILURES: usize = 6;
const CALLS: usize = 100;
const CLOSED: usize = 20;

/// A data path before the addresses, whose exchanges nobody takes.
async fn start(crm: SocketAddr, closing: SocketAddr) -> (Running, Arc<Metrics>, Handle) {
    let upstreams = [
        upstream::Config::plain("crm", &crm.ip().to_string(), crm.port(), None),
        upstream::Config::plain("closing", &closing.ip().to_string(), closing.port(), Some("/closing")),
    ];
    let clock = Clock::system();
    let metrics = Metrics::new(Options {
        upstreams: &["crm".into(), "closing".into()],
        integrations: &[],
        caps: Caps::default(),
        workers: 2,
        clock: clock.clone(),
        version: "0",
        commit: "test",
    });
    let bounds = recorder::Config { queue: QUEUE, ..recorder::Config::default() };
    let queue = Handle::new(2, bounds, Arc::clone(&metrics));
    let listener = Listener::plain(([127, 0, 0, 1], 0).into());
    let config = proxy::Config { listeners: vec![listener], workers: 2, ..proxy::Config::default() };
    let network = Network::new(&net::Config::default(), Arc::default(), tokio::runtime::Handle::current());
    let surroundings = Surroundings {
        metrics: Arc::clone(&metrics),
        recorder: queue.clone(),
        clock,
        network,
        fingerprint_key: [7; 32],
    };
    let running = proxy::start(&config, &upstreams, surroundings).await.expect("the data path starts");
    (running, metrics, queue)
}

fn scrape(metrics: &Metrics) -> String {
    String::from_utf8(metrics.render(None).1).expect("text")
}

#[tokio::test]
async fn with_the_recorder_stopped_the_alarms_still_count() {
    // Failures last: by then the queue is long full.
    let answered = AtomicUsize::new(0);
    let crm = Origin::http(move |_| {
        let failing = answered.fetch_add(1, Ordering::Relaxed) >= CALLS - FAILURES;
        async move { origin::json(if failing { 503 } else { 200 }, "{}") }
    })
    .await;
    let closing = RawOrigin::start(RawAnswer::Close(Vec::new())).await;
    let (running, metrics, queue) = start(crm.address(), closing.address()).await;
    let base = format!("http://{}", running.addresses()[0]);
    let url = format!("{base}/api/contacts");
    let client = client();
    let mut failed = 0;
    for _ in 0..CALLS {
        let answer = client.get(&url).send().await.expect("an answer");
        failed += usize::from(answer.status() == 503);
        answer.bytes().await.expect("a whole body");
    }
    assert_eq!(failed, FAILURES);
    for _ in 0..CLOSED {
        let answer = client.get(format!("{base}/closing/api/contacts")).send().await.expect("an answer");
        assert_eq!(answer.headers()["x-vigie-error"], "upstream_closed");
    }
    // Refused before there is an upstream.
    let refused = client.get(&url).header("host", "a@b").send().await.expect("an answer");
    assert_eq!(refused.headers()["x-vigie-error"], "bad_host");

    let lost = (CALLS + CLOSED + 1 - QUEUE) as f64;
    let scraped = eventually("every exchange counted", DEADLINE, || async {
        let scraped = scrape(&metrics);
        (sum(&scraped, "vigie_recorder_dropped_total", "stage=\"queue\"") == lost).then_some(scraped)
    })
    .await;
    let seen = |name: &str, labels: &str| sum(&scraped, name, labels);
    assert_eq!(seen("vigie_window_server_errors", "upstream=\"crm\""), FAILURES as f64);
    assert_eq!(seen("vigie_window_attempts", "upstream=\"crm\""), CALLS as f64);
    assert_eq!(seen("vigie_attempts_total", "status_code=\"503\""), FAILURES as f64);
    assert_eq!(seen("vigie_attempts_total", "upstream=\"crm\""), CALLS as f64);
    assert_eq!(seen("vigie_upstream_duration_seconds_count", "upstream=\"crm\""), CALLS as f64);
    assert_eq!(seen("vigie_agent_errors_total", "upstream=\"closing\",kind=\"upstream_closed\""), CLOSED as f64);
    assert_eq!(seen("vigie_agent_errors_total", "upstream=\"none\",kind=\"bad_host\""), 1.0);
    assert_eq!(seen("vigie_agent_errors_total", ""), CLOSED as f64 + 1.0);
    assert_eq!(seen("vigie_requests_total", "outcome=\"unclassified\""), lost);
    assert_eq!(seen("vigie_outcomes_total", "outcome=\"unclassified\""), lost);
    assert_eq!(seen("vigie_outcomes_total", "outcome=\"ok\""), 0.0);
    assert_eq!(seen("vigie_recorder_queue_depth", ""), QUEUE as f64);
    assert_eq!(queue.depth(), QUEUE as u64);
    assert_eq!(running.drain().await, 0, "the end does not wait for the recorder");
}
