use super::*;
use axum::body::Body;
use axum::http::Request;
use tower::util::ServiceExt;

/// A state over nothing: enough for what does not depend on traffic. A token's role is what it begins with: `viewer-1`.
/// What is audited cannot be written: see [`state_in`].
pub(super) fn state(tokens: &[&str]) -> State {
    state_in(std::path::Path::new("/dev/null"), tokens)
}

/// The same with an audit log in `dir`.
fn state_in(dir: &std::path::Path, tokens: &[&str]) -> State {
    let clock = Clock::manual(Duration::from_secs(1_000_000));
    let metrics = crate::telemetry::metrics::Metrics::for_tests(1, clock.clone());
    let token = |secret: &&str| Token {
        name: Arc::from(*secret),
        role: Role::ALL.into_iter().find(|role| secret.starts_with(role.as_str())).expect("a role"),
        hash: *blake3::hash(secret.as_bytes()).as_bytes(),
    };
    let config = Config {
        address: SocketAddr::from(([127, 0, 0, 1], 9464)),
        tls: None,
        tokens: tokens.iter().map(token).collect(),
        tokens_file: None,
        file_tokens: Vec::new(),
        allowed_hosts: vec!["vigie.internal.example".into()],
    };
    let key = crate::exchange::redact::MaskKey::from_secret(1, &crate::secret::Secret::new("k".repeat(32)));
    let masker = Arc::new(Masker::new(key.expect("a key")));
    State {
        access: Access::start(&config, dir, masker, &clock, &metrics).expect("a thread"),
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

async fn ask(state: &Arc<State>, request: axum::http::request::Builder) -> (u16, HeaderMap, String) {
    let request = request.body(Body::empty()).expect("a request");
    let response = routes(Arc::clone(state)).oneshot(request).await.expect("routes cannot fail");
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
    (head.status.as_u16(), head.headers, String::from_utf8_lossy(&body).into_owned())
}

async fn get(state: &Arc<State>, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let (status, _, body) = ask(state, request).await;
    (status, body)
}

async fn with_token(state: &Arc<State>, method: &str, path: &str, token: &str) -> u16 {
    let request = Request::builder().method(method).uri(path).header(HOST.0, HOST.1);
    let request = if token == "none" { request } else { request.header("authorization", format!("Bearer {token}-1")) };
    ask(state, request).await.0
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

/// What every path answers to whom. `stranger` shows a token that is nobody's. History is off, so a search that is allowed
/// finds none (404).
const ANSWERS: &str = "
    path            none stranger viewer steward operator auditor admin
    /live           200  200      200    200     200      200     200
    /ready          200  200      200    200     200      200     200
    /               401  401      200    200     200      200     200
    /metrics        401  401      200    200     200      200     200
    /api/v1/status  401  401      200    200     200      200     200
    /api/v1/quota   401  401      200    200     200      200     200
    /api/v1/records 401  401      403    404     404      404     404
    /api/v1/callers 401  401      403    403     200      403     200
    /api/v1/audit   401  401      403    403     403      200     200
    /api/v1/nothing 404  404      404    404     404      404     404
";

#[tokio::test]
async fn every_path_answers_each_role_as_the_table_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = state_in(dir.path(), &["viewer-1", "steward-1", "operator-1", "auditor-1", "admin-1"]);
    state.metrics.worker(0).beat(state.clock.elapsed());
    let state = Arc::new(state);
    let mut lines = ANSWERS.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let roles = lines.next().expect("the roles").split_off(1);
    assert_eq!(roles[2..], Role::ALL.map(Role::as_str));
    let mut seen = Vec::new();
    for row in lines {
        for (role, expected) in roles.iter().zip(&row[1..]) {
            let status = with_token(&state, "GET", row[0], role).await;
            assert_eq!(status.to_string(), *expected, "{} as {role}", row[0]);
        }
        seen.push(row[0]);
    }
    seen.retain(|path| *path != "/api/v1/nothing");
    assert_eq!(seen, endpoint::ALL.iter().map(|endpoint| endpoint.path).collect::<Vec<_>>(), "a path has no row");
}

#[tokio::test]
async fn other_methods_get_no_further_than_the_guard() {
    let state = Arc::new(state(&["viewer-1", "admin-1"]));
    for endpoint in endpoint::ALL.iter().filter(|endpoint| endpoint.who != endpoint::Who::Anyone) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(with_token(&state, method, endpoint.path, "none").await, 401, "{method} {}", endpoint.path);
        }
        if endpoint.action.is_none() {
            assert_eq!(with_token(&state, "DELETE", endpoint.path, "admin").await, 405, "{}", endpoint.path);
        }
    }
}

