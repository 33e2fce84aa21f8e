//! The read side: `/metrics`, `/live`, `/ready`, `/api/v1/…`.

mod api;
pub mod audit;
mod door;
pub mod endpoint;
mod guard;
mod losses;
mod role;
mod throttle;
pub mod tokens;

pub use audit::Audit;
pub use door::Shown;
pub use losses::Losses;
pub use role::Role;
pub use throttle::{BURST as FAILED_LOGINS, Throttle};
pub use tokens::{Token, Tokens};

use crate::clock::Clock;
use crate::exchange::redact::Masker;
use crate::quota::Quotas;
use crate::recorder::{self, Callers};
use crate::telemetry::metrics::Metrics;
use crate::tls::{FileError, ServerFiles};
use axum::extract::State as Extract;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::{Router, middleware};
use parking_lot::RwLock;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
    /// It speaks TLS; plain text where absent.
    pub tls: Option<ServerFiles>,
    /// Bearer tokens. With these and the file's, at least one is there off loopback.
    pub tokens: Vec<Token>,
    /// A file of more tokens, read again when it changes.
    pub tokens_file: Option<PathBuf>,
    /// What it held when the configuration was read.
    pub file_tokens: Vec<Token>,
    /// Values of `Host` answered beside the address itself, `localhost` and loopback.
    pub allowed_hosts: Vec<String>,
}

/// A data-path thread that has not beaten for this long is stuck.
const LIVE_WITHIN: Duration = Duration::from_secs(5);

/// Who may ask, and what is written about it.
pub struct Access {
    /// The tokens in force.
    pub tokens: Tokens,
    /// Failed log-ins.
    pub throttle: Throttle,
    /// Who changed or saw what.
    pub audit: Audit,
    /// Masks what goes into the audit log.
    pub masker: Arc<Masker>,
}

impl Access {
    /// The configuration's tokens, and an audit log below `data_dir`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        config: &Config,
        data_dir: &Path,
        masker: Arc<Masker>,
        clock: &Clock,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let audit = Audit::start(data_dir.join("audit"), clock.clone(), Arc::clone(metrics))?;
        Ok(Self { tokens: Tokens::of(config), throttle: Throttle::default(), audit, masker })
    }

    /// Writes down that another configuration is in force. That it could not be written is counted and logged.
    pub async fn config_reloaded(&self) {
        let (actor, action) = (audit::Actor::agent(), audit::Action::ConfigReloaded);
        let _ = self.audit.record(audit::Entry { actor, action, object: "configuration".to_owned() }).await;
    }
}

/// What the read side reads.
pub struct State {
    /// Address and names, as at the start.
    pub config: Config,
    /// Who may ask, and what is written about it.
    pub access: Access,
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

/// Every path of [`endpoint::ALL`], and nothing else.
pub fn routes(state: Arc<State>) -> Router {
    let host = middleware::from_fn_with_state(Arc::clone(&state), guard::host);
    endpoint::router(&state).layer(host).with_state(state)
}

impl Config {
    /// What peers are shown, read from its files; `None` for plain text.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn shown(&self) -> Result<Option<Arc<rustls::ServerConfig>>, FileError> {
        self.tls.as_ref().map(|files| crate::tls::server_config(files, &[b"h2", b"http/1.1"])).transpose()
    }
}

/// Serves until `stop`; TLS where something is `shown`.
pub async fn serve(
    listener: TcpListener,
    shown: Option<Shown>,
    state: Arc<State>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    tokio::spawn(tokens::watch(Arc::clone(&state), stop.clone()));
    let door = door::Door::new(listener, shown, Arc::clone(&state.metrics));
    // The guard limits failed log-ins by the connection's other end.
    let service = routes(state).into_make_service_with_connect_info::<door::Peer>();
    axum::serve(door, service).with_graceful_shutdown(async move { stop.cancelled().await }).await
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
    let _span = tracing::info_span!("scrape").entered();
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
