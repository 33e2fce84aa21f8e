//! The composition root: configuration -> running agent. A straight list of builds; then drain, in the reverse order.

mod certificates;
mod known;
mod lock;
mod rebuild;
mod reload;

pub use lock::{DataDir, LockError};

use crate::clock::Clock;
use crate::config::{Config, KeySource};
use crate::exchange::redact::{Known, MaskKey, Masker};
use crate::history::{self, History};
use crate::net::Network;
use crate::proxy::StartError;
use crate::quota::Quotas;
use crate::recorder::{self, Callers, InForce, Knowledge, Outputs, Recorder, Settings};
use crate::telemetry::metrics::{Metrics, Options};
use crate::telemetry::otlp::{Peers, Spans};
use crate::telemetry::sink::LogSinks;
use crate::vendors::Profile;
use crate::{admin, proxy, upstream};
use anyhow::Context;
use parking_lot::RwLock;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long log, history and spans may take to write what is left, each.
const FLUSH: Duration = Duration::from_secs(5);

/// File in the data directory that tells where the agent listens, for scripts that let it choose free ports.
const ADDRESSES: &str = "addresses.json";

/// Where the agent listens.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Addresses {
    /// The proxy's listeners.
    pub proxy: Vec<SocketAddr>,
    /// The read side.
    pub admin: SocketAddr,
}

/// A listener that cannot be served; its source names the address.
#[derive(Debug, thiserror::Error)]
#[error("{key} cannot be served")]
pub struct ListenError {
    /// The configuration's key.
    pub key: &'static str,
    /// What the system says.
    pub source: io::Error,
}

/// The running agent.
pub struct App {
    addresses: Addresses,
    /// Held until everything is written.
    data_dir: DataDir,
    /// As started; what a reload may change of the proxy is as reloaded.
    config: Config,
    proxy: proxy::Running,
    settings: InForce,
    state: Arc<admin::State>,
    queue: recorder::Handle,
    recorder: JoinHandle<()>,
    log: LogSinks,
    history: Option<History>,
    spans: Option<Spans>,
    /// What the read side shows, if it speaks TLS.
    shown: Option<admin::Shown>,
    stop_admin: CancellationToken,
}

impl App {
    /// Builds and starts everything. Listeners are bound before anything is served.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        adapt_to_file_limits();
        // Before anything is opened: a second agent is told of the address, not of files that the first holds.
        let (admin_listener, shown) = open_admin(&config.admin).await?;
        let data_dir = DataDir::take(&config.data_dir)?;
        let masker = Arc::new(masker(&config)?);
        let clock = Clock::system();
        let metrics = metrics(&config, &clock);
        let queue = recorder::Handle::new(config.proxy.workers, config.recorder.clone(), Arc::clone(&metrics));
        let quotas = Arc::new(Quotas::new(&config.upstreams));
        let callers = Arc::new(Callers::default());

        let log =
            LogSinks::start(&config.telemetry.log, clock.clone()).context("the exchange log cannot be started")?;
        let counters = history::Counters::default();
        let history = open_history(&config.history, &clock, &counters)?;
        let network = Network::new(&config.network, Arc::clone(metrics.dns()), tokio::runtime::Handle::current());
        let spans = Spans::start(&config.telemetry.traces, peers(Vec::new(), &config), Arc::clone(&metrics), &network)?;

        let settings = InForce::new(recorder_settings(&config, &Known::default())?);
        let outputs = Outputs {
            metrics: Arc::clone(&metrics),
            quotas: Arc::clone(&quotas),
            callers: Arc::clone(&callers),
            log: log.clone(),
            history: history.clone(),
            spans: spans.clone(),
        };
        let recorder = start_recorder(queue.clone(), outputs, settings.clone(), Arc::clone(&masker), clock.clone())?;

        let surroundings = surroundings(&metrics, &queue, &clock, &masker, network);
        let proxy = start_proxy(&config, surroundings, spans.as_ref()).await?;

