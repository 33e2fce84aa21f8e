//! The file as written: one struct a section. Doc comments are the schema's descriptions and the README's reference.

use super::scalar::{self, Address, Bytes, Fingerprint, HeaderName, HeaderSecret, Link, Span, Token, Workers};
use crate::{recorder, telemetry, upstream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

mod credential;
mod limits;
mod network;
mod sections;
mod tls;
pub use credential::{Access, Authenticate, Credential};
pub use limits::Limits;
pub use network::{Network, Resolver};
pub use sections::{Admin, AdminToken, Caps, History, Log, Masking, Metrics, Protocol, Recorder, Traces};

pub use tls::{ClientAuth, ListenerTls, Tls};

/// Configuration of Vigie.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// What this process does: everything, with an embedded store.
    #[schemars(extend("x-vigie-restart" = true))]
    pub role: Role,
    /// Directory for what Vigie keeps: history, and the masking key if none is given.
    #[schemars(length(min = 1), extend("x-vigie-restart" = true))]
    pub data_dir: String,
    /// The data path: where callers connect.
    pub proxy: Proxy,
    /// The CRM endpoints that calls are forwarded to, by name. At least one is needed.
    #[schemars(extend("propertyNames" = { "pattern": NAME }, "maxProperties" = MAX_UPSTREAMS))]
    pub upstreams: BTreeMap<String, Upstream>,
    /// The callers, by name, and how each is recognised. A call is attributed by listener, token, credential, path prefix or header, in this order; else it is `unknown`.
    #[schemars(extend("propertyNames" = { "pattern": NAME }, "maxProperties" = MAX_INTEGRATIONS))]
    pub integrations: BTreeMap<String, Integration>,
    /// Ways out of the machine: egress proxy, names, silent connections.
    pub network: Network,
    /// How values are turned into tokens.
    #[schemars(extend("x-vigie-restart" = true))]
    pub masking: Masking,
    /// From exchange to record.
    pub recorder: Recorder,
    /// The exchange log.
    #[schemars(extend("x-vigie-restart" = true))]
    pub log: Log,
    /// The records that can be searched.
    #[schemars(extend("x-vigie-restart" = true))]
    pub history: History,
    /// Spans over OTLP.
    pub traces: Traces,
    /// Prometheus metrics.
    #[schemars(extend("x-vigie-restart" = true))]
    pub metrics: Metrics,
    /// The listener of `/metrics`, `/live`, `/ready` and `/api/v1/…`.
    pub admin: Admin,
}

/// Names become metric labels and parts of paths.
const NAME: &str = "^[a-z0-9_-]{1,40}$";
/// Upstreams at most; each pre-creates its series.
const MAX_UPSTREAMS: usize = 50;
/// Integrations at most; each is looked up by hash, so this only bounds memory.
const MAX_INTEGRATIONS: usize = 1_000;

impl Default for File {
    fn default() -> Self {
        Self {
            role: Role::default(),
            data_dir: "./vigie-data".to_owned(),
            proxy: Proxy::default(),
            upstreams: BTreeMap::new(),
            integrations: BTreeMap::new(),
            network: Network::default(),
            masking: Masking::default(),
            recorder: Recorder::default(),
            log: Log::default(),
            history: History::default(),
            traces: Traces::default(),
            metrics: Metrics::default(),
            admin: Admin::default(),
        }
    }
}

/// What a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("type" = "string"))]
pub enum Role {
    // Said in the field's description; a variant's own would make the schema a `oneOf` of constants.
    #[default]
    #[allow(missing_docs)]
    Standalone,
}

