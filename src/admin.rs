//! The read side: `/metrics`, `/live`, `/ready`, `/api/v1/…`.

mod api;
mod guard;
mod losses;

pub use losses::Losses;

use crate::clock::Clock;
use crate::quota::Quotas;
use crate::recorder::{self, Callers};
use crate::secret::Secret;
use crate::telemetry::metrics::Metrics;
use axum::extract::State as Extract;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use parking_lot::RwLock;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The admin listener, resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Loopback by default.
    pub address: SocketAddr,
    /// Bearer tokens, required off loopback.
    pub tokens: Vec<Secret>,
    /// Values of `Host` answered beside the address itself, `localhost` and loopback.
    pub allowed_hosts: Vec<String>,
}

/// A data-path thread that has not beaten for this long is stuck.
const LIVE_WITHIN: Duration = Duration::from_secs(5);

/// What the read side reads.
pub struct State {
    /// Address, tokens, names.
    pub config: Config,
    /// Metric families.
    pub metrics: Arc<Metrics>,
    /// The recorder's queue.
    pub recorder: recorder::Handle,
    /// Quota readings.
    pub quotas: Arc<Quotas>,
    /// Credentials seen.
    pub callers: Arc<Callers>,
    /// The history's directory, when it is on.
    pub history_dir: Option<PathBuf>,
    /// What log and history count themselves.
    pub losses: Losses,
    /// Where the proxy listens.
    pub proxy: RwLock<Vec<SocketAddr>>,
    /// Data-path threads.
    pub workers: usize,
    /// Time.
    pub clock: Clock,
    /// False while shutting down.
    pub ready: AtomicBool,
}

impl State {
    /// Listeners are bound and the configuration is valid: it depends on nothing else, not on the CRM, not on the store.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Every upstream's ten-minute window holds ten minutes.
    pub fn windows_complete(&self) -> bool {
        let now = self.clock.elapsed();
        self.metrics.upstreams().iter().all(|upstream| upstream.windows.read(now).complete)
    }

    /// Every data-path thread beat within five seconds.
    pub fn is_live(&self) -> bool {
        let now = self.clock.elapsed();
        (0..self.workers).all(|i| self.metrics.worker(i).heartbeat_age(now) < LIVE_WITHIN)
    }
}

/// Every path the admin listener serves.
pub fn routes(state: Arc<State>) -> Router {
    let guarded = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/api/v1/records", get(api::records))
        .route("/api/v1/quota", get(api::quota))
        .route("/api/v1/callers", get(api::callers))
        .route("/api/v1/status", get(api::status))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), guard::token));
    // Liveness and readiness tell nothing and are asked by a kubelet that knows no token.
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .merge(guarded)
        .layer(middleware::from_fn_with_state(Arc::clone(&state), guard::host))
        .with_state(state)
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, state: Arc<State>, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, routes(state)).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

async fn live(Extract(state): Extract<Arc<State>>) -> Response {
    answer(state.is_live(), "live\n", "a data-path thread has not beaten for 5 s\n")
}

async fn ready(Extract(state): Extract<Arc<State>>) -> Response {
    answer(state.is_ready(), "ready\n", "shutting down\n")
}

fn answer(good: bool, yes: &'static str, no: &'static str) -> Response {
    if good { yes.into_response() } else { (StatusCode::SERVICE_UNAVAILABLE, no).into_response() }
}

async fn metrics(Extract(state): Extract<Arc<State>>, headers: HeaderMap) -> Response {
    state.losses.publish(&state.metrics);
    state.metrics.agent().set_unknown_callers(state.callers.unknown());
    state.quotas.publish(&state.metrics, state.clock.wall_us());
    let (content_type, body) = state.metrics.render(headers.get(ACCEPT).and_then(|v| v.to_str().ok()));
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

async fn index() -> Html<&'static str> {
    Html(include_str!("admin/index.html"))
}

#[cfg(test)]
#[path = "admin/tests.rs"]
mod tests;
