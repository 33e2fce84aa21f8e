//! Waiting for a condition: the only place in the tests that lets time pass.

use std::future::Future;
use std::time::{Duration, Instant};

/// Enough for a loaded machine of two cores; a test that waits this long has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks: short enough not to slow a test, long enough not to take the core from what is waited for.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until the condition answers `Some`, and returns that.
///
/// # Panics
///
/// At the deadline, naming what was waited for.
pub async fn eventually<T, F, C>(what: &str, deadline: Duration, mut condition: C) -> T
where
    C: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn returns_what_the_condition_found() {
    let mut left = 3;
    let found = eventually("counting down", DEADLINE, || {
        left -= 1;
        let done = left == 0;
        async move { done.then_some("zero") }
    })
    .await;
    assert_eq!(found, "zero");
}

#[tokio::test]
#[should_panic(expected = "not within 20ms: the impossible")]
async fn panics_at_the_deadline() {
    eventually("the impossible", Duration::from_millis(20), || async { None::<()> }).await;
}
