//! Spans on their way to a collector: a bounded queue, batches, one exporter.
//!
//! Invariants: [`Spans::try_send`] never waits; every span ends as `sent`, `failed` (what a collector rejects from
//! a batch it takes as well) or `dropped` in `vigie_otlp_spans_total`; a collector that is away costs one warning when it goes and one line when it is back.

mod exporter;
mod grpc;
mod spans;
mod way;

pub use opentelemetry_sdk::trace::SpanData;
pub use spans::Peers;

use crate::exchange::Exchange;
use crate::exchange::record::Record;
use crate::net::{Network, Proxy};
use crate::telemetry::TraceConfig;
use crate::telemetry::metrics::{DropStage, Metrics, SpanResult};
use crate::vendors::Reading;
use parking_lot::{Mutex, RwLock};
use spans::Told;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Spans that may wait: at about 2 KB each at most 16 MB, held only while the collector is away or slow.
const QUEUE: u64 = 8_192;

/// Messages that may wait. Each holds at least one span, so the bound on spans is reached first.
const MESSAGES: usize = QUEUE as usize;

/// Spans in one request to the collector; the default of the OpenTelemetry batch processors.
const BATCH: usize = 512;

/// How long a span may wait for its batch to fill.
const LINGER: Duration = Duration::from_secs(1);

/// How long the collector may take for one batch, retries included.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why spans cannot be exported as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The collector's address or the TLS trust it needs cannot be used.
    #[error("collector {endpoint}: {reason}")]
    Endpoint {
        /// Scheme, host and port; never credentials.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header for the collector is not valid HTTP.
    #[error("collector header {0:?}: name or value is not valid HTTP")]
    Header(String),
}

/// The sending side. Cheap to clone.
#[derive(Clone)]
pub struct Spans(Arc<Inner>);

struct Inner {
    queue: mpsc::Sender<Vec<SpanData>>,
    peers: RwLock<Peers>,
    way: way::Way,
    metrics: Arc<Metrics>,
    /// Spans accepted and not yet sent or failed.
    pending: Arc<AtomicU64>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Spans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spans({} waiting)", self.0.pending.load(Ordering::Relaxed))
    }
}

impl Spans {
    /// Starts exporting by `network`, whose runtime also carries the collector's connections; `None` when spans are off. A
    /// collector that is not there is no error: it may come later.
    pub fn start(
        config: &TraceConfig,
        peers: Peers,
        metrics: Arc<Metrics>,
        network: &Network,
    ) -> Result<Option<Self>, Error> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let runtime = network.resolver.runtime();
        let way = way::Way::new(endpoint, config, network)?;
        let exporter = exporter::build(endpoint, config, &way, runtime)?;
        let (queue, receiver) = mpsc::channel(MESSAGES);
        let (pending, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let worker = Worker {
            receiver,
            exporter,
            metrics: metrics.clone(),
            pending: pending.clone(),
            stop: stop.clone(),
            endpoint: exporter::shown(endpoint),
            failing: false,
        };
        let task = Mutex::new(Some(runtime.spawn(worker.run())));
        Ok(Some(Self(Arc::new(Inner { queue, peers: RwLock::new(peers), way, metrics, pending, stop, task }))))
    }

    /// Takes the addresses of another configuration.
    pub fn know(&self, peers: Peers) {
        self.0.peers.write().renew(peers);
    }

    /// Takes another egress proxy on the way to the collector.
    ///
    /// # Errors
    /// When TLS with the proxy cannot be set up; then the way stays as it was.
    pub fn renew(&self, proxy: Option<&Arc<Proxy>>) -> Result<(), Error> {
        self.0.way.renew(proxy)
    }

    /// Appends the finished spans of one exchange to `out`: its SERVER span and a CLIENT span for each attempt. `quota` is
    /// what its answer told.
    pub fn describe(&self, exchange: &Exchange, record: &Record, quota: Option<Reading<'_>>, out: &mut Vec<SpanData>) {
        spans::describe(&Told { exchange, record, quota }, &self.0.peers.read(), out);
    }

