//! What Vigie tells of itself and of the traffic: metrics, the exchange log's sinks, spans.

pub mod catalogue;
pub mod logging;
pub mod metrics;
pub mod openmetrics;
pub mod otlp;
pub mod sink;
pub mod windows;

use crate::net::Proxy;
use crate::secret::Secret;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The three signals, resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// The exchange log's sinks.
    pub log: LogConfig,
    /// Spans.
    pub traces: TraceConfig,
    /// Label caps.
    pub caps: Caps,
}

/// Where the exchange log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// JSON lines on standard output.
    pub stdout: bool,
    /// JSON lines in a rotated file.
    pub file: Option<LogFile>,
}

/// A rotated log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The file; older ones are `<path>.1`, `<path>.2`, …
    pub path: PathBuf,
    /// Size at which it is rotated, bytes.
    pub max_bytes: u64,
    /// Rotated files kept.
    pub keep: u32,
    /// Days after which a rotated file is deleted, 1 to 90.
    pub max_days: u32,
}

/// Spans over OTLP.
#[derive(Clone, Debug)]
pub struct TraceConfig {
    /// Collector's address, e.g. `http://127.0.0.1:4317`; `None` turns spans off.
    pub endpoint: Option<String>,
    /// The proxy on the way to it, if it is not called directly.
    pub egress: Option<Arc<Proxy>>,
    /// gRPC or HTTP with protobuf.
    pub protocol: OtlpProtocol,
    /// Headers sent to the collector.
    pub headers: Vec<(String, Secret)>,
    /// Share kept where no parent decided, 0 to 1.
    pub ratio: f64,
    /// Calls slower than this are kept where no parent decided.
    pub keep_slower_than: Duration,
    /// `service.name` of the resource.
    pub service_name: String,
}

/// OTLP's transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OtlpProtocol {
    /// Port 4317 by convention.
    #[default]
    Grpc,
    /// Port 4318 by convention, `/v1/traces`.
    Http,
}

/// Bounds on label values; what goes beyond is counted under `other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Integrations.
    pub integrations: usize,
    /// Routes an upstream that its profile does not know.
    pub routes: usize,
    /// Series a family.
    pub series: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { integrations: 100, routes: 300, series: 5_000 }
    }
}