        let addresses = Addresses { proxy: proxy.addresses(), admin: admin_listener.local_addr()? };
        let access = admin::Access::start(&config.admin, &config.data_dir, masker, &clock, &metrics)?;
        let state = Arc::new(admin::State {
            access,
            config: config.admin.clone(),
            metrics,
            recorder: queue.clone(),
            quotas,
            callers,
            history_dir: config.history.enabled.then(|| config.history.dir.clone()),
            losses: admin::Losses::new(history.as_ref().map(|_| &counters), &log),
            proxy: RwLock::new(addresses.proxy.clone()),
            workers: config.proxy.workers,
            clock,
            ready: AtomicBool::new(true),
        });
        rebuild_from_history(&config.history, &state, names(&config).0);
        let stop_admin = CancellationToken::new();
        certificates::start(&config, &state.metrics, &state.clock, &stop_admin);
        tokio::spawn(admin::serve(admin_listener, shown.clone(), Arc::clone(&state), stop_admin.clone()));
        tell_addresses(data_dir.path(), &addresses);
        Ok(Self {
            addresses,
            data_dir,
            config,
            proxy,
            settings,
            state,
            queue,
            recorder,
            log,
            history,
            spans,
            shown,
            stop_admin,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The queue of spans, when a collector is configured: for the agent's own.
    pub fn spans(&self) -> Option<Spans> {
        self.spans.clone()
    }

    /// Stops accepting, lets running exchanges finish, writes out what was recorded. Gives the number of exchanges cut.
    pub async fn drain(self) -> usize {
        self.proxy.leave();
        self.state.ready.store(false, Ordering::Relaxed);
        tokio::time::sleep(self.config.proxy.drain_delay).await;
        let cut = self.proxy.drain().await;
        self.queue.close();
        let (recorder, log, history) = (self.recorder, self.log, self.history);
        let written = tokio::task::spawn_blocking(move || {
            let recorded = recorder.join().is_ok();
            let logged = log.shutdown(FLUSH);
            let stored = history.is_none_or(|h| h.shutdown(FLUSH));
            recorded && logged && stored
        });
        if !written.await.unwrap_or(false) {
            tracing::warn!("not everything recorded could be written before the end");
        }
        if let Some(spans) = self.spans {
            spans.shutdown(FLUSH).await;
        }
        self.stop_admin.cancel();
        cut
    }
}

async fn open_admin(config: &admin::Config) -> anyhow::Result<(TcpListener, Option<admin::Shown>)> {
    let listener = listen(config.address).await?;
    let shown = config.shown().context("the admin listener's TLS cannot be set up")?;
    Ok((listener, shown.map(admin::Shown::new)))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|error| {
        let source = io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
        ListenError { key: "admin.address", source }
    })
}

fn unserved(error: StartError) -> anyhow::Error {
    match error {
        StartError::Io(source) => ListenError { key: "proxy.listeners", source }.into(),
        other => other.into(),
    }
}

/// Serves callers; from here on spans know the listeners.
async fn start_proxy(
    config: &Config,
    surroundings: proxy::Surroundings,
    spans: Option<&Spans>,
) -> anyhow::Result<proxy::Running> {
    let proxy = proxy::start(&config.proxy, &config.upstreams, surroundings).await.map_err(unserved)?;
    if let Some(spans) = spans {
        spans.know(peers(proxy.listeners(), config));
    }
    Ok(proxy)
}

fn adapt_to_file_limits() {
    raise_file_limit();
    survive_file_size_limit();
}

/// Each connection takes two descriptors; the usual soft limit of 1,024 ends at 500 callers.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}

/// SIGXFSZ on Linux (but for MIPS) and on the BSDs.
const FILE_SIZE_SIGNAL: i32 = 25;

/// A write beyond the limit on file sizes (`ulimit -f`, `LimitFSIZE=`) ends a process by default. Once the signal has a
/// handler, the write fails instead, as on a full disk: lines and rows are lost and counted, and traffic flows.
fn survive_file_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Err(error) = signal(SignalKind::from_raw(FILE_SIZE_SIGNAL)) {
        tracing::warn!(%error, "a limit on file sizes would end the agent: the signal could not be handled");
    }
}

fn masker(config: &Config) -> anyhow::Result<Masker> {
    let version = config.masking.key_version;
    let key = match &config.masking.key {
        KeySource::Given(secret) => MaskKey::from_secret(version, secret)?,
        KeySource::File(path) => MaskKey::load_or_create(version, path)
            .with_context(|| format!("the masking key in {} cannot be used", path.display()))?,
    };
    Ok(Masker::new(key).with_phone_region(config.masking.phone_region))
}

