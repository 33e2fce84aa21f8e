use super::*;
use axum::body::Body;
use axum::http::Request;
use tower::util::ServiceExt;

/// A state over nothing: enough for what does not depend on traffic.
pub(super) fn state(tokens: &[&str]) -> State {
    let clock = Clock::manual(Duration::from_secs(1_000_000));
    let metrics = crate::telemetry::metrics::Metrics::for_tests(1, clock.clone());
    let config = Config {
        address: SocketAddr::from(([127, 0, 0, 1], 9464)),
        tokens: tokens.iter().map(|t| Secret::new(*t)).collect(),
        allowed_hosts: vec!["vigie.internal.example".into()],
    };
    State {
        config,
        recorder: recorder::Handle::new(1, recorder::Config::default(), Arc::clone(&metrics)),
        metrics,
        quotas: Arc::default(),
        callers: Arc::default(),
        history_dir: None,
        losses: Losses::default(),
        proxy: RwLock::default(),
        workers: 1,
        clock,
        ready: AtomicBool::new(true),
    }
}

async fn get(state: &Arc<State>, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = routes(Arc::clone(state)).oneshot(request.body(Body::empty()).expect("a request")).await;
    let response = response.expect("routes cannot fail");
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a small body");
    (status, String::from_utf8_lossy(&body).into_owned())
}

const HOST: (&str, &str) = ("host", "127.0.0.1:9464");

#[tokio::test]
async fn liveness_follows_the_beat_of_the_data_path() {
    let state = Arc::new(state(&[]));
    state.metrics.worker(0).beat(state.clock.elapsed());
    assert_eq!(get(&state, "/live", &[HOST]).await.0, 200);
    state.clock.advance(Duration::from_secs(6));
    assert_eq!(get(&state, "/live", &[HOST]).await.0, 503);
    assert_eq!(get(&state, "/ready", &[HOST]).await.0, 200, "readiness depends on nothing else");
}

#[tokio::test]
async fn tokens_are_demanded_where_configured_but_not_of_probes() {
    let state = Arc::new(state(&["first", "second"]));
    for path in ["/metrics", "/api/v1/status", "/api/v1/records", "/"] {
        assert_eq!(get(&state, path, &[HOST]).await.0, 401, "{path}");
        assert_eq!(get(&state, path, &[HOST, ("authorization", "Bearer third")]).await.0, 401, "{path}");
    }
    assert_eq!(get(&state, "/metrics", &[HOST, ("authorization", "Bearer second")]).await.0, 200);
    assert_eq!(get(&state, "/ready", &[HOST]).await.0, 200);
}

#[tokio::test]
async fn foreign_hosts_are_turned_away() {
    let state = Arc::new(state(&[]));
    assert_eq!(get(&state, "/metrics", &[("host", "evil.example")]).await.0, 421);
    assert_eq!(get(&state, "/metrics", &[]).await.0, 421, "no Host at all");
    assert_eq!(get(&state, "/metrics", &[("host", "vigie.internal.example:443")]).await.0, 200);
}

#[tokio::test]
async fn a_search_without_history_says_what_to_do() {
    let state = Arc::new(state(&[]));
    let (status, body) = get(&state, "/api/v1/records", &[HOST]).await;
    assert_eq!(status, 404);
    assert!(body.contains("history.enabled"), "{body}");
}
