//! Sections beside the data path: masking, recorder, log, history, traces, metrics, admin.

use crate::config::scalar::{Address, Bytes, Collector, HeaderSecret, SecretText, Span, Token};
use crate::{recorder, telemetry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How values are turned into tokens.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Masking {
    /// The key, 32 characters or more: the same key gives the same tokens. If absent, one is made in `data_dir`, readable by its owner only.
    #[schemars(length(min = 32))]
    pub key: Option<SecretText>,
    /// Number of the key, raised whenever it changes, so that tokens of different keys can be told apart.
    #[schemars(range(min = 1, max = 65_535))]
    pub key_version: u16,
    /// The country, as a code of two letters, whose way of writing phone numbers is meant where they have no country code: `06 12…` and `+33 6 12…` then give the same token. If absent, they give two.
    #[schemars(schema_with = "phone_region")]
    pub phone_region: Option<String>,
}

fn phone_region(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let codes: Vec<_> = crate::exchange::redact::PhoneRegion::codes().collect();
    schemars::json_schema!({ "type": "string", "enum": codes })
}

impl Default for Masking {
    fn default() -> Self {
        Self { key: None, key_version: 1, phone_region: None }
    }
}

/// From exchange to record.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recorder {
    /// Exchanges that may wait to be recorded; more are dropped and counted.
    #[schemars(range(min = 16, max = 1_048_576), extend("x-vigie-restart" = true))]
    pub queue: usize,
    /// Bytes that the waiting exchanges' bodies may hold, 1MiB or more; beyond, bodies are dropped and counted.
    #[schemars(extend("x-vigie-restart" = true))]
    pub queue_bytes: Bytes,
    /// Which exchanges keep their masked bodies in the record: none, those that did not end well, or all.
    pub capture: Bodies,
}

impl Default for Recorder {
    fn default() -> Self {
        let recorder::Config { queue, queue_bytes, .. } = recorder::Config::default();
        Self { queue, queue_bytes: Bytes(queue_bytes as u64), capture: Bodies::Errors }
    }
}

/// Whose bodies are kept.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Bodies {
    None,
    #[default]
    Errors,
    All,
}

/// The exchange log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// JSON lines on standard output.
    pub stdout: bool,
    /// JSON lines in a file that is rotated.
    pub file: Option<LogFile>,
}

impl Default for Log {
    fn default() -> Self {
        Self { stdout: true, file: None }
    }
}

/// A rotated file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// The file; older ones are `<path>.1`, `<path>.2`, …
    #[schemars(length(min = 1))]
    pub path: String,
    /// Size at which it is rotated, 4KiB or more.
    #[serde(default = "log_file_size")]
    pub max_size: Bytes,
    /// Rotated files kept.
    #[serde(default = "log_files_kept")]
    #[schemars(range(min = 0, max = 1000))]
    pub keep: u32,
    /// Days after which a rotated file is deleted.
    #[serde(default = "days_kept")]
    #[schemars(range(min = 1, max = 90))]
    pub max_days: u32,
}

fn log_file_size() -> Bytes {
    Bytes(100 << 20)
}

fn log_files_kept() -> u32 {
    10
}

fn days_kept() -> u32 {
    30
}

/// The records that can be searched.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Keeps records in `data_dir`.
    pub enabled: bool,
    /// Whole days kept.
    #[schemars(range(min = 1, max = 90))]
    pub days: u32,
    /// What all days may hold together, 16MiB or more; the oldest go first.
    pub max_size: Bytes,
}

impl Default for History {
    fn default() -> Self {
        Self { enabled: true, days: days_kept(), max_size: Bytes(5 << 30) }
    }
}

/// Spans over OTLP.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// The collector, e.g. `http://127.0.0.1:4317`. No spans are made if absent.
    #[schemars(extend("x-vigie-restart" = true))]
    pub endpoint: Option<Collector>,
    /// gRPC (port 4317 by convention) or HTTP with protobuf (4318, path `/v1/traces`).
    #[schemars(extend("x-vigie-restart" = true))]
    pub protocol: Protocol,
    /// Share of traces kept where the caller has not decided.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ratio: f64,
    /// Calls slower than this are kept where the caller has not decided, and so are those that failed.
    pub keep_slower_than: Span,
    /// `service.name` of the spans.
    #[schemars(length(min = 1, max = 200), extend("x-vigie-restart" = true))]
    pub service_name: String,
    /// Headers sent to the collector, by name.
    #[schemars(extend("propertyNames" = { "format": "vigie-header-name" }, "maxProperties" = 16, "x-vigie-restart" = true))]
    pub headers: BTreeMap<String, HeaderSecret>,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: None,
            protocol: Protocol::Grpc,
            ratio: 0.1,
            keep_slower_than: Span(Duration::from_secs(2)),
            service_name: "vigie".to_owned(),
            headers: BTreeMap::new(),
        }
    }
}

/// OTLP's transports.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Protocol {
    #[default]
    Grpc,
    Http,
}

/// Prometheus metrics.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Bounds on label values; what goes beyond is counted as `other`.
    pub caps: Caps,
}

/// Bounds on label values.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// Integrations.
    #[schemars(range(min = 1, max = 1000))]
    pub integrations: usize,
    /// Routes of one upstream that its profile does not know; those it knows are always there.
    #[schemars(range(min = 1, max = 10_000))]
    pub routes: usize,
    /// Series of one metric; each upstream has its share of them.
    #[schemars(range(min = 100, max = 100_000))]
    pub series: usize,
}

impl Default for Caps {
    fn default() -> Self {
        let telemetry::Caps { integrations, routes, series } = telemetry::Caps::default();
        Self { integrations, routes, series }
    }
}

/// The read side's listener.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// IP address and port; port 0 takes a free one.
    #[schemars(extend("x-vigie-restart" = true))]
    pub address: Address,
    /// TLS for it, as for the proxy's listeners: files are read again when they change. Needed off loopback, unless plain text is allowed.
    #[schemars(extend("x-vigie-restart" = true))]
    pub tls: Option<super::ListenerTls>,
    /// Who may ask for `/metrics` and `/api/v1/…`, by the token's name. Off loopback there must be one here or in `tokens_file`; on loopback, without any, everybody on the machine may.
    #[schemars(extend("propertyNames" = { "pattern": super::NAME }, "maxProperties" = crate::admin::tokens::MAX_TOKENS))]
    pub tokens: BTreeMap<String, AdminToken>,
    /// A file of more tokens, one a line: `<name> <role> blake3:<hash>`, as `vigie token new` prints it. Read again within seconds of a change.
    #[schemars(length(min = 1))]
    pub tokens_file: Option<String>,
    /// Values of `Host` that are answered beside the address itself and `localhost`.
    #[schemars(length(max = 16), inner(length(min = 1, max = 260)), extend("x-vigie-restart" = true))]
    pub allowed_hosts: Vec<String>,
    /// Allows an address off loopback without TLS although tokens then cross the network in plain text.
    #[schemars(extend("x-vigie-restart" = true))]
    pub allow_plaintext: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464))),
            tls: None,
            tokens: BTreeMap::new(),
            tokens_file: None,
            allowed_hosts: Vec::new(),
            allow_plaintext: false,
        }
    }
}

/// One of the read side's tokens.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminToken {
    /// What its holder may do; the table is in docs/security.md.
    pub role: crate::admin::Role,
    /// The token, 16 characters or more, or `blake3:` and its hash in hexadecimal.
    pub token: Token,
}