/// The data path.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// The one listening address; `listeners` instead where there are several. 127.0.0.1:8080 if neither is given.
    pub address: Option<Address>,
    /// TLS for `address`. Needed off loopback, unless plain text is allowed.
    pub tls: Option<ListenerTls>,
    /// Understands HTTP/2 with prior knowledge on `address` in plain text. Over TLS it is agreed on by ALPN.
    pub http2_prior_knowledge: bool,
    /// What callers call `address`, if something in front of it ends TLS or changes path or host. Links in answers lead there. By default, what each caller calls it.
    pub public_url: Option<Link>,
    /// Allows `address` to be off loopback without TLS although callers' credentials then cross the network in plain text.
    pub allow_plaintext: bool,
    /// Listening addresses, each for everybody or pinned to one upstream or integration.
    #[schemars(length(min = 1, max = 16))]
    pub listeners: Option<Vec<Listener>>,
    /// Data-path threads. `auto`: one per core the process may use, 4 at most.
    #[schemars(extend("x-vigie-restart" = true))]
    pub workers: Workers,
    /// HTTP/2 streams that one caller's connection may have open.
    #[schemars(range(min = 1, max = 10_000))]
    pub http2_max_streams: u32,
    /// How much of each body is copied to judge its meaning. Bodies are always forwarded whole.
    pub capture: Capture,
    /// What one caller may take: of bytes, of connections, of time. What goes beyond is refused with a status that says so.
    pub limits: Limits,
    /// How long after SIGTERM callers are still let in while `/ready` says no already, 0s to 5m: for load balancers to notice.
    pub drain_delay: Span,
    /// How long running exchanges may go on after SIGTERM and `drain_delay`, 0s to 10m.
    pub drain: Span,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            address: None,
            tls: None,
            http2_prior_knowledge: false,
            public_url: None,
            allow_plaintext: false,
            listeners: None,
            workers: Workers(None),
            http2_max_streams: crate::proxy::MAX_STREAMS,
            capture: Capture::default(),
            drain_delay: Span(Duration::ZERO),
            limits: Limits::default(),
            drain: Span(Duration::from_secs(30)),
        }
    }
}

/// One listening address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// IP address and port; port 0 takes a free one.
    pub address: Address,
    /// Sends every call made here to this upstream.
    #[serde(default)]
    pub upstream: Option<String>,
    /// Attributes every call made here to this integration.
    #[serde(default)]
    pub integration: Option<String>,
    /// TLS for this address. Needed off loopback, unless plain text is allowed.
    #[serde(default)]
    pub tls: Option<ListenerTls>,
    /// Understands HTTP/2 with prior knowledge in plain text. Over TLS it is agreed on by ALPN.
    #[serde(default)]
    pub http2_prior_knowledge: bool,
    /// What callers call it, if something in front of it ends TLS or changes path or host. Links in answers lead there. By default, what each caller calls it.
    #[serde(default)]
    pub public_url: Option<Link>,
    /// Allows an address off loopback without TLS although callers' credentials then cross the network in plain text.
    #[serde(default)]
    pub allow_plaintext: bool,
}

/// Bounds of the copies.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// Of a request's body, 16MiB at most.
    pub request: Bytes,
    /// Of an answer's body, 16MiB at most.
    pub response: Bytes,
    /// Of all bodies of running exchanges together, 1MiB or more; an exchange beyond is not copied and counts as `unclassified`.
    pub total: Bytes,
}

impl Default for Capture {
    fn default() -> Self {
        Self { request: Bytes(64 << 10), response: Bytes(64 << 10), total: Bytes(64 << 20) }
    }
}

/// One CRM endpoint.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Which CRM it is; `generic` knows none and judges by status alone.
    #[schemars(schema_with = "vendor")]
    pub vendor: String,
    /// Its address: scheme, host, port and, where it has one, a base path. No credentials, no query.
    pub url: Link,
    /// Calls whose path starts with this go here, without the prefix. One upstream may have none: it gets what no prefix matches.
    #[serde(default)]
    #[schemars(extend("format" = "vigie-path-prefix"))]
    pub path_prefix: Option<String>,
    /// HTTP version to speak to it.
    #[serde(default)]
    pub http: Http,
    /// Protocols that callers may switch to with `Upgrade`, e.g. `[websocket]`; an offered `h2c` is left out, any other is refused with 501. Only from HTTP/1.1 and to HTTP/1.1; what is said afterwards is counted, not read.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub upgrades: Vec<scalar::Protocol>,
    /// Time-outs towards it.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How its certificate is verified, which it always is, and what it is shown.
    #[serde(default)]
    pub tls: Tls,
    /// The limit to count against where its answers tell none.
    #[serde(default)]
    pub quota: Option<Quota>,
    /// The key that Vigie puts on every call, in place of what the caller sends: callers then need none. Another account of the same vendor is another upstream.
    #[serde(default)]
    pub credential: Option<Credential>,
    /// Who may call it.
    #[serde(default)]
    pub access: Access,
    /// Idle connections kept by each data-path thread.
    #[serde(default = "max_idle")]
    #[schemars(range(min = 0, max = 4096))]
    pub max_idle: usize,
    /// Rewrites absolute links to it in JSON answers, so that callers who follow them stay on the path. Where the profile names places of links, answers are then asked for uncoded and held until they are whole; at most 1 MiB.
    #[serde(default)]
    pub rewrite_links: bool,
    /// Allows `http` to another machine although credentials then cross the network in plain text.
    #[serde(default)]
    pub allow_plaintext: bool,
}