#[tokio::test]
async fn without_tokens_whoever_connects_may_ask() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = Arc::new(state_in(dir.path(), &[]));
    state.metrics.worker(0).beat(state.clock.elapsed());
    for endpoint in endpoint::ALL {
        let expected = if endpoint.path == "/api/v1/records" { 404 } else { 200 };
        assert_eq!(with_token(&state, "GET", endpoint.path, "none").await, expected, "{}", endpoint.path);
    }
    let (_, log) = get(&state, "/api/v1/audit", &[HOST]).await;
    assert!(log.contains(r#""action":"callers.listed","actor":"local""#), "{log}");
}

#[tokio::test]
async fn failed_log_ins_are_limited_and_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = Arc::new(state_in(dir.path(), &["viewer-1"]));
    for _ in 0..FAILED_LOGINS {
        assert_eq!(with_token(&state, "GET", "/metrics", "stranger").await, 401);
    }
    let request = |token: &str| {
        Request::get("/metrics").header(HOST.0, HOST.1).header("authorization", format!("Bearer {token}"))
    };
    let (status, headers, body) = ask(&state, request("stranger-1")).await;
    assert_eq!((status, &headers["retry-after"]), (429, &axum::http::HeaderValue::from(6)), "{body}");
    assert_eq!(ask(&state, request("viewer-1")).await.0, 429, "tokens are not even looked at");
    assert_eq!(with_token(&state, "GET", "/metrics", "none").await, 401, "no token is no attempt");
    assert_eq!(with_token(&state, "GET", "/live", "none").await, 200);
    state.clock.advance(Duration::from_secs(6));
    let (status, _, page) = ask(&state, request("viewer-1")).await;
    assert_eq!(status, 200);
    for line in ["reason=\"invalid\"} 10", "reason=\"limited\"} 2", "reason=\"missing\"} 1", "reason=\"role\"} 0"] {
        assert!(page.contains(&format!("vigie_admin_refused_total{{{line}\n")), "{line}: {page}");
    }
}

#[tokio::test]
async fn what_cannot_be_audited_is_not_shown() {
    let state = Arc::new(state(&["admin-1"]));
    let as_admin = [HOST, ("authorization", "bearer admin-1")];
    let (status, body) = get(&state, "/api/v1/callers", &as_admin).await;
    assert_eq!(status, 503);
    assert!(body.contains("audit log cannot be written"), "{body}");
    assert_eq!(get(&state, "/metrics", &as_admin).await.0, 200, "what reveals nothing is not held up");
}

#[tokio::test]
async fn the_audit_log_tells_who_saw_what() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = Arc::new(state_in(dir.path(), &["steward-1", "auditor-1", "viewer-1"]));
    let search = "/api/v1/records?text=john%40acme.example&status=5xx&limit=7";
    get(&state, search, &[HOST, ("authorization", "Bearer steward-1")]).await;
    get(&state, "/api/v1/audit", &[HOST, ("authorization", "Bearer viewer-1")]).await;
    get(&state, "/metrics", &[HOST, ("authorization", "Bearer nobodys-token")]).await;
    let (status, log) = get(&state, "/api/v1/audit?limit=3", &[HOST, ("authorization", "Bearer auditor-1")]).await;
    assert_eq!(status, 200);
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> =
        lines.iter().map(|l| (l["actor"].as_str(), l["action"].as_str(), l["object"].as_str())).collect();
    let reading = "all";
    assert_eq!(told[0], (Some("viewer-1"), Some("access.refused"), Some("GET /api/v1/audit")));
    assert_eq!(told[1], (Some("-"), Some("login.failed"), Some("token")));
    assert_eq!(told[2], (Some("auditor-1"), Some("audit.read"), Some(reading)));
    let all = state.access.audit.newest(10).expect("read").concat();
    assert!(all.contains("records.searched") && all.contains("text=email:1") && all.contains("status=5xx"), "{all}");
    assert!(!all.contains("john") && !all.contains("nobodys"), "{all}");
    assert_eq!(get(&state, "/api/v1/audit?limit=0", &[HOST, ("authorization", "Bearer auditor-1")]).await.0, 400);
}

#[tokio::test]
async fn foreign_hosts_are_turned_away() {
    let state = Arc::new(state(&[]));
    assert_eq!(get(&state, "/metrics", &[("host", "evil.example")]).await.0, 421);
    assert_eq!(get(&state, "/metrics", &[]).await.0, 421, "no Host at all");
    assert_eq!(get(&state, "/metrics", &[("host", "vigie.internal.example:443")]).await.0, 200);
}

/// A page that a browser shows from elsewhere is answered nothing, whatever name it found.
#[tokio::test]
async fn pages_of_other_origins_are_turned_away() {
    let state = Arc::new(state(&[]));
    let named = ("host", "vigie.internal.example");
    for own in ["http://127.0.0.1:9464", "https://127.0.0.1:9464", "https://vigie.internal.example"] {
        assert_eq!(get(&state, "/metrics", &[HOST, ("origin", own)]).await.0, 200, "{own}");
    }
    assert_eq!(get(&state, "/metrics", &[named, ("origin", "http://vigie.internal.example")]).await.0, 200);
    for foreign in
        ["https://evil.example", "http://localhost:3000", "http://127.0.0.1", "null", "", "file://127.0.0.1:9464"]
    {
        let (status, body) = get(&state, "/metrics", &[HOST, ("origin", foreign)]).await;
        assert_eq!(status, 403, "{foreign}");
        assert!(body.contains("Origin") && body.contains("admin.allowed_hosts"), "{body}");
        assert_eq!(get(&state, "/live", &[HOST, ("origin", foreign)]).await.0, 403, "{foreign}");
    }
    let both = [HOST, ("origin", "http://127.0.0.1:9464"), ("origin", "https://evil.example")];
    assert_eq!(get(&state, "/metrics", &both).await.0, 403, "one of two is not enough");
    let (_, page) = get(&state, "/metrics", &[HOST]).await;
    assert!(page.contains("vigie_admin_refused_total{reason=\"origin\"} 13"), "{page}");
}

#[tokio::test]
async fn a_search_without_history_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = Arc::new(state_in(dir.path(), &[]));
    let (status, body) = get(&state, "/api/v1/records", &[HOST]).await;
    assert_eq!(status, 404);
    assert!(body.contains("history.enabled"), "{body}");
}
