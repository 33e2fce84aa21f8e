//! Calls made side by side, and how they fared.

use crate::support::{Origin, TestAgent, client, origin};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Sends `count` calls, `at_once` of them side by side; every one must be answered 200. Gives the time of each.
pub async fn calls(url: &str, count: usize, at_once: usize) -> Vec<Duration> {
    let client = client();
    let mut running = JoinSet::new();
    for worker in 0..at_once {
        let (client, url) = (client.clone(), url.to_owned());
        let share = count / at_once + usize::from(worker < count % at_once);
        running.spawn(async move {
            let mut times = Vec::with_capacity(share);
            for _ in 0..share {
                times.push(call(&client, &url).await);
            }
            times
        });
    }
    running.join_all().await.concat()
}

async fn call(client: &reqwest::Client, url: &str) -> Duration {
    let start = Instant::now();
    let answer = client.get(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.bytes().await.expect("a whole body");
    start.elapsed()
}

/// The time that half of them took less than.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A CRM that answers at once.
pub async fn crm() -> Origin {
    Origin::json(200, r#"{"contacts":[],"meta":{"total":0}}"#).await
}

/// A CRM that answers after so long.
pub async fn crm_after(latency: Duration) -> Origin {
    Origin::http(move |_| async move {
        // A time-out of nothing: the origin's own slowness.
        let _ = tokio::time::timeout(latency, std::future::pending::<()>()).await;
        origin::json(200, r#"{"contacts":[],"meta":{"total":0}}"#)
    })
    .await
}

#[tokio::test]
async fn a_slow_crm_is_waited_for_side_by_side() {
    const LATENCY: Duration = Duration::from_millis(300);
    const CALLS: usize = 200;
    let slow = crm_after(LATENCY).await;
    let agent = TestAgent::start(&slow.url(), json!({})).await;
    let url = format!("{}/api/contacts", agent.proxy_url());
    let start = Instant::now();
    let times = calls(&url, CALLS, CALLS).await;
    let took = start.elapsed();
    assert_eq!(times.len(), CALLS);
    assert!(times.iter().all(|t| *t >= LATENCY), "an answer came before the CRM gave it");
    // One after the other would be a minute, by two threads half of it.
    assert!(took < LATENCY * 20, "{CALLS} calls of {LATENCY:?} took {took:?}");
    assert_eq!(agent.metric("vigie_requests_total", "").await, CALLS as f64);
}
