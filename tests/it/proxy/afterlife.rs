//! How long a write is followed after its caller left: to its end, but not for ever.

use super::support::{Scripted, Wire, head};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;
use vigie::clock::Clock;
use vigie::exchange::Exchange;
use vigie::net::{self, Network};
use vigie::proxy::{self, Listener, Surroundings};
use vigie::recorder::{self, Handle};
use vigie::telemetry::Caps;
use vigie::telemetry::metrics::{Metrics, Options};
use vigie::upstream;

/// Instead of the 30 s.
const AFTERLIFE: Duration = Duration::from_millis(300);

/// A data path before `crm` that follows writes for [`AFTERLIFE`], and where its exchanges go.
async fn start(crm: SocketAddr) -> (proxy::Running, Handle) {
    let upstreams = [upstream::Config::plain("crm", &crm.ip().to_string(), crm.port(), None)];
    let clock = Clock::system();
    let metrics = Metrics::new(Options {
        upstreams: &["crm".into()],
        integrations: &[],
        caps: Caps::default(),
        workers: 1,
        clock: clock.clone(),
        version: "0",
        commit: "test",
    });
    let queue = Handle::new(1, recorder::Config::default(), Arc::clone(&metrics));
    let listener = Listener::plain(([127, 0, 0, 1], 0).into());
    let config = proxy::Config { listeners: vec![listener], afterlife: AFTERLIFE, ..proxy::Config::default() };
    let network = Network::new(&net::Config::default(), Arc::default(), tokio::runtime::Handle::current());
    let surroundings = Surroundings { metrics, recorder: queue.clone(), clock, network, fingerprint_key: [7; 32] };
    (proxy::start(&config, &upstreams, surroundings).await.expect("the data path starts"), queue)
}

/// What is recorded of a write whose caller leaves after the upstream has sent `answer`, and how long that took.
async fn left_alone(answer: &'static str) -> (Box<Exchange>, Duration) {
    let (told, mut asked) = unbounded_channel();
    let origin = Scripted::start(move |mut wire, _| {
        let told = told.clone();
        async move {
            wire.until("{}").await;
            wire.send(answer).await;
            let _ = told.send(());
            wire.rest().await;
        }
    })
    .await;
    let crm = origin.url().trim_start_matches("http://").parse().expect("an address");
    let (running, queue) = start(crm).await;
    let mut caller = Wire::to(&format!("http://{}", running.addresses()[0])).await;
    caller.send(head("POST", "/api/deals", "left", "content-length: 2\r\n")).await;
    caller.send("{}").await;
    asked.recv().await.expect("the request arrives");
    if !answer.is_empty() {
        caller.until("{").await;
    }
    let left = Instant::now();
    drop(caller);
    let next = tokio::task::spawn_blocking(move || queue.next().expect("the queue is open"));
    let mut exchanges = next.await.expect("the exchange is recorded");
    assert_eq!(exchanges.len(), 1);
    let took = left.elapsed();
    assert_eq!(running.drain().await, 0);
    (exchanges.remove(0), took)
}

#[tokio::test]
async fn an_answer_that_never_begins_is_given_up_at_the_bound() {
    let (exchange, took) = left_alone("").await;
    assert!(took >= AFTERLIFE && took < 10 * AFTERLIFE, "{took:?}");
    assert!(exchange.client_closed && exchange.error.is_none());
    assert_eq!((exchange.status, exchange.attempts.len()), (0, 1));
    assert!(exchange.attempts[0].upstream_us >= AFTERLIFE.as_micros() as u64, "{:?}", exchange.attempts);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_at_the_bound() {
    let (exchange, took) = left_alone("HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{").await;
    assert!(took >= AFTERLIFE && took < 10 * AFTERLIFE, "{took:?}");
    assert!(exchange.client_closed && exchange.error.is_none());
    assert_eq!((exchange.status, exchange.attempts[0].status), (201, Some(201)));
    assert_eq!((exchange.response.body_bytes, exchange.response.body.complete), (1, false));
}