fn max_idle() -> usize {
    upstream::MAX_IDLE_PER_WORKER
}

fn vendor(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": crate::vendors::Profile::builtin_names() })
}

/// HTTP version.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub enum Http {
    #[default]
    #[serde(rename = "auto")]
    #[allow(missing_docs)]
    Auto,
    #[serde(rename = "1")]
    #[allow(missing_docs)]
    One,
    #[serde(rename = "2")]
    #[allow(missing_docs)]
    Two,
}

/// Time-outs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Name resolution, TCP, the egress proxy and TLS together, 10ms to 1h.
    pub connect: Span,
    /// Request sent to answer head, 10ms to 1h.
    pub head: Span,
    /// Longest standstill of a body, 10ms to 1h.
    pub idle: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        let upstream::Timeouts { connect, head, idle } = upstream::Timeouts::default();
        Self { connect: Span(connect), head: Span(head), idle: Span(idle) }
    }
}

/// A limit known from the contract.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Calls a window.
    #[schemars(range(min = 1))]
    pub limit: u64,
    /// The window's length, 1s to 31d.
    pub window: Span,
}

/// One caller.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Integration {
    /// Display name, logged as `system`. Its own name if absent.
    #[schemars(length(min = 1, max = 100))]
    pub system: Option<String>,
    /// Tokens it sends as `x-vigie-token`, 16 characters or more: secrets, or `blake3:` and a secret's hash in hexadecimal.
    #[schemars(length(max = 16))]
    pub tokens: Vec<Token>,
    /// Credentials for the CRM that only it uses: whole `Authorization` values, or keys, wherever the CRM expects them.
    #[schemars(length(max = 16))]
    pub credentials: Vec<HeaderSecret>,
    /// Fingerprints of such credentials, as `/api/v1/callers` lists them.
    #[schemars(length(max = 16))]
    pub fingerprints: Vec<Fingerprint>,
    /// A path prefix that only it uses; removed before the call is forwarded, unless a token or credential named another.
    #[schemars(extend("format" = "vigie-path-prefix"))]
    pub path_prefix: Option<String>,
    /// A header that only it sends; removed before the call is forwarded, unless something else named another integration.
    pub header: Option<Header>,
    /// Keys of its own, by upstream, which Vigie puts on its calls instead of the upstream's. It must prove who it is.
    #[schemars(extend("propertyNames" = { "pattern": NAME }, "maxProperties" = MAX_UPSTREAMS))]
    pub upstream_credentials: BTreeMap<String, Credential>,
}

/// A header and its value.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Name.
    pub name: HeaderName,
    /// Value, compared exactly.
    #[schemars(extend("format" = "vigie-header-value", "x-vigie-hidden" = true))]
    pub value: String,
}

impl From<Http> for upstream::HttpVersion {
    fn from(http: Http) -> Self {
        match http {
            Http::Auto => Self::Auto,
            Http::One => Self::Http1,
            Http::Two => Self::Http2,
        }
    }
}

impl From<Protocol> for telemetry::OtlpProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Grpc => Self::Grpc,
            Protocol::Http => Self::Http,
        }
    }
}

impl From<sections::Bodies> for recorder::Capture {
    fn from(bodies: sections::Bodies) -> Self {
        match bodies {
            sections::Bodies::None => Self::None,
            sections::Bodies::Errors => Self::Errors,
            sections::Bodies::All => Self::All,
        }
    }
}
