//! The traffic of integrations.

use super::support::{small, start};
use crate::support::{DEADLINE, eventually};
use reqwest::Method;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use vigie::sandbox::{Config, traffic};

fn config(base_url: String) -> traffic::Config {
    traffic::Config { base_url, calls_per_second: 150.0, duration: Duration::from_secs(2), seed: 3 }
}

#[tokio::test]
async fn four_integrations_do_their_work_and_make_mistakes() {
    let s = start(Config { api_keys: traffic::api_keys(), ..small() }).await;
    let cancel = CancellationToken::new();
    let config = traffic::Config { duration: traffic::MAX_DURATION, ..config(format!("http://{}", s.crm)) };
    let run = tokio::spawn(traffic::run(config, cancel.clone()));
    // Enough for everybody to have made each kind of call, however long that takes here.
    eventually("300 calls", DEADLINE * 4, || async {
        (s.stats().await["requests"].as_u64() >= Some(300)).then_some(())
    })
    .await;
    cancel.cancel();
    let summary = run.await.expect("no panic").expect("traffic");
    assert!(summary.sent >= 300, "{summary:?}");
    assert_eq!(summary.unanswered, 0);
    for integration in traffic::INTEGRATIONS {
        let ok = |status: &u16| [200, 201].contains(status);
        let answered = summary.answers.keys().any(|(name, status)| *name == integration.name && ok(status));
        assert!(answered, "{} in {summary:?}", integration.name);
    }
    assert!(summary.answers.keys().any(|(_, status)| *status == 400), "{summary:?}");
    assert!(!summary.answers.keys().any(|(_, status)| [401, 429].contains(status) || *status >= 500), "{summary:?}");

    let stats = s.stats().await;
    for (entity, what) in [("contacts", "created"), ("deals", "created"), ("notes", "created"), ("deals", "updated")] {
        assert!(stats["records"][entity][what].as_u64() > Some(0), "{entity} {what}: {stats}");
    }
    assert_eq!(stats["routes"].get("GET other"), None, "{stats}");
    let (_, requests) = s.control(Method::GET, "/requests?last=256", None).await;
    let text = requests.to_string();
    for header in ["x-integration", "traceparent", "x-correlation-id"] {
        assert!(text.contains(header), "{header}");
    }
}

#[tokio::test]
async fn traffic_ends_when_it_is_cancelled() {
    let s = start(Config { api_keys: traffic::api_keys(), ..small() }).await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let begun = Instant::now();
    let config = traffic::Config { duration: Duration::from_secs(600), ..config(format!("http://{}", s.crm)) };
    let summary = traffic::run(config, cancel).await.expect("traffic");
    assert_eq!(summary.sent, 0);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn other_machines_are_not_called() {
    for url in ["http://192.0.2.1:8080", "https://127.0.0.1:1", "http://crm.example.com"] {
        let refused = traffic::run(config(url.to_owned()), CancellationToken::new()).await;
        assert!(matches!(refused, Err(traffic::Error::NotLoopback)), "{url}");
    }
}

#[tokio::test]
async fn rates_that_make_no_sense_are_refused() {
    for calls_per_second in [0.0, -1.0, 1e-300, 1e6, f64::NAN, f64::INFINITY] {
        let config = traffic::Config { calls_per_second, ..config("http://127.0.0.1:1".to_owned()) };
        let refused = traffic::run(config, CancellationToken::new()).await;
        assert!(matches!(refused, Err(traffic::Error::Rate)), "{calls_per_second}");
    }
}