    /// Hands over the finished spans of some exchanges. Never waits: without room they are dropped and counted.
    /// False when they were dropped.
    pub fn try_send(&self, spans: Vec<SpanData>) -> bool {
        let count = spans.len() as u64;
        // Added before sending, so that the worker never subtracts what was not yet added.
        let room = self.0.pending.fetch_add(count, Ordering::Relaxed) + count <= QUEUE;
        let sent = room && self.0.queue.try_send(spans).is_ok();
        if !sent {
            self.0.pending.fetch_sub(count, Ordering::Relaxed);
            self.0.count_dropped(count);
        }
        sent
    }

    /// Counts spans that were dropped before they came here.
    pub(in crate::telemetry) fn count_dropped(&self, count: u64) {
        self.0.count_dropped(count);
    }

    /// Takes no more spans and sends those that wait, for at most `timeout`; what is left then is dropped and counted.
    pub async fn shutdown(&self, timeout: Duration) {
        self.0.stop.cancel();
        let Some(mut task) = self.0.task.lock().take() else { return };
        if tokio::time::timeout(timeout, &mut task).await.is_err() {
            task.abort();
            // Only once the task is really gone does nobody else count what is pending.
            let _ = task.await;
        }
        self.0.count_dropped(self.0.pending.swap(0, Ordering::Relaxed));
    }
}

impl Inner {
    /// Among what became of spans, and among all that the recorder had to give up.
    fn count_dropped(&self, spans: u64) {
        self.metrics.agent().spans(SpanResult::Dropped, spans);
        self.metrics.recorder().dropped_many(DropStage::Trace, spans);
    }
}

struct Worker {
    receiver: mpsc::Receiver<Vec<SpanData>>,
    exporter: exporter::Exporter,
    metrics: Arc<Metrics>,
    pending: Arc<AtomicU64>,
    stop: CancellationToken,
    endpoint: String,
    failing: bool,
}

impl Worker {
    async fn run(mut self) {
        let mut waiting = Vec::new();
        while self.fill(&mut waiting).await {
            let rest = waiting.split_off(waiting.len().min(BATCH));
            let batch = std::mem::replace(&mut waiting, rest);
            self.export(batch).await;
        }
    }

    /// Waits until there is a batch's worth, or the first span waited long enough. False at the very end.
    async fn fill(&mut self, waiting: &mut Vec<SpanData>) -> bool {
        let mut deadline = (!waiting.is_empty()).then(|| tokio::time::Instant::now() + LINGER);
        while waiting.len() < BATCH {
            let lingered = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.receiver.is_closed() => self.receiver.close(),
                spans = self.receiver.recv() => match spans {
                    Some(spans) => waiting.extend(spans),
                    None => return !waiting.is_empty(),
                },
                () = lingered => return true,
            }
            if deadline.is_none() && !waiting.is_empty() {
                deadline = Some(tokio::time::Instant::now() + LINGER);
            }
        }
        true
    }

    async fn export(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let (lost, outcome) = match tokio::time::timeout(EXPORT_TIMEOUT, self.exporter.export(batch)).await {
            Ok(Ok(rejected)) if rejected > 0 => {
                let rejected = count.min(rejected.unsigned_abs());
                (rejected, Err(format!("it rejected {rejected} of {count}")))
            }
            Ok(Ok(_)) => (0, Ok(())),
            Ok(Err(error)) => (count, Err(error)),
            Err(_) => (count, Err(format!("no answer within {EXPORT_TIMEOUT:?}"))),
        };
        self.metrics.agent().spans(SpanResult::Failed, lost);
        self.metrics.agent().spans(SpanResult::Sent, count - lost);
        self.pending.fetch_sub(count, Ordering::Relaxed);
        self.tell(outcome);
    }

    /// Says it once, when it changes.
    fn tell(&mut self, outcome: Result<(), String>) {
        let endpoint = &self.endpoint;
        match outcome {
            Err(error) if !self.failing => {
                tracing::warn!(%endpoint, %error, "collector does not take spans; they are lost")
            }
            Ok(()) if self.failing => tracing::info!(%endpoint, "collector takes spans again"),
            _ => return,
        }
        self.failing = !self.failing;
    }
}

#[cfg(test)]
mod tests;
