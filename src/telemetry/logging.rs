//! The agent's own log (not the exchange log) on standard error, and its own spans beside those of the exchanges.
//!
//! Its spans go through the same queue and exporter as the exchanges' ([`Spans`]), so that there is one bound, one
//! count and one shutdown for both. The data path opens none: the layer costs about a microsecond a span.

mod panics;

use crate::telemetry::TraceConfig;
use crate::telemetry::otlp::Spans;
use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use parking_lot::Mutex;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// The exporter's libraries warn at every failed batch; [`Spans`] says once what changed. A filter that names these
/// targets overrides it.
const QUIET: &str = "opentelemetry=off,opentelemetry_sdk=off,opentelemetry-otlp=off,opentelemetry-http=off";

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For people.
    Text {
        /// With colours.
        colour: bool,
    },
    /// One JSON object a line.
    Json,
}

impl Format {
    /// Text where standard error is a terminal, JSON otherwise.
    fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Text { colour: true } } else { Self::Json }
    }
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not `target=level,…`.
    #[error("log filter {0:?}: {1}")]
    Filter(String, tracing_subscriber::filter::ParseError),
    /// Somebody set up a log before.
    #[error("the log is already set up")]
    AlreadySet,
}

/// The agent's own spans: off until [`Guard::attach`], ended by [`Guard::shutdown`].
#[must_use = "without it the agent's own spans cannot be attached nor ended"]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
    queue: Arc<Mutex<Queue>>,
}

/// Where the agent's own spans go.
#[derive(Debug)]
enum Queue {
    /// Nowhere yet: what ended before the exporter was there.
    Early {
        spans: Vec<SpanData>,
        lost: u64,
    },
    Attached(Spans),
}

/// Spans kept for an exporter that is still starting: it opens a handful meanwhile.
const EARLY: usize = 64;

impl Guard {
    /// Sends the agent's own spans through `spans` from now on, and those that ended before. The log is there first:
    /// starting the exporter may have something to say. Only the first call counts.
    pub fn attach(&self, spans: Option<Spans>) {
        let Some(spans) = spans else { return };
        let mut queue = self.queue.lock();
        if let Queue::Early { spans: early, lost } = &mut *queue {
            spans.try_send(std::mem::take(early));
            spans.count_dropped(*lost);
            *queue = Queue::Attached(spans);
        }
    }

    /// Ends the agent's own spans. Does not block: they were handed over as they ended. Call it before
    /// [`Spans::shutdown`], which sends them.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider {
            // Its only error is that it already happened.
            let _ = provider.shutdown();
        }
    }
}

/// Sets up the process's log on standard error, as text on a terminal and as JSON otherwise. `filter` is `level` or
/// `target=level,…`, e.g. `info,vigie::proxy=debug`; a collector in `traces` adds the agent's own spans. Panics are told
/// there as well, without what they quote.
pub fn init(filter: &str, traces: &TraceConfig) -> Result<Guard, Error> {
    let guard = guard(traces);
    let subscriber = subscriber(filter, Format::for_stderr(), std::io::stderr, guard.provider.as_ref())?;
    subscriber.try_init().map_err(|_| Error::AlreadySet)?;
    panics::tell_without_content();
    Ok(guard)
}

fn guard(traces: &TraceConfig) -> Guard {
    let queue = Arc::new(Mutex::new(Queue::Early { spans: Vec::new(), lost: 0 }));
    let provider = traces.endpoint.is_some().then(|| {
        SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(traces.ratio))))
            .with_span_processor(Forward(Arc::clone(&queue)))
            .build()
    });
    Guard { provider, queue }
}

fn subscriber<W>(
    filter: &str,
    format: Format,
    writer: W,
    provider: Option<&SdkTracerProvider>,
) -> Result<impl Subscriber + Send + Sync + use<W>, Error>
where
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
{
    let env_filter =
        EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|e| Error::Filter(filter.to_owned(), e))?;
    let fmt = tracing_subscriber::fmt::layer().with_writer(writer);
    let (text, json) = match format {
        Format::Text { colour } => (Some(fmt.with_ansi(colour)), None),
        Format::Json => (None, Some(fmt.json().flatten_event(true).with_current_span(false))),
    };
    let own_spans = provider.map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("vigie"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Only ours: a span of the exporter's own HTTP client would make spans of sending spans.
            .with_filter(Targets::new().with_target("vigie", LevelFilter::INFO))
    });
    Ok(Registry::default().with(Layer::and_then(text, json).with_filter(env_filter)).with(own_spans))
}

/// Hands finished spans to the one queue.
#[derive(Debug)]
struct Forward(Arc<Mutex<Queue>>);

impl SpanProcessor for Forward {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        match &mut *self.0.lock() {
            Queue::Attached(spans) => {
                spans.try_send(vec![span]);
            }
            Queue::Early { spans, .. } if spans.len() < EARLY => spans.push(span),
            Queue::Early { lost, .. } => *lost += 1,
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
