//! An upstream that hangs, before callers that give up: it must show although no answer and no time-out ever does.

use super::support::{Scripted, Wire, assert_fields, head, metric, record};
use crate::support::{DEADLINE, TestAgent, eventually};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What the rule for slow answers allows.
const SLOW: Duration = Duration::from_secs(2);

/// An upstream that reads and never answers; it tells of every request whose head, or body `{}`, arrived.
async fn hanging(end: &'static str) -> (Scripted, UnboundedReceiver<()>) {
    let (told, asked) = unbounded_channel();
    let origin = Scripted::start(move |mut wire, _| {
        let told = told.clone();
        async move {
            wire.until(end).await;
            let _ = told.send(());
            wire.rest().await;
        }
    })
    .await;
    (origin, asked)
}

/// Calls, and leaves once `patience` has passed since the upstream had the request.
async fn give_up(agent: &TestAgent, id: &str, patience: Duration, asked: &mut UnboundedReceiver<()>) {
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("GET", "/api/deals/1", id, "")).await;
    asked.recv().await.expect("the request arrives");
    let since = Instant::now();
    eventually("the caller's patience to end", DEADLINE, || async { (since.elapsed() >= patience).then_some(()) })
        .await;
}

#[tokio::test]
async fn a_wait_longer_than_slow_answers_may_take_counts_as_one_also_after_a_restart() {
    let (origin, mut asked) = hanging("\r\n\r\n").await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    give_up(&agent, "soon", Duration::ZERO, &mut asked).await;
    give_up(&agent, "late", SLOW, &mut asked).await;
    let late = record(&agent, "late").await;
    let expected = json!({ "outcome": "client_closed", "client_closed": true, "status_code": 0, "attempts": 1 });
    assert_fields(&late, expected.clone());
    let waited_ms = late["upstream_ms"].as_f64().expect("a number");
    assert!(waited_ms >= 2_000.0, "{late}");
    let soon = record(&agent, "soon").await;
    assert_fields(&soon, expected);
    assert!(soon["upstream_ms"].is_null(), "how fast it would have been is not known: {soon}");

    assert_eq!(metric(&agent, "vigie_abandoned_total", &["upstream=\"freshsales\""]).await, 2.0);
    assert_eq!(metric(&agent, "vigie_window_attempts", &[]).await, 1.0);
    let seconds = metric(&agent, "vigie_window_duration_seconds", &[]).await;
    assert!((seconds - waited_ms / 1000.0).abs() < 0.001, "{seconds} s of {waited_ms} ms");
    assert_eq!(metric(&agent, "vigie_upstream_duration_seconds_count", &[]).await, 1.0);

    let home = agent.home();
    assert!(agent.stop().await.success());
    let agent = TestAgent::start_in(home, origin.url(), json!({})).await;
    eventually("the window to be rebuilt", DEADLINE, || async {
        let complete = metric(&agent, "vigie_window_complete", &[]).await == 1.0;
        complete.then_some(())
    })
    .await;
    assert_eq!(metric(&agent, "vigie_window_attempts", &[]).await, 1.0);
    assert_eq!(metric(&agent, "vigie_window_unreachable", &[]).await, 0.0);
}

#[tokio::test]
async fn an_upload_that_its_caller_broke_off_says_nothing_of_the_upstream() {
    let (origin, mut asked) = hanging("{").await;
    let agent = TestAgent::start(origin.url(), json!({})).await;
    let mut caller = Wire::to(&agent.proxy_url()).await;
    caller.send(head("POST", "/api/deals", "half", "content-length: 100\r\n")).await;
    caller.send("{").await;
    asked.recv().await.expect("the request arrives");
    drop(caller);
    assert_fields(&record(&agent, "half").await, json!({ "outcome": "client_closed", "upstream_ms": null }));
    assert_eq!(metric(&agent, "vigie_abandoned_total", &[]).await, 0.0);
}