fn surroundings(
    metrics: &Arc<Metrics>,
    recorder: &recorder::Handle,
    clock: &Clock,
    masker: &Masker,
    network: Network,
) -> proxy::Surroundings {
    proxy::Surroundings {
        metrics: Arc::clone(metrics),
        recorder: recorder.clone(),
        clock: clock.clone(),
        network,
        fingerprint_key: masker.derive_key("caller fingerprints"),
    }
}

fn start_recorder(
    queue: recorder::Handle,
    outputs: Outputs,
    settings: InForce,
    masker: Arc<Masker>,
    clock: Clock,
) -> anyhow::Result<JoinHandle<()>> {
    let recorder = Recorder { queue, outputs, settings, ignorance: ignorance()?, masker, clock };
    Ok(std::thread::Builder::new().name("recorder".into()).spawn(move || recorder.run())?)
}

fn peers(listeners: Vec<(u32, SocketAddr)>, config: &Config) -> Peers {
    Peers::new(listeners, &config.upstreams)
}

/// Upstreams and integrations.
fn names(config: &Config) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
    let upstreams = config.upstreams.iter().map(|u| Arc::clone(&u.name)).collect();
    (upstreams, config.proxy.integrations.iter().map(|i| Arc::clone(&i.name)).collect())
}

/// `before` are the credentials known so far.
fn recorder_settings(config: &Config, before: &Known) -> anyhow::Result<Settings> {
    Ok(Settings {
        known: Known::new(known::credentials(config), before),
        knowledge: knowledge(config)?,
        capture: config.recorder.capture,
        keep_slower_than_us: config.telemetry.traces.keep_slower_than.as_micros() as u64,
    })
}

fn metrics(config: &Config, clock: &Clock) -> Arc<Metrics> {
    let (upstreams, integrations) = names(config);
    Metrics::new(Options {
        upstreams: &upstreams,
        integrations: &integrations,
        caps: config.telemetry.caps,
        workers: config.proxy.workers,
        clock: clock.clone(),
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("VIGIE_COMMIT"),
    })
}

/// Beside the traffic and not before it: a slow disk must not keep the listeners closed.
fn rebuild_from_history(config: &history::Config, state: &Arc<admin::State>, upstreams: Vec<Arc<str>>) {
    let (config, state) = (config.clone(), Arc::clone(state));
    tokio::task::spawn_blocking(move || {
        let _span = tracing::info_span!("rebuild_from_history").entered();
        rebuild::from_history(&config, &state.metrics, &state.quotas, &state.clock, &upstreams);
    });
}

fn open_history(
    config: &history::Config,
    clock: &Clock,
    counters: &history::Counters,
) -> anyhow::Result<Option<History>> {
    if !config.enabled {
        return Ok(None);
    }
    let (history, _) = History::open(config, clock.clone(), counters.clone())?;
    Ok(Some(history))
}

fn knowledge(config: &Config) -> anyhow::Result<recorder::ByUpstream> {
    let origins: Arc<[_]> = config.upstreams.iter().filter_map(upstream::Config::origin).collect();
    let among = |known: Knowledge| known.among(Arc::clone(&origins));
    config.upstreams.iter().map(|u| Ok((Arc::clone(&u.name), among(know(Arc::clone(&u.profile))?)))).collect()
}

fn know(profile: Arc<Profile>) -> anyhow::Result<Knowledge> {
    let name = Arc::clone(profile.name());
    Knowledge::new(profile).map_err(|errors| {
        let list: Vec<_> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the field lists of profile {name} are wrong: {}", list.join("; "))
    })
}

fn ignorance() -> anyhow::Result<Knowledge> {
    know(Profile::builtin("generic").context("the generic profile is missing")?)
}

fn tell_addresses(dir: &Path, addresses: &Addresses) {
    if let Err(error) = write_addresses(dir, addresses) {
        tracing::warn!(%error, "{ADDRESSES} cannot be written: scripts will not find the ports");
    }
}

fn write_addresses(dir: &Path, addresses: &Addresses) -> anyhow::Result<()> {
    // Renamed into place, so that a reader never sees half of it.
    let temporary = dir.join(format!("{ADDRESSES}.new"));
    std::fs::write(&temporary, serde_json::to_vec(addresses)?)?;
    std::fs::rename(temporary, dir.join(ADDRESSES))?;
    Ok(())
}
